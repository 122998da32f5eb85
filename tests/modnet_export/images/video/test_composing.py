from __future__ import annotations

import cv2
import numpy as np
import pytest

from converters.eight_bit import from_bytes, to_bytes
from modnet_export.images.compositing import Background, composite, fused_colours, save_image
from modnet_export.images.video.composing import COARSE, SURE, composer


@pytest.fixture(scope="module")
def frame():
    """A frame above the size at which colours are estimated, and a matte that is 0, 1 and between, and nearly so."""
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (400, 300), interpolation=cv2.INTER_CUBIC)
    rows, columns = np.mgrid[:300, :400]
    matte = np.clip((columns - 150 + 20 * np.sin(rows / 9)) / 60, 0, 1).astype(np.float32)
    matte[:20] = np.float32(SURE / 2)
    return picture, matte


def images_own(frame, background):
    """What ``images.compositing`` makes of it, as phones do it."""
    picture, matte = frame
    coarse = round(COARSE * 300 / 400), COARSE
    return to_bytes(composite(from_bytes(picture), matte, background, coarse=coarse)).astype(int)


@pytest.mark.parametrize("background", [Background(colour=(20, 200, 60)), Background(colour=(255, 255, 255))])
def test_a_frame_is_composed_as_an_image_is_within_two_levels(frame, background):
    found = composer(background)(*frame).astype(int)
    assert np.abs(found - images_own(frame, background)).max() <= 2 + 255 * SURE / 2
    assert np.abs(found - images_own(frame, background)).mean() < 0.5


def test_soft_pixels_have_the_foregrounds_colours_and_the_matte_is_alpha(frame):
    picture, matte = frame
    found = composer(Background())(*frame)
    np.testing.assert_array_equal(found[..., 3], to_bytes(matte))
    soft = (matte > 0.1) & (matte < 0.9)
    estimated = to_bytes(fused_colours(from_bytes(picture), matte, (round(COARSE * 0.75), COARSE)))
    assert np.abs(found[soft][:, :3].astype(int) - estimated[soft]).max() <= 3
    assert np.abs(found[soft][:, :3].astype(int) - picture[soft]).mean() > 3
    np.testing.assert_array_equal(found[matte == 1][:, :3], picture[matte == 1])


def test_an_image_goes_behind_and_is_read_once(frame, tmp_path):
    save_image(tmp_path / "behind.png", np.random.default_rng(1).random((30, 70, 3)).astype(np.float32))
    background = Background(image=tmp_path / "behind.png")
    compose = composer(background)
    first, expected = compose(*frame), images_own(frame, background)
    (tmp_path / "behind.png").unlink()
    np.testing.assert_array_equal(compose(*frame), first)
    assert np.abs(first.astype(int) - expected).max() <= 2 + 255 * SURE / 2


@pytest.mark.parametrize("sigma", [0.0, 3.0, 12.0, 40.0])
def test_a_blur_is_the_images_to_a_few_levels(frame, sigma):
    background = Background(blur_sigma=sigma)
    off = np.abs(composer(background)(*frame).astype(int) - images_own(frame, background))
    assert off.mean() < 1.5
    assert np.quantile(off, 0.99) < 12


def test_no_background_is_the_matte(frame):
    np.testing.assert_array_equal(composer(None)(*frame), to_bytes(frame[1]))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_frame_without_soft_pixels(value):
    picture = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    found = composer(Background(colour=(1, 2, 3)))(picture, np.full((9, 12), value, np.float32))
    np.testing.assert_array_equal(found, picture if value else np.broadcast_to((1, 2, 3), picture.shape))
