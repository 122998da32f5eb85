from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from converters.errors import ExportError
from modnet_export.images.compositing import Background, composite, fused_colours, save_image
from modnet_export.images.foreground import estimate_colours

RED, BLUE = np.array([1, 0, 0], np.float32), np.array([0, 0, 1], np.float32)


@pytest.fixture(scope="module")
def soft_edge():
    """A red foreground over a blue background with a 24-pixel soft edge, mixed exactly."""
    alpha = np.clip((np.arange(96) - 36) / 24, 0, 1).astype(np.float32)[None].repeat(64, 0)
    return (alpha[..., None] * RED + (1 - alpha[..., None]) * BLUE).astype(np.float32), alpha


def test_soft_edge_does_not_carry_the_old_background(soft_edge):
    image, alpha = soft_edge
    foreground, _ = estimate_colours(image, alpha)
    soft = (alpha > 0.1) & (alpha < 1)
    assert np.abs(foreground[soft] - RED).max() < 0.1
    assert np.abs(image[soft] - RED).max() > 0.8


def test_opaque_pixels_are_kept_exactly(soft_edge):
    image, alpha = soft_edge
    np.testing.assert_array_equal(estimate_colours(image, alpha)[0][alpha == 1], image[alpha == 1])
    np.testing.assert_array_equal(fused_colours(image, alpha, (16, 24))[alpha == 1], image[alpha == 1])


@pytest.mark.parametrize("coarse", [(64, 96), (32, 48), (16, 24)], ids=str)
def test_a_phones_estimate_takes_most_of_the_old_background_out(soft_edge, coarse):
    image, alpha = soft_edge
    soft = (alpha > 0.1) & (alpha < 1)

    def off(colours):
        return np.abs(colours - RED)[soft].mean()

    assert off(fused_colours(image, alpha, coarse)) < 0.3 * off(image)


def test_a_phones_estimate_is_blur_fusion():
    """Written out for each pixel, with boxes cut off at the borders (Forte 2021, equations 4 to 7), at one size."""
    rng = np.random.default_rng(0)
    image, alpha = rng.random((9, 12, 3), np.float32), rng.random((9, 12), np.float32)

    def pixels(radius, power, foreground, background):
        found = np.empty((2, 9, 12, 3))
        for row, column in np.ndindex(9, 12):
            box = (slice(max(row - radius, 0), row + radius + 1), slice(max(column - radius, 0), column + radius + 1))
            a, z = (weight[box][..., None].astype(float) ** power for weight in (alpha, 1 - alpha))
            f = (foreground[box] * a).sum((0, 1)) / max(a.sum(), 1e-3)
            b = (background[box] * z).sum((0, 1)) / max(z.sum(), 1e-3)
            here = float(alpha[row, column])
            found[:, row, column] = np.clip(f + here * (image[row, column] - here * f - (1 - here) * b), 0, 1), b
        return found

    foreground, background = pixels(2, 8, image, image)  # a sixth of 12
    foreground, _ = pixels(1, 4, foreground, background)  # an eightieth, but one at least
    np.testing.assert_allclose(fused_colours(image, alpha, (9, 12)), foreground, atol=1e-5)


@pytest.mark.parametrize("background", ["lime", "transparent", "blur:4"])
def test_a_phones_composite_is_near_to_ours(soft_edge, background):
    image, alpha = soft_edge
    chosen = Background.parse(background)
    found, ours = composite(image, alpha, chosen, coarse=(32, 48)), composite(image, alpha, chosen)
    assert found.shape == ours.shape
    shown = alpha > 0  # elsewhere a transparent one has any colour
    assert np.abs(found - ours)[shown].mean() < 0.05


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nothing_of_one_side_is_no_division_by_zero(value):
    image = np.random.default_rng(0).random((20, 30, 3), np.float32)
    found = fused_colours(image, np.full((20, 30), value, np.float32), (10, 15))
    assert np.isfinite(found).all()


def test_transparent_background_gives_rgba_with_the_matte(soft_edge):
    image, alpha = soft_edge
    result = composite(image, alpha, Background())
    np.testing.assert_array_equal(result[..., 3], alpha)


def test_colour_goes_behind_and_no_blue_is_left(soft_edge):
    image, alpha = soft_edge
    result = composite(image, alpha, Background.parse("lime"))
    np.testing.assert_allclose(result[alpha == 0], [[0, 1, 0]] * int((alpha == 0).sum()))
    np.testing.assert_allclose(result[alpha == 1], image[alpha == 1])
    assert result[..., 2].max() < 0.1


def test_image_goes_behind_covering_the_whole(soft_edge, tmp_path):
    image, alpha = soft_edge
    left_to_right = np.linspace(0, 255, 300).astype(np.uint8)[None, :, None].repeat(30, 0).repeat(3, 2)
    Image.fromarray(left_to_right).save(tmp_path / "behind.png")
    result = composite(image, alpha, Background.parse(str(tmp_path / "behind.png")))
    row = result[10, :30, 1]
    assert result.shape == image.shape
    assert (np.diff(row) >= 0).all()
    assert row[-1] > row[0] + 0.03


def test_blur_does_not_smear_the_foreground(soft_edge):
    image, alpha = soft_edge
    result = composite(image, alpha, Background.parse("blur:8"))
    assert np.abs(result[alpha == 0] - BLUE).max() < 0.02


@pytest.mark.parametrize("sigma", ["1e-300", "0.5", "63", "65", "1000", "1e9", "1e300"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (64, 96)], ids=str)
def test_blur_takes_any_sigma_and_any_picture(shape, sigma):
    noise = np.random.default_rng(0).random((*shape, 3), np.float32)
    result = composite(noise, np.zeros(shape, np.float32), Background.parse(f"blur:{sigma}"))
    assert result.shape == noise.shape
    np.testing.assert_allclose(result.mean((0, 1)), noise.mean((0, 1)), atol=0.02)
    if float(sigma) >= 1000:
        assert result.std((0, 1)).max() < 1e-3


def test_a_wide_blur_looks_like_one_at_full_size():
    """OpenCV's own Gaussian, just beyond the width from which the picture is shrunk first."""
    picture = np.random.default_rng(0).random((600, 500, 3), np.float32)
    picture[:, 250:] *= 0.3
    found = composite(picture, np.zeros((600, 500), np.float32), Background.parse("blur:80"))
    expected = cv2.GaussianBlur(picture, (0, 0), 80)
    assert np.abs(found - expected).max() < 0.01


@pytest.mark.parametrize("text", ["no such colour", "blur:-1", "blur:x", "blur:inf", "missing.png", ""])
def test_unknown_background_says_what_there_is(text):
    with pytest.raises(ExportError, match="transparent, blur"):
        Background.parse(text)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 4)], ids=str)
def test_saved_image_reads_back(tmp_path, shape):
    pixels = np.random.default_rng(0).random(shape, np.float32)
    save_image(tmp_path / "out.png", pixels)
    np.testing.assert_allclose(np.asarray(Image.open(tmp_path / "out.png")) / 255, pixels, atol=0.5 / 255 + 1e-6)
    assert [item.name for item in tmp_path.iterdir()] == ["out.png"]
