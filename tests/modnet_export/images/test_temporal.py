from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from converters.eight_bit import from_bytes, to_bytes
from modnet_export.images.foreground import estimate_colours
from modnet_export.images.imaging import PICTURES, demo_photo, fit_image, read_image, resize
from modnet_export.images.temporal import (
    FOLLOWED,
    THRESHOLD,
    WEIGHT,
    OneFrameDelay,
    blended,
    followed,
    steadied,
    warped,
)
from modnet_export.model.reference import TorchReference

alphas = hnp.arrays(np.float32, (3, 6), elements=st.floats(0, 1, width=32))


def matte(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


def shown(mattes: list[np.ndarray], **options: float) -> list[np.ndarray | None]:
    delay = OneFrameDelay(**options)
    return [*(delay.push(item) for item in mattes), delay.finish()]


@pytest.mark.parametrize(
    ("three", "expected"),
    [
        ((0.2, 0.9, 0.25), 0.225),  # an outlier upwards
        ((0.9, 0.1, 0.9), 0.9),  # and downwards
        ((0.1, 0.5, 0.9), 0.5),  # a ramp: the neighbours do not agree
        ((0.1, 0.9, 0.9), 0.9),  # a step
        ((0.1, 0.1, 0.9), 0.1),
        ((0.5, 0.55, 0.5), 0.55),  # nothing to speak of
        ((0.4, 0.55, 0.5), 0.55),  # differs from one neighbour only
    ],
    ids=str,
)
def test_a_lone_outlier_becomes_its_neighbours_mean(three, expected):
    before, now, after = (matte(value) for value in three)
    np.testing.assert_allclose(steadied(before, now, after), matte(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("three", "expected"), [((0, 1, 0.25), 0.125), ((0.5, 0.25, 0.75), 0.25), ((0.75, 0.25, 0.5), 0.25)], ids=str
)
def test_at_the_threshold_alphas_agree(three, expected):
    """Numbers that floats hold exactly."""
    before, now, after = (matte(value) for value in three)
    np.testing.assert_array_equal(steadied(before, now, after, 0.25), matte(expected))


@settings(deadline=None)
@given(before=alphas, now=alphas, after=alphas)
def test_by_the_papers_formula(before, now, after):
    """Written out pixel by pixel, as the paper has it."""
    found = steadied(before, now, after)
    for index in np.ndindex(now.shape):
        b, n, a = before[index], now[index], after[index]
        flickers = abs(b - a) <= THRESHOLD and abs(n - b) > THRESHOLD and abs(n - a) > THRESHOLD
        assert found[index] == ((b + a) / np.float32(2) if flickers else n)


def test_mattes_come_one_frame_later_and_none_is_lost():
    rng = np.random.default_rng(0)
    mattes = [rng.random((4, 5), np.float32) for _ in range(5)]
    first, *rest = shown(mattes)
    assert first is None
    assert len(rest) == 5
    np.testing.assert_array_equal(rest[0], mattes[0])
    np.testing.assert_array_equal(rest[-1], mattes[-1])
    for index in (1, 2, 3):
        np.testing.assert_array_equal(rest[index], steadied(*mattes[index - 1 : index + 2]))


def test_mended_frames_do_not_mend_the_next():
    """Two outliers in a row stay: a chain of mended mattes would freeze whatever moves."""
    values = [0.1, 0.9, 0.1, 0.9, 0.9]
    found = shown([matte(value) for value in values])[1:]
    np.testing.assert_allclose([float(item[0, 0]) for item in found], [0.1, 0.1, 0.9, 0.9, 0.9], atol=1e-6)


def test_another_size_begins_a_new_video():
    small, large = matte(0.1, 0.2), matte(0.1, 0.2, 0.3)
    found = shown([small, small + np.float32(0.5), large, large + np.float32(0.5), large])
    assert [None if item is None else item.shape[1] for item in found] == [None, 2, 2, 3, 3, 3]
    np.testing.assert_array_equal(found[2], small + np.float32(0.5))
    np.testing.assert_allclose(found[4], large, atol=1e-6)


def test_no_frame_at_all():
    assert OneFrameDelay().finish() is None


def cubic(values: np.ndarray, x: float, y: float) -> float:
    """Keys' kernel with a = -0.75 over 4 x 4 pixels, the border repeated (Keys, IEEE TASSP 1981)."""

    def weight(distance: float) -> float:
        d, a = abs(distance), -0.75
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0

    left, top = int(np.floor(x)) - 1, int(np.floor(y)) - 1
    last_row, last_column = values.shape[0] - 1, values.shape[1] - 1
    return sum(
        weight(x - column) * weight(y - row) * float(values[np.clip(row, 0, last_row), np.clip(column, 0, last_column)])
        for row in range(top, top + 4)
        for column in range(left, left + 4)
    )


def test_a_mean_along_the_motion_by_its_formula():
    """Written out pixel by pixel, as tests/vectors/README.md tells it to those who write it in another language."""
    rng = np.random.default_rng(0)
    height, width = 9, 11
    before, matte = rng.random((2, height, width), np.float32)
    grey_before, grey = rng.integers(0, 20, (2, height, width), np.uint8)
    motion = (rng.integers(-20, 20, (height, width, 2)) / 8).astype(np.float32)
    places = np.indices((height, width)).transpose(1, 2, 0)[..., ::-1] + motion
    moved, moved_grey = (
        np.array([cubic(item, x, y) for x, y in places.reshape(-1, 2)]).reshape(height, width)
        for item in (before, grey_before)
    )
    off = np.pad(np.abs(grey - moved_grey) / 255, 3, "reflect")
    mean = np.array([[off[row : row + 7, start : start + 7].mean() for start in range(width)] for row in range(height)])
    trust = np.exp(-((mean / FOLLOWED) ** 2))
    share = WEIGHT * trust
    np.testing.assert_allclose(warped(before, motion), moved, atol=1e-5)
    np.testing.assert_allclose(followed(grey, grey_before, motion), trust, atol=1e-5)
    np.testing.assert_allclose(
        blended(matte, warped(before, motion), followed(grey, grey_before, motion)),
        (share * moved + (1 - share) * matte).clip(0, 1),
        atol=1e-5,
    )
    assert trust.min() < 0.8 < share.max() + 0.2


def video(photo, truth, quality: int, noise: float, frames: int = 40):
    """The built-in portrait, moving over another photograph, as a bad camera sees it; and its true mattes."""
    foreground, _ = estimate_colours(photo, truth)
    behind = resize(read_image(PICTURES / "coffee.png"), 640, 512)
    rng = np.random.default_rng(0)
    for index in range(frames):
        moved = np.array([[1, 0, 0.7 * index - 20], [0, 1, 10 + 6 * np.sin(index / 5)]], np.float32)
        alpha = cv2.warpAffine(truth, moved, (512, 512))
        colours = cv2.warpAffine(foreground, moved, (512, 512), borderMode=cv2.BORDER_REPLICATE)
        seen = alpha[..., None] * colours + (1 - alpha[..., None]) * behind[index : index + 512]
        seen = seen * (1 + 0.05 * np.sin(1.3 * index)) + rng.normal(0, noise, seen.shape)
        file = io.BytesIO()
        Image.fromarray(to_bytes(seen)).save(file, "JPEG", quality=quality)
        yield from_bytes(np.asarray(Image.open(file))), resize(alpha, 256, 256)


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "noise"), [(25, 0.08), (60, 0.03)])
def test_the_threshold_takes_flicker_away_and_hardly_any_detail(demo_source, quality, noise):
    """What docs/android.md reports: dtSSD against the true mattes falls, and the mattes' error hardly rises."""
    reference = TorchReference(demo_source, 1)
    photo = demo_photo()
    truth = resize(reference.run(photo[None])[0, ..., 0], 512, 512).clip(0, 1)
    seen, true = zip(*video(photo, truth, quality, noise), strict=True)
    raw = [reference.run(fit_image(image, (256, 256), "letterbox")[0])[0, ..., 0] for image in seen]
    steady = shown(raw)[1:]

    def dtssd(mattes):
        return np.mean(
            [
                np.sqrt(np.mean((np.subtract(*pair)) ** 2))
                for pair in zip(np.diff(mattes, axis=0), np.diff(true, axis=0), strict=True)
            ]
        )

    def error(mattes):
        return np.abs(np.subtract(mattes, true)).mean()

    assert dtssd(steady) < 0.95 * dtssd(raw)
    assert error(steady) < 1.02 * error(raw)
