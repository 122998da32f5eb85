"""The page's controls: by keyboard, to axe, and what is said of bad input."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from modnet_export.images.compositing import save_image
from tests.modnet_export.preview import packages
from tests.modnet_export.preview.conftest import CLIP_SIZE, film, moving_portrait, settled

ROUND = """() => {
    const seen = [];
    for (const item of document.querySelectorAll("button, select, input, a[href]")) {
        if (item.offsetParent === null || item.disabled || item.tabIndex < 0) continue;
        seen.push(item.id || `${item.name}=${item.value}`);
    }
    return seen;
}"""
FOCUSED = "() => document.activeElement.id || `${document.activeElement.name}=${document.activeElement.value}`"


def focus(page, wanted: str) -> None:
    """By Tab alone, from wherever the focus is."""
    for _ in range(40):
        if page.evaluate(FOCUSED) == wanted:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached")


def pixels(page) -> np.ndarray:
    """What the canvas shows, RGBA, as its PNG has it."""
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    return np.asarray(Image.open(io.BytesIO(download.value.path().read_bytes())).convert("RGBA"))


def drop(page, path: Path) -> None:
    """A file that is dropped onto the page."""
    page.evaluate(
        """([name, base64]) => {
            const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([bytes], name));
            const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
            document.getElementById("picture").dispatchEvent(event);
        }""",
        [path.name, base64.b64encode(path.read_bytes()).decode()],
    )


def axe(page) -> list[str]:
    page.evaluate((packages.fetched() / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("() => axe.run()")
    return [f"{item['id']}: {item['nodes'][0]['html']}" for item in found["violations"]]


def test_axe_finds_nothing(opened, dist):
    page = opened(dist)
    assert axe(page) == []
    film(page)
    page.select_option("#second", index=1)
    page.get_by_text("Colour", exact=True).first.click()
    settled(page)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert axe(page) == []
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_every_control_is_reached_and_works_by_keyboard(opened, dist):
    page = opened(dist)
    focus(page, "camera")
    page.keyboard.press("Enter")
    expect(page.locator("#rate")).to_have_text(re.compile(r"\d"), timeout=60_000)
    page.select_option("#second", index=1)
    settled(page)
    # Of a group of radio buttons, Tab reaches the chosen one; the arrows lead to the others.
    wanted = {name.split("=")[0] for name in page.evaluate(ROUND)}
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED).split("=")[0])
    assert wanted <= reached
    assert {"camera", "open", "model", "backend", "background", "second", "view", "save", "record", "live"} <= reached

    focus(page, "background=transparent")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value=colour]").is_checked()
    focus(page, "colour")
    focus(page, "background=colour")
    for kind in ("blur", "image", "matte"):
        page.keyboard.press("ArrowRight")
        assert page.locator(f"input[value={kind}]").is_checked()
        if kind == "image":
            with page.expect_file_chooser():
                focus(page, "choose-image")
                page.keyboard.press("Enter")
            focus(page, "background=image")
    focus(page, "view=side")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value=difference]").is_checked()
    focus(page, "mirror")
    page.keyboard.press("Space")
    assert not page.locator("#mirror").is_checked()
    focus(page, "backend")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#runs")).to_contain_text("1 thread")
    focus(page, "record")
    page.keyboard.press("Enter")
    expect(page.locator("#record")).to_have_attribute("aria-pressed", "true")
    with page.expect_download():
        page.keyboard.press("Enter")
    focus(page, "live")
    page.keyboard.press("Space")
    expect(page.locator("#parity")).to_contain_text("This is the fp32 model itself")
    page.keyboard.press("Space")
    expect(page.locator("#parity")).to_contain_text("Frames are not compared")
    focus(page, "delayed")
    page.keyboard.press("Space")
    assert page.locator("#delayed").is_checked()
    focus(page, "pause")
    page.keyboard.press("Enter")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    focus(page, "second")
    page.keyboard.press("Home")
    expect(page.locator("#views")).to_be_hidden()
    focus(page, "built-in")
    page.keyboard.press("Enter")
    settled(page)
    focus(page, "model")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#runs")).to_contain_text("no longer the shipped file")
    with page.expect_file_chooser():
        focus(page, "open")
        page.keyboard.press("Enter")
    with page.expect_download():
        focus(page, "save")
        page.keyboard.press("Enter")


def test_backgrounds_show_what_they_say(opened, dist, tmp_path):
    page = opened(dist)

    def choose(kind):
        page.locator(f"input[value={kind}]").check(force=True)
        settled(page)

    transparent = pixels(page)
    assert transparent.shape == (96, 128, 4)
    assert transparent[..., 3].min() == 0
    assert transparent[..., 3].max() == 255
    alpha = transparent[..., 3].astype(int)
    choose("matte")
    matte = pixels(page)
    assert np.abs(matte[..., 0].astype(int) - alpha).max() <= 1
    choose("colour")
    page.locator("#colour").fill("#ff0000")
    settled(page)
    red = pixels(page)
    assert (red[alpha == 0][:, :3] == [255, 0, 0]).all()
    choose("blur")
    assert np.ptp(pixels(page)[alpha == 0][:, 0].astype(int)) > 10
    save_image(tmp_path / "green.png", np.broadcast_to(np.float32([0, 1, 0]), (20, 30, 3)))
    choose("image")
    page.locator("#image").set_input_files(tmp_path / "green.png")
    settled(page)
    assert (pixels(page)[alpha == 0][:, :3] == [0, 255, 0]).all()
    Image.new("RGBA", (30, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    page.locator("#image").set_input_files(tmp_path / "clear.png")
    settled(page)
    assert (pixels(page)[alpha == 0][:, :3] == 255).all()


def test_two_models_are_shown_side_by_side_and_as_a_difference(opened, dist):
    page = opened(dist)
    page.select_option("#second", label="fp16 – modnet_fp16.tflite")
    settled(page)
    assert pixels(page).shape == (96, 256, 4)
    expect(page.locator("#between")).to_contain_text("differ by")
    page.locator("input[value=difference]").check(force=True)
    settled(page)
    shown = pixels(page)
    assert shown.shape == (96, 128, 4)
    assert shown[..., :3].max() < 60  # fp16 is near to fp32, four times enlarged


def test_a_photo_is_compared_with_the_fp32_model_in_the_page(opened, dist, tmp_path):
    page = opened(dist)
    save_image(tmp_path / "photo.png", moving_portrait()[0][0])
    page.select_option("#model", label="fp16 – modnet_fp16.tflite")
    settled(page)
    expect(page.locator("#parity")).to_contain_text("against the reference's matte in this folder")
    drop(page, tmp_path / "photo.png")
    expect(page.locator("#parity")).to_contain_text("against the fp32 model in this page")
    settled(page)
    assert pixels(page).shape[:2] == CLIP_SIZE
    page.select_option("#model", label="fp32 – modnet_fp32.tflite")
    expect(page.locator("#parity")).to_contain_text("the fp32 model itself")


def test_a_video_plays_and_a_clip_is_recorded(opened, dist, clip):
    page = opened(dist)
    page.locator("#file").set_input_files(clip / "clip.webm")
    expect(page.locator("#rate")).not_to_have_text("–", timeout=60_000)
    page.select_option("#model", label="fp16 – modnet_fp16.tflite")
    page.locator("#live").check()
    expect(page.locator("#parity")).to_contain_text("This frame, against the fp32 model in this page")
    page.locator("#delayed").check()
    page.get_by_role("button", name="Record").click()
    page.wait_for_timeout(1500)
    with page.expect_download() as download:
        page.get_by_role("button", name="Stop and save").click()
    assert download.value.suggested_filename == "clip.webm"
    import cv2

    saved = cv2.VideoCapture(str(download.value.path()))
    read, frame = saved.read()
    assert read
    assert frame.shape[:2] == CLIP_SIZE


@pytest.mark.parametrize(("name", "said"), [("photo.jpg", "cannot be read"), ("clip.mp4", "cannot be played")])
def test_a_damaged_file_is_named_and_the_page_goes_on(opened, dist, tmp_path, name, said):
    page = opened(dist)
    (tmp_path / name).write_bytes(b"damaged" * 100)
    page.locator("#file").set_input_files(tmp_path / name)
    expect(page.get_by_role("alert")).to_contain_text(f"{name} {said}")
    page.get_by_role("button", name="Built-in photo").click()
    expect(page.get_by_role("alert")).to_have_text("")


def test_a_denied_camera_is_said(opened, dist):
    page = opened(dist, permissions=[])
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("denied")


@pytest.mark.parametrize(("name", "said"), [("NotReadableError", "busy"), ("NotFoundError", "no camera")])
def test_a_busy_or_missing_camera_is_said(opened, dist, name, said):
    page = opened(dist)
    page.evaluate(f"""() => {{
        navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException("", "{name}"); }};
    }}""")
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text(said)


def test_a_model_with_another_hash_is_refused(opened, dist, tmp_path):
    other = tmp_path / "dist"
    shutil.copytree(dist, other)
    model = bytearray((other / "modnet_fp16.tflite").read_bytes())
    model[-1] ^= 1
    (other / "modnet_fp16.tflite").write_bytes(model)
    page = opened(other)
    page.select_option("#model", label="fp16 – modnet_fp16.tflite")
    expect(page.get_by_role("alert")).to_contain_text("modnet_fp16.tflite is not the file that was exported")
    expect(page.locator("#runs")).to_have_text("Nothing runs.")
    page.select_option("#model", label="fp32 – modnet_fp32.tflite")
    expect(page.locator("#runs")).to_contain_text("wasm (XNNPACK)")
    expect(page.get_by_role("alert")).to_have_text("")


def test_an_older_folder_without_a_golden_pair_waits_for_a_photo(opened, dist, tmp_path):
    other = tmp_path / "dist"
    shutil.copytree(dist, other)
    path = other / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"golden": None}))
    page = opened(other)
    expect(page.get_by_role("button", name="Built-in photo")).to_be_hidden()
    expect(page.get_by_text("Open the camera, a photo or a video.")).to_be_visible()
    assert page.locator("#save").is_disabled()
