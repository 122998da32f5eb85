"""From an image and its matte to a cut-out, or to a new background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageColor

from converters.eight_bit import from_bytes, to_bytes
from converters.errors import ExportError
from modnet_export.images.foreground import estimate_colours
from modnet_export.images.frames import Bytes
from modnet_export.images.imaging import Pixels, read_image, resize, scaled_size
from modnet_export.record.contract import ForegroundColours

TRANSPARENT = "transparent"
_BLUR = "blur"
_DEFAULT_SIGMA = 0.02  # of the longer side
_WIDEST_SIGMA = 64.0  # pixels
_FOREGROUND = ForegroundColours()


@dataclass(frozen=True)
class Background:
    """What goes behind the foreground: nothing, a colour, an image, or the image's own background blurred."""

    colour: tuple[int, int, int] | None = None
    image: Path | None = None
    blur_sigma: float | None = None

    @property
    def transparent(self) -> bool:
        return self == Background()

    def sigma(self, height: int, width: int) -> float:
        """The blur's, in pixels of a picture of this size; of a background that is blurred."""
        return self.blur_sigma or _DEFAULT_SIGMA * max(height, width)

    @classmethod
    def parse(cls, text: str) -> Background:
        """``transparent``, ``blur``, ``blur:SIGMA`` (pixels), a CSS colour, or an image's path; raises ExportError."""
        if text == TRANSPARENT:
            return cls()
        name, _, sigma = text.partition(":")
        if name == _BLUR:
            try:
                value = float(sigma) if sigma else 0.0
            except ValueError:
                value = -1.0
            if value >= 0 and np.isfinite(value):
                return cls(blur_sigma=value)
        elif Path(text).is_file():
            return cls(image=Path(text))
        else:
            try:
                red, green, blue = ImageColor.getrgb(text)[:3]
                return cls(colour=(red, green, blue))
            except ValueError:
                pass
        raise ExportError(
            f"'{text}' is not a background",
            where="`background`",
            expected="transparent, blur, blur:SIGMA, a colour (white, #00ff00), or an image that exists",
            next_step="for example `background=white`, or check the image's path",
        )


def fused_colours(image: Pixels, matte: Pixels, coarse: tuple[int, int]) -> Pixels:
    """The foreground's colours, H x W x 3, as a phone has time to estimate them; see ``foreground.estimate_colours``.

    Blur fusion, twice (Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021): means of the image over a
    box, weighted by the matte and by what it leaves, then what they leave unexplained is given to the foreground. Other
    than there, weights have the 8th and then the 4th power, so that sure pixels count most (docs/android.md has what
    that gains), and the means are taken at ``coarse`` (height, width), for example the model's own input, over boxes of
    a third and then a fortieth of its longer side, cut off at the borders, and enlarged.
    """
    foreground, background = coarse_colours(resize(image, *coarse), resize(matte, *coarse))
    found = fused(image, matte, *(resize(item, *matte.shape) for item in (foreground, background)))
    return np.where(matte[..., None] >= 1, image, found)


def coarse_colours(image: Pixels, matte: Pixels) -> tuple[Pixels, Pixels]:
    """The means of ``fused_colours``: the foreground's and the background's colours at the size of a small image."""
    longer, (first, second) = max(matte.shape), _FOREGROUND.powers
    wide, narrow = longer // _FOREGROUND.radius_divisors[0], max(longer // _FOREGROUND.radius_divisors[1], 1)
    foreground, background = _means(image, matte**first, wide), _means(image, (1 - matte) ** first, wide)
    foreground = fused(image, matte, foreground, background)
    return _means(foreground, matte**second, narrow), _means(background, (1 - matte) ** second, narrow)


def _means(colours: Pixels, weight: Pixels, radius: int) -> Pixels:
    """Weighted means over boxes of 2 ``radius`` + 1; towards 0 where almost nothing has a weight."""

    def total(values: Pixels) -> Pixels:
        box = (2 * radius + 1, 2 * radius + 1)
        found = cv2.boxFilter(values, cv2.CV_32F, box, normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(found, np.float32).reshape(values.shape)

    return np.asarray(total(colours * weight[..., None]) / np.maximum(total(weight)[..., None], 1e-3), np.float32)


def fused(image: Pixels, matte: Pixels, foreground: Pixels, background: Pixels) -> Pixels:
    """The foreground's colours, corrected by what they and the background's leave unexplained of the image.

    Colours are ... x 3, the matte is without that axis.
    """
    alpha = matte[..., None]
    found: Pixels = foreground + alpha * (image - alpha * foreground - (1 - alpha) * background)
    return found.clip(0, 1)


def cover(picture: Pixels, height: int, width: int) -> Pixels:
    """The middle of ``picture``, scaled to cover height x width."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    rows, columns = max(round(picture.shape[0] * scale), height), max(round(picture.shape[1] * scale), width)
    top, left = (rows - height) // 2, (columns - width) // 2
    return resize(picture, rows, columns)[top : top + height, left : left + width]


def blurred_background(background: Pixels, matte: Pixels, sigma: float) -> Pixels:
    """The background, blurred. A pixel counts by how much of it was seen, so that the person does not glow through.

    A wide blur is computed on a smaller picture, which looks the same and takes no longer than a narrow one.
    """
    height, width = matte.shape
    # Mirrored at its borders, a picture is its mean at twice its longer side: a wider blur changes nothing.
    sigma = min(sigma, 2.0 * max(height, width))
    scale = min(1.0, _WIDEST_SIGMA / sigma)
    size = scaled_size(height, width, scale)
    weight = np.maximum(1 - matte, 1e-4)
    blurred, total = (
        cv2.GaussianBlur(resize(item, *size), (0, 0), sigma * scale)
        for item in (background * weight[..., None], weight)
    )
    return resize(np.asarray(blurred / np.asarray(total)[..., None], np.float32), height, width).clip(0, 1)


def composite(image: Pixels, matte: Pixels, background: Background, *, coarse: tuple[int, int] | None = None) -> Pixels:
    """matte * foreground + (1 - matte) * background, H x W x 3; H x W x 4 for a transparent background.

    ``image`` is RGB in [0, 1], ``matte`` H x W in [0, 1]; the result is not premultiplied. ``coarse``: as phones do it,
    with ``fused_colours`` at that size, and with the image itself where the background is blurred.
    """
    foreground, seen = (
        estimate_colours(image, matte) if coarse is None else (fused_colours(image, matte, coarse), image)
    )
    alpha, (height, width) = matte[..., None], matte.shape
    if background.colour is not None:
        behind = from_bytes(np.asarray(background.colour))
    elif background.image is not None:
        behind = cover(read_image(background.image), height, width)
    elif background.blur_sigma is not None:
        behind = blurred_background(seen, matte, background.sigma(height, width))
    else:
        return np.concatenate([foreground, alpha], axis=2)
    return (alpha * foreground + (1 - alpha) * behind).astype(np.float32)


def save_image(path: Path, pixels: Pixels) -> None:
    """A matte (H x W), RGB or RGBA image in [0, 1] as an 8-bit PNG, atomically."""
    save_png(path, to_bytes(pixels))


def save_png(path: Path, levels: Bytes) -> None:
    """The same, of bytes."""
    import io

    from modnet_export.record.files import write_bytes

    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
