"""The representative dataset that quantization is calibrated with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from converters.eight_bit import from_bytes, to_bytes
from converters.errors import ExportError, ExportWarning, few
from modnet_export.images.framing import FORMS, Portrait, framed, framed_twice
from modnet_export.images.imaging import PICTURES, Pixels, list_images, read_image
from modnet_export.images.inputs import fit
from modnet_export.record.contract import Size

_NAMED = 5
"""How many images a message names."""
COUNT = 6 * len(FORMS)
"""How many images are looked at. Of a larger folder, so many are taken at even distances."""
_FRAMED_ONCE = 2 * len(FORMS)
_SOME = 12
BUILT_IN = "built-in portraits"
_PORTRAITS = Path(__file__).parents[1] / "data" / "portraits"
_BACKGROUNDS = ("chelsea.png", "coffee.png", "rocket.jpg", "brick.png", "grass.png", "gravel.png")
# An image with a smaller standard deviation than this is not a photograph.
_CONSTANT = 1 / 255
# A matte with a smaller mean than this shows nobody.
_EMPTY = 0.005

Matting = Callable[[Pixels], Pixels]
"""A model: it takes a 1 x H x W x 3 image and gives its 1 x H x W x 1 matte."""


def backgrounds(names: Sequence[str] = _BACKGROUNDS) -> list[Pixels]:
    """Photographs and textures that come with this package, all free to use: H x W x 3 in [0, 1]."""
    return [read_image(PICTURES / name) for name in names]


def portraits(folder: Path = _PORTRAITS) -> list[Portrait]:
    """Every photograph of a folder that has its matte beside it, as ``NAME_alpha.png``; the built-in ones."""
    mattes = sorted(folder.glob("*_alpha.png"))
    return [
        Portrait(read_image(path.with_name(path.name.replace("_alpha.png", ".jpg"))), read_image(path)[..., 0])
        for path in mattes
    ]


def _built_in(size: Size) -> Iterator[Pixels]:
    """The built-in portraits, framed and lit as strangers' photographs are.

    Two thirds are framed in two ways at once. They are harder: what 8 bits do to an unsure matte shows on these.
    """
    people, pictures = portraits(), backgrounds()
    for item in [*framed(people, pictures, _FRAMED_ONCE), *framed_twice(people, pictures, COUNT - _FRAMED_ONCE)]:
        yield fit(item.photo, size)[0]


def photographs(folder: Path) -> list[Path]:
    """At most ``COUNT`` images of a calibration folder; raises ExportError where there are none."""
    if not folder.is_dir():
        raise ExportError(
            f"{folder} is not a folder",
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


def some(images: Sequence[Pixels]) -> Sequence[Pixels]:
    """Twelve of the images or fewer, at even distances: for what looks at every tensor of a graph."""
    return images[:: -(-len(images) // _SOME)]


class _Bytes(Sequence[Pixels]):
    """Images that are rounded to 8 bits, kept as such: a quarter of the memory."""

    def __init__(self, pixels: Iterable[Pixels]) -> None:
        self._stored = [to_bytes(item) for item in pixels]

    def __len__(self) -> int:
        return len(self._stored)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pixels]: ...
    def __getitem__(self, index: int | slice) -> Pixels | list[Pixels]:
        if isinstance(index, slice):
            return [from_bytes(item) for item in self._stored[index]]
        return from_bytes(self._stored[index])


def images(folder: Path | None, size: Size, matting: Matting) -> Sequence[Pixels]:
    """At most ``COUNT`` images as the model takes them, 1 x H x W x 3 in [0, 1].

    From ``folder``, or the built-in set. ``matting`` is the float model, which tells whether a user's image shows
    anybody (a warning where it does not).
    An image that cannot be read, or is of a single colour, is left out with a warning. Raises ExportError for a folder
    without any other.
    """
    return _Bytes(_built_in(size) if folder is None else _from_folder(folder, size, matting))
