"""The representative dataset that quantization is calibrated with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from converters.eight_bit import from_bytes
from converters.errors import ExportError, ExportWarning, few
from modnet_export.images.imaging import Pixels, demo_photo, list_images, read_image, resize, restore_matte
from modnet_export.images.inputs import fit
from modnet_export.record.contract import Size

_NAMED = 5
"""How many images a message names."""
COUNT = 24
"""How many images calibration looks at. Of a larger folder, so many are taken at even distances."""
BUILT_IN = "built-in portrait"
_BACKGROUNDS = ("chelsea", "coffee", "rocket", "brick", "grass", "gravel")
# An image with a smaller standard deviation than this is not a photograph.
_CONSTANT = 1 / 255
# A matte with a smaller mean than this shows nobody.
_EMPTY = 0.005

Matting = Callable[[Pixels], Pixels]
"""A model: it takes a 1 x H x W x 3 image and gives its 1 x H x W x 1 matte."""


def _backgrounds() -> Iterator[Pixels]:
    """Photographs and textures that come with scikit-image, all free to use."""
    from skimage import data

    for name in _BACKGROUNDS:
        pixels = from_bytes(getattr(data, name)())
        yield pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _built_in(size: Size, matting: Matting) -> Iterator[Pixels]:
    """The built-in portrait, cropped, scaled, flipped and lit differently; every other one has another background."""
    rng = np.random.default_rng(0)
    photo = demo_photo()
    height, width = photo.shape[:2]
    whole, placement = fit(photo, size)
    alpha = restore_matte(matting(whole), placement, "letterbox")[..., None]
    backgrounds = list(_backgrounds())
    yield whole
    for index in range(COUNT - 1):
        picture = photo
        if index % 2:
            behind = resize(backgrounds[index // 2 % len(backgrounds)], height, width)
            picture = alpha * photo + (1 - alpha) * behind
        share = rng.uniform(0.6, 1)
        rows, columns = int(height * share), int(width * share * rng.uniform(0.75, 1))
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        picture = picture[top : top + rows, left : left + columns]
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        light = picture ** rng.uniform(0.6, 1.4) * rng.uniform(0.85, 1.15, 3)
        yield fit(light.clip(0, 1).astype(np.float32), size)[0]


def photographs(folder: Path) -> list[Path]:
    """The images of a calibration folder that calibration looks at; raises ExportError where there are none."""
    if not folder.is_dir():
        raise ExportError(
            f"{folder} is no folder",
            where="`calibration`",
            expected="a folder of photographs of people",
            next_step="check the path, or leave `calibration` out to use the built-in set",
        )
    paths = list_images([folder])
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(COUNT, len(paths))).round().astype(int))
    return [paths[index] for index in chosen]


def _from_folder(folder: Path, size: Size, matting: Matting) -> Iterator[Pixels]:
    paths = photographs(folder)
    empty: list[str] = []
    useless: list[str] = []
    for path in paths:
        try:
            image_nhwc = fit(read_image(path), size)[0]
        except ExportError as error:
            useless.append(error.what)
            continue
        if float(image_nhwc.std()) < _CONSTANT:
            useless.append(f"{path.name} is one colour")
            continue
        if float(matting(image_nhwc).mean()) < _EMPTY:
            empty.append(path.name)
        yield image_nhwc
    if len(useless) == len(paths):
        raise ExportError(
            f"nothing can be calibrated with these {len(paths)} image(s): {few(useless, _NAMED)}",
            where=folder,
            expected="photographs of people",
            next_step="choose another folder, or leave `calibration` out to use the built-in set",
        )
    if useless:
        _warn(f"{len(useless)} of {len(paths)} calibration images were left out: {few(useless, _NAMED)}")
    if empty:
        usable = len(paths) - len(useless)
        named = few(empty, _NAMED)
        _warn(f"{len(empty)} of {usable} calibration images have an empty matte ({named}): are they portraits?")


def _warn(text: str) -> None:
    warnings.warn(text, ExportWarning, stacklevel=2)


def images(folder: Path | None, size: Size, matting: Matting) -> Sequence[Pixels]:
    """At most 24 images as the model takes them, 1 x H x W x 3 in [0, 1].

    From ``folder``, or the built-in set. ``matting`` is the float model: it cuts the built-in
    portrait out, and tells whether a user's image shows anybody (a warning where it does not).
    An image that cannot be read, or is of a single colour, is left out with a warning. Raises ExportError for a folder
    without any other.
    """
    return list(_built_in(size, matting) if folder is None else _from_folder(folder, size, matting))
