"""How somebody else's file is read: where its image goes in, what numbers it takes, and which output is the matte.

Shapes, types, quantization and names tell most of it. What they leave open, the range of the numbers above all, is
found by behaviour: of all readings that the file allows, the one whose matte of the built-in portrait is nearest to the
reference's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from converters.choices import ComputeUnit, Delegate
from converters.diagnose.by_ops import as_written
from converters.errors import ExportError
from converters.runtimes import Image
from converters.runtimes.raw import Port, RawModel, open_raw
from modnet_export.record.contract import OUTPUT_NAME, Size
from modnet_export.verifying import metrics

Order = Literal["NCHW", "NHWC", "CHW", "HWC"]
RangeName = Literal["0..1", "-1..1", "0..255", "ImageNet"]

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Range:
    """What a model takes for an RGB value v in [0, 1]: ``scale`` * v + ``shift``, for each channel."""

    words: str
    code: str
    """How an app makes it of bytes."""
    scale: tuple[float, float, float]
    shift: tuple[float, float, float]


def _same(words: str, code: str, scale: float, shift: float) -> Range:
    return Range(words, code, (scale,) * 3, (shift,) * 3)


RANGES: Mapping[RangeName, Range] = {
    "0..1": _same("0 to 1", "rgb / 255.0", 1, 0),
    "-1..1": _same("-1 to 1", "rgb / 127.5 - 1.0", 2, -1),
    "0..255": _same("0 to 255", "rgb", 255, 0),
    "ImageNet": Range(
        "ImageNet's mean and deviation",
        "(rgb / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]",
        (1 / 0.229, 1 / 0.224, 1 / 0.225),
        (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
}
_MATTES = (OUTPUT_NAME, "output", "alpha", "pha")
# A reading is right where its matte is this near to the reference's in the mean, and several times nearer than others.
_NEAR, _NEARER = 0.02, 3.0
# The ends of a range that a port says it has are its calibration's, and only near to those that were meant.
_LIKE, _LEAST_SHARE = 0.1, 0.45


@dataclass(frozen=True)
class Reading:
    """One way to read a model."""

    size: tuple[int, int]
    """Height and width in pixels."""
    order: Order
    """Of the image input's axes."""
    input_range: RangeName
    output: int
    """Which output is the matte."""
    channel: int = 0
    """Which of its channels."""
    white: float = 1.0
    """What stands for opaque."""
    found: tuple[str, ...] = ()
    """What was not read from the file but found by behaviour, in words."""

    @property
    def identity(self) -> str:
        """Another one where the model is given, or gives, anything else."""
        return repr((self.size, self.order, self.input_range, self.output, self.channel, self.white))


class ForeignModel:
    """A model read in one way, as a ``Runtime``: RGB in [0, 1], 1 x H x W x 3, to a matte, 1 x H x W x 1."""

    def __init__(self, raw: RawModel, reading: Reading, name: str) -> None:
        self.raw, self.reading, self._name = raw, reading, name

    @property
    def engine(self) -> str:
        return self.raw.engine

    @property
    def size(self) -> tuple[int, int]:
        return self.reading.size

    def run(self, image_nhwc: Image) -> Image:
        return self.matte(self.outputs(image_nhwc)[self.reading.output])

    def matte(self, output: Image) -> Image:
        """The matte, 1 x H x W x 1, in the output that holds it; raises ExportError for one that is no picture."""
        return self._scaled(output)[..., self.reading.channel : self.reading.channel + 1]

    def planes(self, image_nhwc: Image) -> Image:
        """All channels of the output that holds the matte, 1 x H x W x C.

        Raises ExportError where the model does not run, or gives no value for each pixel.
        """
        return self._scaled(self.outputs(image_nhwc)[self.reading.output])

    def _scaled(self, output: Image) -> Image:
        return _planes(output, self.size, self._name) / np.float32(self.reading.white)

    def outputs(self, image_nhwc: Image) -> list[Image]:
        """All outputs, in real numbers."""
        try:
            return self.raw.run(self.given(image_nhwc))
        except ExportError:
            raise
        except Exception as error:  # engines have their own errors
            raise ExportError(
                f"{self._name} does not run at {'x'.join(map(str, self.size))}: {str(error)[:200]}",
                where=", ".join(map(str, self.raw.inputs)),
                expected="a model that takes this image",
                next_step="convert it again with ops that this engine has"
                if fixed_size(self.raw, self._name)
                else "say a size that it takes: `size=HEIGHTxWIDTH`",
            ) from error

    def given(self, image_nhwc: Image) -> Image:
        """An image as the input takes it, in real numbers."""
        return encoded(image_nhwc, self.reading)


def encoded(image_nhwc: Image, reading: Reading) -> Image:
    """RGB in [0, 1], 1 x H x W x 3, in the range and the order of axes that a reading says."""
    taken = RANGES[reading.input_range]
    values = image_nhwc * np.asarray(taken.scale, np.float32) + np.asarray(taken.shift, np.float32)
    if reading.order in ("NCHW", "CHW"):
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values[0] if len(reading.order) == 3 else values)


def _planes(output: Image, size: tuple[int, int], name: str) -> Image:
    """An output as 1 x H x W x C; raises ExportError for one that is no picture of the image's size."""
    flat = output.reshape([item for item in output.shape if item != 1])
    if flat.ndim == 3 and flat.shape[1:] == size:
        flat = flat.transpose(1, 2, 0)
    if flat.shape[:2] != size or flat.ndim not in (2, 3) or (flat.ndim == 3 and flat.shape[2] > 4):
        raise ExportError(
            f"{name} gives {' x '.join(map(str, output.shape))} for an image of {' x '.join(map(str, size))}",
            where="its outputs",
            expected="one value for each pixel, or a picture of up to four channels",
            next_step="check that it is a matting network, and which of its outputs is the matte",
        )
    return flat.reshape(1, *size, -1)


def plainly_given(raw: RawModel, name: str, image_nhwc: Image) -> Image:
    """An image as a model's port takes it, by the likeliest range: to time the model, whatever it computes."""
    port, order = image_port(raw, name)
    height, width = image_nhwc.shape[1:3]
    return encoded(image_nhwc, Reading((height, width), order, ranges_of(port)[0], 0))


def open_foreign(
    path: Path,
    reading: Reading,
    *,
    threads: int | None = None,
    delegate: Delegate = "cpu",
    compute_unit: ComputeUnit = "ALL",
) -> ForeignModel:
    """A file, read in one way; raises ExportError for one that cannot be loaded."""
    raw = as_written(open_raw(path, threads=threads, delegate=delegate, compute_unit=compute_unit), path)
    return ForeignModel(raw, reading, path.name)


def image_port(raw: RawModel, name: str) -> tuple[Port, Order]:
    """A model's only input and the order of its axes; raises ExportError for a model that takes no image alone."""
    orders: dict[int, tuple[Order, Order]] = {4: ("NCHW", "NHWC"), 3: ("CHW", "HWC")}
    if len(raw.inputs) == 1 and len(raw.inputs[0].shape) in orders:
        port = raw.inputs[0]
        first, last = orders[len(port.shape)]
        colours = port.shape[len(port.shape) - 3], port.shape[-1]
        if colours[0] == 3 or (colours[0] is None and colours[1] != 3):
            return port, first
        if colours[1] == 3:
            return port, last
    raise ExportError(
        f"{name} takes {', '.join(map(str, raw.inputs)) or 'nothing'}",
        where=name,
        expected="one image of three channels",
        next_step="convert MODNet alone, without a background or a trimap",
    )


def fixed_size(raw: RawModel, name: str) -> tuple[int, int] | None:
    """Height and width of the images that a model takes; None where it takes any."""
    port, order = image_port(raw, name)
    height, width = port.shape[order.index("H")], port.shape[order.index("W")]
    return None if height is None or width is None else (height, width)


def read(
    raw: RawModel, name: str, size: Size, portrait: tuple[Image, Image], asked: Sequence[RangeName] = ()
) -> Reading:
    """How a model is read.

    ``portrait`` is an image and the reference's matte of it; ``asked`` the ranges to choose from (empty: those that the
    port allows). Raises ExportError for a model that cannot be read as MODNet.
    """
    port, order = image_port(raw, name)
    image_nhwc, matte_nhwc = portrait
    ranges = tuple(asked) or ranges_of(port)
    found: list[tuple[float, Reading]] = []
    for input_range in ranges:
        plain = Reading((size.height, size.width), order, input_range, 0)
        outputs = ForeignModel(raw, plain, name).outputs(image_nhwc)
        for reading, planes in _of_outputs(plain, raw, outputs, name):
            with np.errstate(all="ignore"):
                off = metrics.mad(planes[..., reading.channel : reading.channel + 1] / reading.white, matte_nhwc)
            found.append((off if np.isfinite(off) else np.inf, reading))
    return _chosen(found, len({item.output for _, item in found}) > 1)


def _chosen(found: Sequence[tuple[float, Reading]], several: bool) -> Reading:
    """The reading whose matte is nearest. That of another white has to be right: an empty matte is near to many."""
    least, best = min(found, key=lambda item: item[0])
    if least >= _NEAR:
        least, best = min((item for item in found if item[1].white == found[0][1].white), key=lambda item: item[0])
    words: list[str] = []
    others = [off for off, item in found if item.input_range != best.input_range]
    if others and least < _NEAR and least * _NEARER < min(others):
        words.append(
            f"that it takes RGB from {RANGES[best.input_range].words}: its matte of the built-in portrait is off by "
            f"{least:.2g}, and by {min(others):.2g} or more for other ranges"
        )
    elif others:
        words.append(
            f"that it takes RGB from {RANGES[best.input_range].words}, which its matte neither proves nor refutes"
        )
    if several:
        words.append(f"that output {best.output + 1} is the matte")
    if best.white != 1 and any(item.white != best.white for _, item in found):
        words.append(f"that its matte is from 0 to {best.white:.0f}")
    return replace(best, found=tuple(words))


def ranges_of(port: Port) -> tuple[RangeName, ...]:
    """The ranges that a port may take, the likeliest first: those that what it can hold leaves room for, and not much
    more. (A port whose zero is 0 holds -1 to 1, and may take 0 to 1.)"""
    if port.dtype == "image":
        return ("0..255",)
    if port.bounds is None:
        return tuple(RANGES)
    low, high = port.bounds
    near = _LIKE * (high - low)
    shares: dict[RangeName, float] = {}
    for name, item in RANGES.items():
        black, white = item.shift[1], item.shift[1] + item.scale[1]
        if black > low - near and white < high + near and white - black > _LEAST_SHARE * (high - low):
            shares[name] = (white - black) / (high - low)
    return tuple(sorted(shares, key=lambda name: -shares[name])) or tuple(RANGES)


def _of_outputs(plain: Reading, raw: RawModel, outputs: Sequence[Image], name: str) -> Iterator[tuple[Reading, Image]]:
    """Every output and channel that may be the matte, with the output's planes, the likeliest first."""
    pictures: list[tuple[int, Image]] = []
    for index, output in enumerate(outputs):
        try:
            pictures.append((index, _planes(output, plain.size, name)))
        except ExportError:
            if len(outputs) == 1:
                raise
    if not pictures:
        _planes(outputs[-1], plain.size, name)
    # MODNet gives the semantic map, the detail and the matte.
    pictures.sort(key=lambda item: (raw.outputs[item[0]].name.lower() not in _MATTES, -item[0]))
    for index, planes in pictures:
        bounds = raw.outputs[index].bounds
        whites = (1.0, 255.0) if bounds is None else (255.0,) if bounds[1] > 2 else (1.0,)
        channels = {1: (0,), 2: (1, 0), 3: (1,), 4: (3,)}[planes.shape[-1]]
        for white in whites:
            for channel in channels:
                yield replace(plain, output=index, channel=channel, white=white), planes
