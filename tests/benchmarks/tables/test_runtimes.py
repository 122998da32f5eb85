"""What older runtimes make of our TFLite files, and what manifests and docs say of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import measured
from benchmarks.tables import runtimes
from converters.tflite.versions import minimum_runtime
from modnet_export import Size
from modnet_export.record import manifest
from modnet_export.record.seen import recorded, seen_on

ROOT = Path(__file__).parents[3]
# The TensorFlow that each was made from, by its notes of release.
TENSORFLOW = {"tflite-runtime 2.14.0": (2, 14), "LiteRT 1.0.0": (2, 18)}


def pairs(precision):
    split = (item.split() for item in recorded().operators[precision])
    return [(name, int(version)) for name, version in split]


def test_the_table_in_docs_is_what_was_recorded():
    text = (ROOT / "docs" / "quantization.md").read_text(encoding="utf-8")
    assert measured.replaced(text, {"runtimes": runtimes.table(recorded())}) == text
    assert {item.runtime for item in recorded().seen} == {recorded().newest, *TENSORFLOW}


@pytest.mark.parametrize("item", recorded().seen, ids=lambda item: f"{item.precision} on {item.runtime}")
def test_the_lowest_runtime_by_operators_is_what_was_seen(item):
    """An older one refuses the model, or gives another matte; any other one loads it."""
    major, minor, _ = map(int, minimum_runtime(pairs(item.precision)).split("."))
    if (major, minor) > TENSORFLOW.get(item.runtime, (9, 9)):
        assert not item.passed
    else:
        assert not item.refused


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_main_precisions_were_seen_on_every_runtime(precision):
    assert seen_on(pairs(precision)) == (recorded().newest, *TENSORFLOW)


def test_operators_that_nobody_ran_were_seen_nowhere():
    assert seen_on(pairs("int4-weights")) == (recorded().newest,)
    assert seen_on([("CONV_2D", 99)]) == ()


def test_the_manifest_says_what_a_tflite_file_runs_on(dist):
    for item in manifest.load(dist).artefacts:
        if item.format == "tflite":
            assert item.minimum_runtime == minimum_runtime(pairs(item.precision))
            assert item.seen_on == (recorded().newest, *TENSORFLOW)
        else:
            assert (item.minimum_runtime, item.seen_on) == (None, ())


@pytest.fixture(scope="module")
def dist_of_tflite(exported):
    return exported(size=Size(height=96, width=128), formats=("tflite",), precisions=("fp32", "fp16", "int8"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_old_runtimes_run_what_is_recorded(dist_of_tflite):
    """Each in an environment of its own, which is made in ``.peers`` the first time."""
    found = runtimes.seen(dist_of_tflite, Path(".peers"))
    recorded_of = {(item.runtime, item.precision): item for item in recorded().seen}
    for item in found.seen:
        expected = recorded_of[item.runtime, item.precision]
        assert (item.passed, bool(item.refused)) == (expected.passed, bool(expected.refused)), item
        assert set(found.operators[item.precision]) <= set(recorded().operators[item.precision])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_user_of_tflite_runtime_makes_and_verifies_mattes(dist_of_tflite, tmp_path):
    """The whole tool with numpy 1 and without ai-edge-litert, installed beside tflite-runtime."""
    from benchmarks.peers.environments import python_of

    python, work = python_of("tflite-runtime", Path(".peers").resolve()), Path(".peers").resolve()
    dist, tomllib = dist_of_tflite, pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    torch = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    needs = [item for item in project["dependencies"] if not item.startswith("ai-edge-litert")]
    pins = work / "requirements-tflite-runtime.txt"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", pins, torch, *needs], check=True)

    def user(*arguments):
        command = [python, "-m", "modnet_export", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    done = user("matte", dist / "modnet_int8.tflite", dist / "golden_image.png", "--out", "matte.png")
    assert "tflite_runtime 2.14.0" in done.stdout, done.stderr
    verified = user("verify", dist, "--jobs", "1", "--json")
    assert verified.returncode == 0, verified.stderr
    assert {item["engine"] for item in json.loads(verified.stdout)["links"]} == {"tflite_runtime 2.14.0"}
    told = user("inspect", dist / "modnet_int8.tflite")
    assert (told.returncode, "pip install ai-edge-litert" in told.stderr) == (2, True)
