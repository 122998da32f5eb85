"""Core ML's own predictions, by a stand-in for coremltools on a Mac: another process finds it first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.coreml.package import Package
from converters.errors import CrashedError, ExportError
from converters.runtimes import open_runtime
from converters.runtimes.raw import open_raw

FAKES = Path(__file__).parents[2] / "fakes/mac"


@pytest.fixture
def mac(packages, photo, monkeypatch, tmp_path):
    """A package of these ports, on a Mac that answers with the evaluator's matte."""

    def get(ports="multiarray"):
        package = packages("fp32", ports)
        matte_nhwc = open_runtime(package).run(photo)
        pixels = np.rint(photo[0] * 255).astype(np.uint8)
        stored = np.rint(matte_nhwc[0, :, :, 0] * 255).astype(np.uint8)
        np.save(tmp_path / "image.npy", pixels if ports == "image" else photo.transpose(0, 3, 1, 2))
        np.save(tmp_path / "matte.npy", stored if ports == "image" else matte_nhwc.transpose(0, 3, 1, 2))
        monkeypatch.setattr("sys.platform", "darwin")
        for name, value in {"PYTHONPATH": FAKES, "FAKE_MAC": "1", "FAKE_ANSWERS": tmp_path}.items():
            monkeypatch.setenv(name, str(value))
        return package

    return get


@pytest.mark.parametrize("ports", ["image", "multiarray"])
def test_on_a_mac_core_ml_itself_predicts_with_the_chosen_compute_unit(mac, photo, expected, ports, capfd):
    package = mac(ports)
    runtime = open_runtime(package, compute_unit="CPU_AND_NE")
    assert runtime.engine == "predicted by Core ML, CPU_AND_NE"
    for _ in range(2):
        np.testing.assert_allclose(runtime.run(photo), expected, atol=1e-4 + (0.5 / 255 if ports == "image" else 0))
    assert capfd.readouterr().out == ""  # --json stays JSON, whatever Core ML prints


def test_somebody_elses_package_is_predicted_in_a_process_of_its_own_too(mac, photo, expected, monkeypatch):
    raw = open_raw(mac())
    (matte_nchw,) = raw.run(photo.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(matte_nchw[0, 0], expected[0, :, :, 0], atol=1e-4)
    monkeypatch.setenv("FAKE_CRASH", "load ALL")
    with pytest.raises(CrashedError, match="signal 11"):
        open_raw(mac())


def test_crash_while_loading_is_an_error(mac, monkeypatch):
    monkeypatch.setenv("FAKE_CRASH", "load CPU_ONLY")
    with pytest.raises(CrashedError, match=r"Core ML crashed with fp32_.*on CPU_ONLY, signal 11.*talks"):
        open_runtime(mac(), compute_unit="CPU_ONLY")


def test_crash_on_one_input_leaves_the_next_its_turn(mac, photo, expected, monkeypatch):
    monkeypatch.setenv("FAKE_CRASH", "predict ALL")
    runtime = open_runtime(mac())
    with pytest.raises(CrashedError, match="signal 11"):
        runtime.run(photo)
    monkeypatch.delenv("FAKE_CRASH")
    np.testing.assert_allclose(runtime.run(photo), expected, atol=1e-4)


def test_function_of_a_package_is_what_core_ml_is_asked_for(mac, photo, expected, monkeypatch):
    package = mac()
    name = Package(package).spec.description.defaultFunctionName or "main"
    monkeypatch.setenv("FAKE_FUNCTION", name)
    np.testing.assert_allclose(open_runtime(package, function=name).run(photo), expected, atol=1e-4)


def test_error_of_core_ml_is_told_and_ends_nothing(mac, photo, monkeypatch):
    monkeypatch.setenv("FAKE_ERROR", "Error computing NN outputs")
    runtime = open_runtime(mac())
    for _ in range(2):
        with pytest.raises(ExportError, match="Error computing NN outputs"):
            runtime.run(photo)


def test_process_ends_with_its_runtime(mac):
    runtime = open_runtime(mac())
    child = runtime._predictor._child
    assert child.poll() is None
    del runtime
    assert child.poll() is not None
