"""What benchmark_model prints, in all its forms."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.android import benchmark_model as bm
from converters.errors import ExportError

CURRENT = """INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Graph: [/data/local/tmp/model.tflite]
INFO: Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.
INFO: Replacing 58 out of 58 node(s) with delegate (TfLiteGpuDelegateV2) node, yielding 1 partitions for the graph.
INFO: count=5 first=125113 curr=113500 min=113000 max=125113 avg=115344 std=4000 p5=113000 median=113500 p95=125113
INFO: Running benchmark for at least 50 iterations
INFO: count=50 first=119614 curr=115889 min=111842 max=119614 avg=115246 std=1329 p5=112107 median=115350 p95=116620
INFO: Inference timings in us: Init: 1361236, First inference: 125113, Warmup (avg): 115344, Inference (avg): 115246
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=14.4414 overall=14.8164
INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
"""
OLD = """STARTING!
count=1 curr=125113
count=2 first=28900000 curr=28900000 min=28800000 max=28900000 avg=2.89e+07 std=300
Inference timings in us: Init: 1361236, First inference: 125113, Warmup (avg): 125113, Inference (avg): 2.89e+07
Overall peak memory footprint (MB) via periodic monitoring: -1
"""
NEW = """I0000 benchmark_litert_model.cc:1] ========== BENCHMARK RESULTS ==========
Model initialization: done
Init:       1361.24 ms
First inference:      125.11 ms
Warmup (avg):      115.34 ms (1 runs)
Inference (avg):      85.23 ms (50 runs)
Overall peak memory: 93.24 MB
"""


def test_current_form():
    block = bm.parse(CURRENT)
    assert (block.count, block.mean_ms, block.init_ms, block.first_ms) == (50, 115.246, 1361.236, 125.113)
    assert block.statistics == {
        "min": 111.842, "max": 119.614, "std": 1.329, "p5": 112.107, "median": 115.35, "p95": 116.62,
    }  # fmt: skip
    assert block.peak_memory_bytes == 93238300
    assert block.delegated == (58, 58)


def test_old_form_without_percentiles_or_memory():
    block = bm.parse(OLD)
    assert (block.count, block.mean_ms, block.peak_memory_bytes, block.delegated) == (2, 28900.0, None, None)
    assert set(block.statistics) == {"min", "max", "std"}


def test_new_form():
    block = bm.parse(NEW)
    assert (block.count, block.mean_ms, block.init_ms, block.first_ms) == (50, 85.23, 1361.24, 125.11)
    assert block.peak_memory_bytes == 93240000


def test_single_run():
    text = OLD.replace(
        "count=2 first=28900000 curr=28900000 min=28800000 max=28900000 avg=2.89e+07 std=300", "count=1 curr=7"
    )
    assert bm.parse(text).count == 1


def test_a_locale_with_a_decimal_comma_is_read():
    assert bm.parse(NEW.replace("85.23", "85,23")).mean_ms == 85.23


@pytest.mark.parametrize("text", ["", "STARTING!\ncount=5 first=1", "ERROR: Could not open 'x'", CURRENT[:600]])
def test_output_that_is_cut_short_is_an_error(text):
    with pytest.raises(ExportError, match="did not finish; it printed"):
        bm.parse(text)


@pytest.mark.parametrize(
    ("found", "printed"),
    [
        ("Inference (avg): 115246", "Inference (avg): -115246"),
        ("Inference (avg): 115246", "Inference (avg): 0"),
        ("Init: 1361236", "Init: 1.3.6"),
        ("min=111842", "min=-111842"),
        ("count=50 first", "count=0 first"),
        (": 93.2383", ": 1e999"),
    ],
)
def test_values_that_make_no_sense_are_one_clear_error(found, printed):
    assert found in CURRENT
    with pytest.raises(ExportError, match="printed a value that makes no sense"):
        bm.parse(CURRENT.replace(found, printed))


@pytest.mark.parametrize("value", ["-0.5", "0.5.0"])
def test_a_profile_with_values_that_make_no_sense_is_one_clear_error(value):
    text = f"===== Run Order =====\nnode type, avg_ms, name\nCONV_2D, {value}, a\nADD, 2.0, b\n"
    with pytest.raises(ExportError, match="the profile has a value that makes no sense"):
        bm.parse_profile(text)


@given(st.text())
def test_any_other_text_is_one_clear_error(text):
    with pytest.raises(ExportError):
        bm.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2.89e+07", 2.89e7), ("85,23", 85.23), ("1,234,567", 1234567), ("1,234.5", 1234.5), ("٣٥١", 351), ("-7", -7)],
)
def test_numbers_of_every_locale(text, value):
    assert bm.number(text) == value


def test_profile_is_that_of_running_the_ops():
    ops = bm.parse_profile((Path(__file__).parents[1] / "data" / "op_profile.csv").read_text())
    assert [(item.op, item.mean_ms, item.share) for item in ops] == [
        ("CONV_2D", 2.0, 0.4),
        ("DEPTHWISE_CONV_2D", 0.5, 0.1),
        ("RESIZE_BILINEAR", 2.5, 0.5),
    ]
    assert ops[1].name.startswith("[backbone/a,")
    with pytest.raises(ExportError, match="no list of ops"):
        bm.parse_profile("node type, avg_ms")
