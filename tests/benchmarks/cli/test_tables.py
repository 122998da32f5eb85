"""What ``bench`` prints of a result."""

from __future__ import annotations

import pytest

from benchmarks.cli.tables import say_bench
from benchmarks.results import EVALUATED, Bench, Block, Energy, OpTime

HOST = {"target": "host", "cpu": "EPYC"}
TOOL = {"target": "adb", "device": "Google Pixel 8", "tool": "benchmark_model 0123456789ab"}
APP = {"target": "adb", "device": "Google Pixel 8", "tool": "dev.modnet.demo/.Bench"}


@pytest.fixture
def printed(capsys):
    def said(*runs):
        say_bench(Bench("x", runs))
        return capsys.readouterr().out

    return said


def row_of(text):
    """The cells of the table's row for the model m."""
    return next(cells for line in text.splitlines() if (cells := line.split())[:1] == ["m"])


def test_what_is_unknown_is_a_dash(printed, make_run):
    assert row_of(printed(make_run("m", conditions=HOST)))[-2:] == ["-", "-"]


def test_what_is_known_is_a_number(printed, make_run):
    run = make_run("m", conditions=HOST, init_ms=0.0, peak_memory_bytes=93_200_000)
    assert row_of(printed(run))[-2:] == ["0", "93"]


def test_every_number_says_what_measured_it(printed, make_run):
    blocks = tuple(Block(2, 100.0, {}) for _ in range(3))
    host = make_run("a", conditions=HOST)
    tool = make_run("b", conditions=TOOL, blocks=blocks)
    app = make_run("c", conditions=APP)
    text = printed(host, tool, app)
    assert "EPYC, by this program: each sample is one run" in text
    assert "Google Pixel 8, by benchmark_model 0123456789ab: each sample is the mean" in text
    assert "Google Pixel 8, by dev.modnet.demo/.Bench: each sample is one run" in text
    assert "benchmark_model" not in printed(app)


def test_a_latency_of_the_evaluator_is_not_taken_for_core_mls(printed, make_run):
    text = printed(make_run("m", conditions=HOST, marks=(EVALUATED,)))
    assert "m *" in text
    assert "* m: evaluated, not run by Core ML" in text
    assert "says nothing about Core ML's" in text


@pytest.mark.parametrize(
    ("held", "told"), [(92_800_000, "memory on the GPU: 93 MB"), ("the device does not say", "does not say")]
)
def test_what_a_gpu_holds_is_told_or_that_nobody_says_it(printed, make_run, held, told):
    assert told in " ".join(printed(make_run("m", after={"gpu_memory_bytes": held})).split())


def test_nnapi_is_said_to_be_deprecated(printed, make_run):
    assert "NNAPI is deprecated" in printed(make_run("m", conditions={**TOOL, "delegate": "nnapi"}))
    assert "NNAPI" not in printed(make_run("m", conditions={**TOOL, "delegate": "gpu"}))


def test_marks_memory_energy_and_ops_are_told(printed, make_run):
    run = make_run(
        "m",
        marks=("functional only",),
        pss_bytes=(5_000_000, 7_000_000),
        end_to_end_ms=(30.0, 40.0, 34.0),
        cold_start_ms=(800.0, 900.0),
        energy=Energy(2.0, 0.25, 9),
        energy_refused="it is charging",
        profile=(OpTime("CONV_2D", "backbone", 3.0, 0.75), OpTime("ADD", "sum", 1.0, 0.25)),
    )
    text = printed(run)
    assert "* m: functional only" in text
    assert "an emulator say nothing" in text
    assert "34.0 ms from a camera's frame to the composited one" in text
    assert "850 ms from the app's start to its first matte" in text
    assert "PSS up to 7 MB in 2 samples" in text
    assert "about 0.25 J per inference" in text
    assert "no estimate of energy: it is charging" in text
    assert text.index("3.00 ms 75.0%  CONV_2D  backbone") < text.index("1.00 ms 25.0%  ADD  sum")
