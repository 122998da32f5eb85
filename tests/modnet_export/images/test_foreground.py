"""Colours at soft edges, against the authors' own program."""

from __future__ import annotations

import numpy as np
import pytest

from modnet_export.images.foreground import estimate_colours
from modnet_export.images.imaging import demo_photo, resize
from modnet_export.images.representative import portraits


@pytest.mark.parametrize("index", range(3))
def test_it_is_as_near_to_the_true_colours_as_the_authors_program(index):
    """Known colours, mixed by a real matte; ``pymatting`` is theirs."""
    from pymatting import estimate_foreground_ml

    matte = resize(portraits()[index].alpha, 256, 256)
    foreground, background = resize(portraits()[index + 3].photo, 256, 256), resize(demo_photo(), 256, 256)
    alpha = matte[..., None]
    image = alpha * foreground + (1 - alpha) * background
    theirs = estimate_foreground_ml(image.astype(np.float64), matte.astype(np.float64), return_background=True)
    soft = (matte > 0.02) & (matte < 0.98)
    assert soft.sum() > 500
    for ours, other, truth in zip(estimate_colours(image, matte), theirs, (foreground, background), strict=True):
        assert np.abs(ours - truth)[soft].mean() < 1.01 * np.abs(other - truth)[soft].mean()
        assert np.abs(ours - other)[soft].mean() < 0.02


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (70, 1), (65, 3), (200, 130)], ids=str)
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_any_size_and_any_constant_matte_gives_the_images_own_colours(shape, value):
    """Whatever is mixed from one colour has that colour on both sides, and at every size."""
    image = np.full((*shape, 3), (0.2, 0.5, 0.9), np.float32)
    for found in estimate_colours(image, np.full(shape, value, np.float32)):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, image, atol=1e-5)


def test_strips_leave_no_seam(monkeypatch):
    rng = np.random.default_rng(0)
    image, matte = rng.random((150, 40, 3), np.float32), rng.random((150, 40), np.float32)
    whole = estimate_colours(image, matte)
    monkeypatch.setattr("modnet_export.images.foreground._STRIP", 7)
    for one, other in zip(whole, estimate_colours(image, matte), strict=True):
        np.testing.assert_array_equal(one, other)
