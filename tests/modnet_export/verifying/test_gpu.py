"""LiteRT's GPU accelerator: that it gives the right matte, and that it is the GPU that gives it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.verifying import tasks
from modnet_export.verifying.gpu import SENTENCES
from modnet_export.verifying.workers import Workers
from tests.converters.tflite.networks import tflite
from tests.graphs import model, node

FALLBACK = SENTENCES["wholly on the CPU"]


@pytest.fixture
def pretending(monkeypatch):
    """An accelerator that says it ran on the GPU, and runs on the CPU."""
    from converters.runtimes import litert

    class Pretends(litert.LiteRt):
        fully_accelerated = True

    monkeypatch.setattr(litert, "LiteRtGpu", Pretends)
    return Pretends


@pytest.mark.gpu
def test_gpu_accelerator_gives_the_references_matte(dist):
    from converters.runtimes import software_vulkan

    if software_vulkan.find() is None and not list(Path("/usr/share/vulkan/icd.d").glob("*.json")):
        pytest.skip("no Vulkan device: make setup-gpu-emulation")
    result = verify(VerifyRequest(dist, delegates=("cpu", "gpu")))
    gpu = [link for link in result.links if link.delegate == "gpu"]
    assert [link.verdict for link in gpu] == ["passed", "passed"]
    assert all("GPU" in link.engine and "partly" not in link.engine for link in gpu)
    # It is not the CPU that answered.
    assert all(FALLBACK not in link.reason for link in gpu)


@pytest.mark.gpu
def test_what_the_accelerator_does_not_take_runs_on_the_cpu_and_is_named(tmp_path):
    """BROADCAST_TO has no kernel there."""
    from converters.runtimes import software_vulkan
    from converters.runtimes.litert import LiteRt, LiteRtGpu

    if software_vulkan.find() is None:
        pytest.skip("no Vulkan device: make setup-gpu-emulation")
    rng = np.random.default_rng(0)
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        node("ReduceMean", "c axes", "m"),
        node("Expand", "m whole", "e"),
        node("Add", "c e", "y"),
    ]
    constants = {"w": rng.standard_normal((1, 3, 3, 3)), "axes": np.array([2, 3]), "whole": np.array([1, 1, 16, 16])}
    path = tmp_path / "partly.tflite"
    path.write_bytes(tflite(model(nodes, inputs={"x": [1, 3, 16, 16]}, outputs=["y"], constants=constants)))
    runtime, image_nhwc = LiteRtGpu(path), rng.uniform(0, 1, (1, 16, 16, 3)).astype(np.float32)
    assert not runtime.fully_accelerated
    assert "partly on the CPU (1: no BROADCAST_TO" in runtime.engine
    np.testing.assert_allclose(runtime.run(image_nhwc), LiteRt(path).run(image_nhwc), atol=1e-4)


def test_swiftshader_of_playwrights_chromium_is_found(tmp_path, monkeypatch):
    from converters.runtimes import software_vulkan

    monkeypatch.delenv("MODNET_EXPORT_GPU_EMULATION", raising=False)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    monkeypatch.setattr(software_vulkan, "_SYSTEM", ())
    monkeypatch.setattr(software_vulkan, "folder", lambda: tmp_path / "empty")
    assert software_vulkan.find() is None
    browser = tmp_path / "chromium-1200" / "chrome-linux"
    browser.mkdir(parents=True)
    for name in ("libvk_swiftshader.so", "libvulkan.so.1"):
        (browser / name).touch()
    assert software_vulkan.find() == (browser / "libvk_swiftshader.so", browser / "libvulkan.so.1")


def test_silent_fallback_to_the_cpu_fails(dist, pretending):
    result = verify(VerifyRequest(dist, delegates=("gpu",)))
    gpu = [link for link in result.links if link.delegate == "gpu"]
    assert [link.verdict for link in gpu] == ["failed", "failed"]
    assert all(FALLBACK in link.reason for link in gpu)


def test_part_on_the_cpu_is_said_and_fails_nothing(dist, pretending, monkeypatch):
    """A matte that is one rounding away from the CPU's, by an accelerator that owns up to a part of the work."""
    real = pretending.run
    monkeypatch.setattr(pretending, "fully_accelerated", False)
    monkeypatch.setattr(pretending, "run", lambda self, x: real(self, x) * (1 - 1e-6))
    result = verify(VerifyRequest(dist, delegates=("gpu",)))
    assert [link.verdict for link in result.links] == ["passed", "passed"]
    assert {link.reason for link in result.links} == {SENTENCES["partly on the CPU"]}


def test_models_to_compare_with_are_opened_once(dist, photos, pretending, monkeypatch):
    opened = Counter()
    real = tasks.open_runtime

    def counted(path, **options):
        opened[path.name, options["delegate"]] += 1
        return real(path, **options)

    monkeypatch.setattr(tasks, "open_runtime", counted)
    verify(VerifyRequest(dist, inputs.images([photos]), delegates=("gpu",), workers=Workers(1)))
    names = ("modnet_fp32.tflite", "modnet_fp16.tflite")
    assert opened == {(name, delegate): 1 for name in names for delegate in ("cpu", "builtin", "gpu")}


def test_gpu_without_a_device_is_not_run_and_says_how_to_get_one(dist, monkeypatch, tmp_path):
    from converters.runtimes import litert, software_vulkan

    monkeypatch.setattr(software_vulkan, "active", False)
    monkeypatch.setenv("MODNET_EXPORT_GPU_EMULATION", str(tmp_path))
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(litert, "_DRIVERS", (tmp_path,))
    result = verify(VerifyRequest(dist, delegates=("gpu",)))
    assert [link.verdict for link in result.links if link.delegate == "gpu"] == ["not run", "not run"]
    assert "python -m converters.runtimes.software_vulkan" in result.links[0].reason
