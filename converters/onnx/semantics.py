"""What ONNX operators mean, before any target: shapes, axes and pads from their inputs and attributes.

Shared by the lowerings, so that every target reads a node the same way. Semantics are those of the ONNX operator
specification (onnx/docs/Operators.md and Changelog.md) from the opset that the lowerings are registered with. Every
function raises UnsupportedError on what no target here expresses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.errors import UnsupportedError
from converters.onnx.registry import require

Array = npt.NDArray[Any]
Pads = list[tuple[int, int]]


@dataclass(frozen=True)
class Pooling:
    """The attributes that AveragePool and MaxPool share."""

    kernel_shape: Sequence[int]
    auto_pad: str
    ceil_mode: int
    dilations: Sequence[int] | None
    pads: Sequence[int] | None
    strides: Sequence[int] | None


def constant(name: str, value: Any) -> Array:
    """An input that must be a constant."""
    if not isinstance(value, np.ndarray):
        raise UnsupportedError(f"input {name} is computed in the graph; supported: a constant")
    return value


def integers(name: str, value: Any) -> list[int]:
    """An input that must be a constant list of integers."""
    return [int(item) for item in constant(name, value).reshape(-1)]


def clip_bounds(minimum: Any, maximum: Any) -> tuple[float, float]:
    """Clip's constant bounds, infinite where they are left out."""
    low = -math.inf if minimum is None else float(constant("min", minimum))
    return low, math.inf if maximum is None else float(constant("max", maximum))


def same_upper(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """SAME_UPPER's pads of one axis: the odd one comes after."""
    total = max((math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def window_pads(
    sizes: Sequence[int],
    kernel: Sequence[int],
    *,
    auto_pad: str,
    pads: Sequence[int] | None,
    strides: Sequence[int],
    dilations: Sequence[int],
) -> Pads:
    """(before, after) of height and width for a convolution or a pool."""
    require("auto_pad", auto_pad, ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"))
    if auto_pad.startswith("SAME"):
        same = [same_upper(*each) for each in zip(sizes, kernel, strides, dilations, strict=True)]
        return same if auto_pad == "SAME_UPPER" else [(after, before) for before, after in same]
    if pads is None or auto_pad == "VALID":
        return [(0, 0), (0, 0)]
    return [(pads[0], pads[2]), (pads[1], pads[3])]


def check_ceil_mode(
    ceil_mode: int, sizes: Sequence[int], pads: Pads, kernel: Sequence[int], strides: Sequence[int]
) -> None:
    """Accept ceil_mode=1 only where it changes nothing."""
    spans = [size + sum(pad) - side for size, pad, side in zip(sizes, pads, kernel, strict=True)]
    if ceil_mode and any(span % stride for span, stride in zip(spans, strides, strict=True)):
        raise UnsupportedError("uses ceil_mode=1 with a window that leaves the image; supported: ceil_mode=0")


def ceil_pads(ceil_mode: int, sizes: Sequence[int], pads: Pads, kernel: Sequence[int], strides: Sequence[int]) -> Pads:
    """A pool's pads with what its last windows reach beyond them."""
    if not ceil_mode:
        return pads
    reached: Pads = []
    for size, (before, after), side, stride in zip(sizes, pads, kernel, strides, strict=True):
        count = math.ceil((size + before + after - side) / stride) + 1
        if (count - 1) * stride >= size + before:  # a window that begins behind the image is left out
            count -= 1
        reached.append((before, max(after, (count - 1) * stride + side - size - before)))
    return reached


def averaged(
    size: int, pads: tuple[int, int], reached: tuple[int, int], kernel: int, stride: int, count_pads: bool
) -> Array:
    """Over how many pixels of one axis each window of an AveragePool takes its mean.

    ``pads`` count where asked; what a window reaches beyond them (``reached``, see ``ceil_pads``) never does.
    """
    low, high = (pads[0], pads[1]) if count_pads else (0, 0)
    starts = np.arange(0, size + sum(reached) - kernel + 1, stride) - reached[0]
    return np.asarray(np.minimum(starts + kernel, size + high) - np.maximum(starts, -low), np.float32)


@dataclass(frozen=True)
class Transposing:
    """The attributes of a ConvTranspose."""

    auto_pad: str
    dilations: Sequence[int] | None
    group: int
    output_padding: Sequence[int] | None
    output_shape: Sequence[int] | None
    pads: Sequence[int] | None

    def checked(self, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> tuple[list[int], Pads]:
        """What it makes of a map's sizes, and what it cuts off of all that the kernel reaches: (before, after).

        A negative ``after`` is what it adds. By ONNX's formula, without dilations. Raises UnsupportedError for what
        TFLite does not compute.
        """
        require("auto_pad", self.auto_pad, ("NOTSET", "VALID"))
        require("dilations", list(self.dilations or (1, 1)), ([1, 1],))
        require("group", self.group, (1,))
        require("output_shape", self.output_shape, (None,))
        pads, added = self.pads or (0,) * 4, self.output_padding or (0, 0)
        cut = [(pads[axis], pads[axis + 2] - added[axis]) for axis in range(2)]
        whole = [(size - 1) * stride + side for size, stride, side in zip(sizes, strides, kernel, strict=True)]
        return [size - sum(each) for size, each in zip(whole, cut, strict=True)], cut


@dataclass(frozen=True)
class Resizing:
    """The attributes of a Resize."""

    mode: str
    antialias: int
    keep_aspect_ratio_policy: str
    coordinate_transformation_mode: str
    nearest_mode: str

    def checked(
        self, before: Sequence[int], scales: Any, sizes: Any, axes: Sequence[int] | None
    ) -> tuple[list[int], list[float], str]:
        """The shape after it, the factors, each NCHW, and the coordinate transformation with its aliases resolved.

        Raises UnsupportedError for what not every target computes alike.
        """
        require("mode", self.mode, ("linear", "nearest"))
        require("antialias", self.antialias, (0,))
        require("keep_aspect_ratio_policy", self.keep_aspect_ratio_policy, ("stretch",))
        after, factors = _resized_shape(before, scales, sizes, axes)
        transform = _sampling(self.coordinate_transformation_mode, after)
        if self.mode == "nearest":
            _check_nearest(transform, self.nearest_mode, factors)
        return after, factors, transform


def _resized_shape(
    before: Sequence[int], scales: Any, sizes: Any, axes: Sequence[int] | None
) -> tuple[list[int], list[float]]:
    """A 2-D Resize's shape and factors; only whole sizes, and only height and width (NCHW)."""
    on = [axis % 4 for axis in axes or range(4)]
    after = list(before)
    if sizes is not None and sizes.size:
        for axis, size in zip(on, integers("sizes", sizes), strict=True):
            after[axis] = size
    else:
        for axis, factor in zip(on, constant("scales", scales).reshape(-1), strict=True):
            after[axis] = math.floor(before[axis] * float(factor))
            # Targets derive the scale from the sizes: the two agree only where nothing was rounded.
            if after[axis] != before[axis] * float(factor):
                raise UnsupportedError(f"scales size {before[axis]} by {factor} to a fraction; supported: whole sizes")
    if after[:2] != list(before[:2]):
        raise UnsupportedError(f"resizes {list(before)} to {after}; supported: height and width only")
    return after, [new / old for new, old in zip(after, before, strict=True)]


def _sampling(transform: str, after: Sequence[int]) -> str:
    """The coordinate transformation, with its aliases resolved."""
    if transform == "pytorch_half_pixel" and 1 not in after[2:]:
        transform = "half_pixel"
    require("coordinate_transformation_mode", transform, ("half_pixel", "align_corners", "asymmetric"))
    return transform


def _check_nearest(transform: str, nearest_mode: str, factors: Sequence[float]) -> None:
    """Accept the nearest-neighbour forms that every target rounds alike."""
    whole = all(factor == int(factor) for factor in factors)
    if transform == "asymmetric":
        require("nearest_mode", nearest_mode, ("floor",))
    elif not (transform == "half_pixel" and whole and nearest_mode.startswith("round_")):
        # Between whole factors no coordinate falls halfway, so that every rounding agrees.
        raise UnsupportedError(f"uses mode=nearest with {transform}; supported: asymmetric floor, or whole factors")


def reduced_axes(rank: int, axes: Any, noop_with_empty_axes: int) -> list[int]:
    """The axes that a Reduce op removes, non-negative; none for a no-op."""
    listed = [] if axes is None else integers("axes", axes)
    if not listed:
        return [] if noop_with_empty_axes else list(range(rank))
    return [axis % rank for axis in listed]


def slice_ranges(shape: Sequence[int], starts: Any, ends: Any, axes: Any, steps: Any) -> list[range]:
    """What a Slice keeps of each axis."""
    begins, stops = integers("starts", starts), integers("ends", ends)
    on = list(range(len(begins))) if axes is None else integers("axes", axes)
    strides = [1] * len(begins) if steps is None else integers("steps", steps)
    kept = [range(size) for size in shape]
    for axis, begin, stop, step in zip(on, begins, stops, strides, strict=True):
        if step < 0:
            raise UnsupportedError(f"uses steps={step}; supported: positive steps")
        kept[axis % len(shape)] = range(shape[axis % len(shape)])[begin:stop:step]
    return kept


def split_lengths(size: int, split: Any, num_outputs: int | None) -> list[int]:
    """The widths of a Split's parts."""
    if split is not None:
        lengths = integers("split", split)
    elif num_outputs is not None:
        chunk = math.ceil(size / num_outputs)
        lengths = [min(chunk, size - chunk * index) for index in range(num_outputs)]
    else:
        raise UnsupportedError("has neither split nor num_outputs; supported: either")
    if min(lengths) <= 0:
        raise UnsupportedError(f"splits {size} into {lengths}; supported: at least one element each")
    return lengths


def pad_amounts(rank: int, pads: Any, axes: Any) -> Pads:
    """(before, after) of every axis for a Pad."""
    amounts = integers("pads", pads)
    if min(amounts) < 0:
        raise UnsupportedError(f"uses pads={amounts}; supported: non-negative pads")
    on = list(range(rank)) if axes is None else integers("axes", axes)
    around = [(0, 0)] * rank
    for index, axis in enumerate(on):
        around[axis % rank] = (amounts[index], amounts[index + len(on)])
    return around


def reshaped(before: Sequence[int], shape: Any, allowzero: int) -> list[int]:
    """A Reshape's result, its zeros and its -1 resolved."""
    wanted = integers("shape", shape)
    if not allowzero:
        wanted = [before[axis] if size == 0 else size for axis, size in enumerate(wanted)]
    known = math.prod(size for size in wanted if size != -1)
    return [math.prod(before) // known if size == -1 else size for size in wanted]


def flattened(before: Sequence[int], axis: int) -> list[int]:
    """A Flatten's result: the axes before ``axis`` as one, the others as one."""
    axis = axis + len(before) if axis < 0 else axis
    return [math.prod(before[:axis]), math.prod(before[axis:])]


def squeezed(before: Sequence[int], axes: Any) -> list[int]:
    """A Squeeze's result: without the listed axes, or without all of size 1."""
    if axes is None:
        return [size for size in before if size != 1]
    gone = {axis % len(before) for axis in integers("axes", axes)}
    return [size for axis, size in enumerate(before) if axis not in gone]


def unsqueezed(before: Sequence[int], axes: Any) -> list[int]:
    """An Unsqueeze's result: the listed axes, counted in the result, have size 1."""
    new = integers("axes", axes)
    rank = len(before) + len(new)
    places, sizes = {axis % rank for axis in new}, iter(before)
    return [1 if axis in places else next(sizes) for axis in range(rank)]


def expanded(before: Sequence[int], shape: Any) -> list[int]:
    """An Expand's result: both shapes, broadcast."""
    return list(np.broadcast_shapes(tuple(before), tuple(integers("shape", shape))))
