"""Pre- and post-processing, in the one form that every runtime, app and test uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from converters.eight_bit import from_bytes
from converters.errors import ExportError, needs, reason
from modnet_export.record.choices import Fit
from modnet_export.record.contract import PADDING, SIZE_MULTIPLE

Pixels = npt.NDArray[np.float32]

_HEIF = (".heic", ".heif")
SUFFIXES = frozenset({".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp", *_HEIF})
_RELEASED_SIDE = 512
PICTURES = Path(__file__).parents[1] / "data" / "pictures"
"""Pictures that are free to use; the README.md there says whose they are."""


def _open_heif() -> None:
    """Let Pillow read what iPhones write; raises ExportError where the extra is not installed."""
    needs("pi_heif", extra="heic")
    from pi_heif import register_heif_opener

    register_heif_opener()


def read_image(path: Path) -> Pixels:
    """RGB in [0, 1], H x W x 3, upright.

    Follows the EXIF orientation; takes grey, palette and 16-bit images; alpha is composited onto
    white. Raises ExportError for a file that is not a whole image.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise ValueError("it is a folder" if path.is_dir() else "it is not a regular file")
        if path.suffix.lower() in _HEIF and path.is_file():
            _open_heif()
        with Image.open(path) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith(("I", "F")):  # Pillow itself turns 16-bit colour into 8-bit
                return _grey(np.asarray(image), 1.0 if image.mode == "F" else 65535.0)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return from_bytes(np.asarray(image.convert("RGB")))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else reason(error)
        raise ExportError(
            f"cannot read {path.name} as an image: {why}",
            where=path,
            expected=f"a whole image: {', '.join(sorted(suffix[1:] for suffix in SUFFIXES))}",
            next_step="check that the file opens in an image viewer",
        ) from error


def _grey(values: npt.NDArray[np.generic], white: float) -> Pixels:
    """Grey of more than 8 bits as RGB; raises ValueError for values beyond 0 to ``white``, whose meaning is unknown."""
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= white):
        raise ValueError(f"its values are from {low:.4g} to {high:.4g}, and can be read from 0 to {white:.0f}")
    return np.repeat((values.astype(np.float32) / np.float32(white))[..., None], 3, axis=2)


def as_pixels(image: npt.NDArray[np.generic]) -> Pixels:
    """An image as H x W x 3 in [0, 1], from such floats or from bytes; raises ExportError for any other array."""
    right = image.ndim == 3 and image.shape[2] == 3 and image.size > 0
    if right and image.dtype == np.uint8:
        return from_bytes(image)
    if right and np.issubdtype(image.dtype, np.floating) and image.min() >= 0 and image.max() <= 1:
        return np.asarray(image, np.float32)
    spread = f", from {image.min()} to {image.max()}" if image.size and image.dtype != object else ""
    raise ExportError(
        f"this array is not an image: {' x '.join(map(str, image.shape))} {image.dtype}{spread}",
        expected="RGB, H x W x 3: floats in [0, 1], or bytes (uint8)",
        next_step="divide by the value that means white, and put colours last",
    )


def list_images(paths: list[Path]) -> list[Path]:
    """Files as given, folders as all images below them (sorted, hidden ones left out).

    Raises ExportError when there are none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = (item for item in path.rglob("*") if item.suffix.lower() in SUFFIXES and item.is_file())
            found += sorted(item for item in below if not any(p.startswith(".") for p in item.relative_to(path).parts))
        else:
            found.append(path)
    if not found:
        raise ExportError(
            "there is no image to work on",
            where=", ".join(map(str, paths)),
            expected=f"images, or a folder with some of {', '.join(sorted(SUFFIXES))}",
            next_step="check the path, or name another folder",
        )
    return found


def demo_photo() -> Pixels:
    """The built-in portrait: the astronaut Eileen Collins (NASA, public domain), 512 x 512 x 3 in [0, 1]."""
    return read_image(PICTURES / "astronaut.png")


@dataclass(frozen=True)
class Placement:
    """Where an image of ``height`` x ``width`` lies in the model's input, in pixels."""

    height: int
    width: int
    top: int
    left: int
    inner_height: int
    inner_width: int

    def shown(self, matte_nhwc: Pixels) -> Pixels:
        """The part of a model's 1 x h x w x 1 matte that shows the image: ``inner_height`` x ``inner_width``."""
        rows, columns = slice(self.top, self.top + self.inner_height), slice(self.left, self.left + self.inner_width)
        return matte_nhwc[0, rows, columns, 0]


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resized by area averages along an axis that shrinks, and bilinearly along one that grows."""
    # One axis at a time: OpenCV's area mode shifts the image when it enlarges either of the two.
    for rows, columns in ((height, pixels.shape[1]), (height, width)):
        before = pixels.shape
        if (rows, columns) != before[:2]:
            shrinking = rows < before[0] or columns < before[1]
            interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
            resized = np.asarray(cv2.resize(pixels, (columns, rows), interpolation=interpolation), np.float32)
            pixels = resized.reshape(rows, columns, *before[2:])
    return pixels


def area_resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """The released code's area interpolation: torch's ``F.interpolate(mode="area")``, adaptive average pooling.

    Output i averages inputs floor(i * n / m) to ceil((i + 1) * n / m), H x W x C, whichever size is larger.
    """
    for axis, size in ((0, height), (1, width)):
        before = pixels.shape[axis]
        first = np.arange(size) * before // size
        last = -(-(np.arange(size) + 1) * before // size)
        shape = [1] * pixels.ndim
        shape[0] = -1
        sums = np.cumsum(np.moveaxis(pixels, axis, 0), axis=0, dtype=np.float64)
        sums = np.concatenate([np.zeros_like(sums[:1]), sums])
        means = (sums[last] - sums[first]) / (last - first).reshape(shape)
        pixels = np.moveaxis(means, 0, axis).astype(np.float32)
    return np.ascontiguousarray(pixels)


def released_size(height: int, width: int) -> tuple[int, int]:
    """The size at which the released code runs an image of this size.

    If the longer side is under 512 or the shorter over 512, the shorter becomes 512 at the same
    aspect ratio; then both are cut down to a multiple of 32.
    """
    if max(height, width) < _RELEASED_SIDE or min(height, width) > _RELEASED_SIDE:
        if width >= height:
            height, width = _RELEASED_SIDE, int(width / height * _RELEASED_SIDE)
        else:
            height, width = int(height / width * _RELEASED_SIDE), _RELEASED_SIDE
    return max(height - height % SIZE_MULTIPLE, SIZE_MULTIPLE), max(width - width % SIZE_MULTIPLE, SIZE_MULTIPLE)


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Height and width times ``scale``, in whole pixels, one at least."""
    return max(round(height * scale), 1), max(round(width * scale), 1)


def fit_image(image: Pixels, size: tuple[int, int], fit: Fit) -> tuple[Pixels, Placement]:
    """``image`` (H x W x 3) as the model's 1 x height x width x 3 input, and where it lies there.

    ``letterbox`` keeps the aspect ratio and fills up with mid-grey, centred; ``stretch`` and
    ``released`` fill the whole input (``released`` with the released code's area interpolation).
    """
    (height, width), (rows, columns) = image.shape[:2], size
    if fit != "letterbox":
        scaled = area_resize if fit == "released" else resize
        return scaled(image, rows, columns)[None], Placement(height, width, 0, 0, rows, columns)
    scale = min(rows / height, columns / width)
    inner_rows, inner_columns = map(min, scaled_size(height, width, scale), size)
    top, left = (rows - inner_rows) // 2, (columns - inner_columns) // 2
    canvas = np.full((1, rows, columns, 3), PADDING, np.float32)
    canvas[0, top : top + inner_rows, left : left + inner_columns] = resize(image, inner_rows, inner_columns)
    return canvas, Placement(height, width, top, left, inner_rows, inner_columns)


def restore_matte(matte_nhwc: Pixels, placement: Placement, fit: Fit) -> Pixels:
    """The model's 1 x h x w x 1 matte mapped back onto the image: H x W in [0, 1], without an offset."""
    scaled = area_resize if fit == "released" else resize
    return scaled(np.ascontiguousarray(placement.shown(matte_nhwc)), placement.height, placement.width).clip(0, 1)
