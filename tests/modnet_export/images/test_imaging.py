from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from converters.errors import ExportError
from modnet_export.images.imaging import (
    area_resize,
    fit_image,
    list_images,
    read_image,
    released_size,
    restore_matte,
)

DATA = Path(__file__).parents[2] / "data"
# Four corners of different colours: any wrong turn or flip shows.
CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8).repeat(8, 0).repeat(12, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_exif_orientation_is_followed(tmp_path, orientation, suffix):
    # What a camera stores for an upright picture: the inverse of each orientation's turn.
    store = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(np.ascontiguousarray(store(CORNERS))).save(path, exif=exif, quality=100)
    image = read_image(path)
    assert image.shape == CORNERS.shape
    assert np.abs(image[2::11, 2::19] - CORNERS[2::11, 2::19] / 255).max() < 0.05


def modes():
    rgb = Image.fromarray(CORNERS)
    grey = np.asarray(rgb.convert("L"))
    bright = grey > 100
    rgba = rgb.convert("RGBA")
    rgba.putalpha(Image.fromarray(np.full(CORNERS.shape[:2], 128, np.uint8)))
    as_grey = np.repeat(grey[..., None], 3, 2) / 255
    return {
        "rgb": (rgb, CORNERS / 255),
        "grey": (rgb.convert("L"), as_grey),
        "bilevel": (Image.fromarray(bright * np.uint8(255)).convert("1"), np.repeat(bright[..., None], 3, 2)),
        "palette": (rgb.convert("P", palette=Image.Palette.ADAPTIVE), CORNERS / 255),
        "grey16": (Image.fromarray(grey.astype(np.uint16) * 257), as_grey),
        "rgba_on_white": (rgba, CORNERS / 255 * (128 / 255) + (1 - 128 / 255)),
    }


def test_a_photo_of_an_iphone_is_read():
    pytest.importorskip("pi_heif")
    image = read_image(DATA / "corners.heic")
    assert np.abs(image[2::11, 2::19] - CORNERS[2::11, 2::19] / 255).max() < 0.05


def test_floats_are_read_as_they_are(tmp_path):
    grey = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "grey.tiff")
    np.testing.assert_array_equal(read_image(tmp_path / "grey.tiff"), np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize(
    "values",
    [[0.0, 255.0], [-1.0, 1.0], [0.0, np.nan], np.array([0, 70000], np.int32), np.array([-5, 5], np.int32)],
    ids=str,
)
def test_numbers_whose_white_is_unknown_are_refused(tmp_path, values):
    array = values if isinstance(values, np.ndarray) else np.array(values, np.float32)
    Image.fromarray(array[None].repeat(2, 0)).save(tmp_path / "grey.tiff")
    with pytest.raises(ExportError, match=r"cannot read grey.tiff as an image: its values are from"):
        read_image(tmp_path / "grey.tiff")


@pytest.mark.parametrize("mode", modes())
def test_mode_is_read_as_rgb_in_zero_to_one(tmp_path, mode):
    picture, expected = modes()[mode]
    picture.save(tmp_path / "photo.png")
    image = read_image(tmp_path / "photo.png")
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, expected, atol=0.01)


def test_16_bit_grey_keeps_its_precision(tmp_path):
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    np.testing.assert_allclose(read_image(tmp_path / "ramp.png")[..., 0], ramp / 65535, atol=1e-6)


def test_16_bit_colour_is_read(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "deep.png"), CORNERS[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_allclose(read_image(tmp_path / "deep.png"), CORNERS / 255, atol=0.005)


@pytest.mark.parametrize("content", [b"", b"not an image", "truncated", "folder", None], ids=str)
def test_unreadable_image_is_one_clear_error(tmp_path, content):
    path = tmp_path / "photo.png"
    if content == "truncated":
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
        content = path.read_bytes()[:2000]
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportError, match=r"cannot read photo\.png as an image"):
        read_image(path)


def test_folder_is_listed_in_order_and_an_empty_one_is_an_error(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_images([tmp_path])] == ["a.jpg", "b.PNG"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="no image to work on"):
        list_images([tmp_path / "empty"])


sides = st.integers(1, 300)


@given(height=sides, width=sides)
@settings(deadline=None)
def test_letterbox_keeps_the_aspect_ratio_and_centres(height, width):
    canvas, p = fit_image(np.zeros((height, width, 3), np.float32), (96, 128), "letterbox")
    assert canvas.shape == (1, 96, 128, 3)
    assert p.inner_height == 96 or p.inner_width == 128
    scale = min(96 / height, 128 / width)
    assert abs(p.inner_height - max(height * scale, 1)) <= 0.5
    assert abs(p.inner_width - max(width * scale, 1)) <= 0.5
    assert abs(96 - p.inner_height - 2 * p.top) <= 1
    assert abs(128 - p.inner_width - 2 * p.left) <= 1
    inside = np.zeros((96, 128), bool)
    inside[p.top : p.top + p.inner_height, p.left : p.left + p.inner_width] = True
    assert (canvas[0][inside] == 0).all()
    assert (canvas[0][~inside] == 0.5).all()


@given(
    height=st.integers(16, 300), width=st.integers(16, 300), fit=st.sampled_from(["letterbox", "stretch", "released"])
)
@settings(deadline=None)
def test_matte_comes_back_without_an_offset(height, width, fit):
    """A model that returns its input's first channel: the way there and back may blur, not shift or scale."""
    rows, columns = np.mgrid[:height, :width]
    ramp = ((rows + 0.5) / height / 2 + (columns + 0.5) / width / 2).astype(np.float32)
    canvas, placement = fit_image(np.repeat(ramp[..., None], 3, 2), (96, 128), fit)
    back = restore_matte(canvas[..., :1], placement, fit)
    assert back.shape == (height, width)
    error = back - ramp
    pixel = 1 / min(height, width, 96)
    assert abs(float(error.mean())) < 0.02 * pixel
    assert np.abs(error).max() < 2 * pixel


@given(before=st.tuples(sides, sides), after=st.tuples(sides, sides))
@settings(deadline=None, max_examples=50)
def test_area_resize_is_the_released_interpolation(before, after):
    image = np.random.default_rng(0).random((*before, 3), np.float32)
    image_nchw = torch.from_numpy(image.transpose(2, 0, 1))[None]
    expected = torch.nn.functional.interpolate(image_nchw, size=after, mode="area")
    np.testing.assert_allclose(area_resize(image, *after), expected[0].numpy().transpose(1, 2, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("image", "network"),
    [
        ((512, 512), (512, 512)),
        ((1080, 1920), (512, 896)),  # 910 cut down
        ((1920, 1080), (896, 512)),
        ((300, 400), (512, 672)),  # 682 cut down
        ((400, 1000), (384, 992)),  # neither rule applies: only cut down
        ((512, 600), (512, 576)),
        ((20, 3000), (32, 2976)),  # never below one cell
    ],
    ids=str,
)
def test_released_size(image, network):
    assert released_size(*image) == network
