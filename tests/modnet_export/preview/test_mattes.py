"""The page's mattes in a real Chromium: the reference's, to within what each precision may cost."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from converters.eight_bit import from_bytes
from converters.runtimes import open_runtime
from modnet_export import Size
from modnet_export.images.imaging import fit_image
from modnet_export.model.reference import TorchReference
from tests.modnet_export.preview.conftest import film, last_frame, moving_portrait, settled


@pytest.fixture(scope="module")
def reference(demo_source):
    return TorchReference(demo_source)


def choose(page, label: str, runs: str = "wasm") -> None:
    page.select_option("#model", label=label)
    expect(page.locator("#runs")).to_contain_text(runs)
    settled(page)


def expected(reference, image, size):
    image_nhwc, _ = fit_image(from_bytes(image), size, "letterbox")
    return image_nhwc, reference.run(image_nhwc)


def test_fp32_on_the_camera_gives_the_reference_matte(opened, dist, reference):
    page = opened(dist)
    choose(page, "fp32 – modnet_fp32.tflite")
    film(page)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    settled(page)
    frame = last_frame(page)
    _, matte = expected(reference, frame["image"], (96, 128))
    assert np.abs(frame["outputs"][0] - matte.ravel()).max() < 1e-4
    # The clip's own alpha: of the frame that this one shows.
    near = min(moving_portrait(), key=lambda item: np.abs(from_bytes(frame["image"]) - item[0]).mean())
    assert np.abs(from_bytes(frame["image"]) - near[0]).mean() < 0.02
    truth, _ = fit_image(np.repeat(near[1][..., None], 3, axis=2), (96, 128), "letterbox")
    assert np.abs(matte.ravel() - truth[0, ..., 0].ravel()).mean() < 0.1


def test_fp32_at_256_gives_the_reference_matte(opened, exported, reference):
    folder = exported(size=Size(height=256, width=256), formats=("tflite",), precisions=("fp32",))
    page = opened(folder)
    frame = last_frame(page)
    _, matte = expected(reference, frame["image"], (256, 256))
    assert np.abs(frame["outputs"][0] - matte.ravel()).max() < 1e-4


def test_fp16_runs_with_its_weights_expanded_and_says_so(opened, dist):
    page = opened(dist)
    choose(page, "fp16 – modnet_fp16.tflite", "no longer the shipped file")
    frame = last_frame(page)
    image_nhwc, _ = fit_image(from_bytes(frame["image"]), (96, 128), "letterbox")
    native = open_runtime(dist / "modnet_fp16.tflite").run(image_nhwc)
    assert np.abs(frame["outputs"][0] - native.ravel()).max() < 1e-4


def test_int8_is_no_further_from_the_reference_than_native(opened, integer, reference):
    page = opened(integer / "dist")
    for label, file in (("int8", "modnet_int8"), ("int8-mixed", "modnet_int8_mixed")):
        choose(page, f"{label} – {file}.tflite")
        frame = last_frame(page)
        image_nhwc, matte = expected(reference, frame["image"], (160, 192))
        native = open_runtime(integer / "dist" / f"{file}.tflite").run(image_nhwc)
        own, theirs = (np.abs(item.ravel() - matte.ravel()).mean() for item in (frame["outputs"][0], native))
        assert 0 < own <= 1.5 * theirs


def test_without_a_gpu_the_page_stays_with_wasm_and_says_why(opened, dist):
    page = opened(dist)
    page.evaluate("""() => document.getElementById("backend").append(new Option("WebGPU", "webgpu:1"))""")
    page.select_option("#backend", value="webgpu:1")
    expect(page.locator("#runs")).to_contain_text("this browser has no WebGPU")
    expect(page.locator("#runs")).to_contain_text("wasm (XNNPACK)")
