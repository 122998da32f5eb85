"""What the convolutions of a TFLite graph see on a representative dataset: second moments of their inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.runtimes.litert import interpreter
from converters.tflite import builder as fb

Array = npt.NDArray[np.float64]
# Positions of each map that are looked at, an image: neighbours say nearly the same.
_POSITIONS = 2048
# A larger covariance costs more time than its layer is worth.
_LARGEST = 1300
_SAMPLES = 4096
"""Values of a tensor that are kept, an image."""


@dataclass
class Moments:
    """Of the patches x that a convolution multiplies with its weights, flattened as the weights are.

    ``second``: mean of x x^T, K x K, for a depthwise convolution C x K x K (every channel has its own
    patches); ``mean``: of x, K or C x K. ``samples``: how many patches they are taken over.
    """

    second: Array
    mean: Array
    samples: int


@dataclass(frozen=True)
class Convolution:
    """One CONV_2D or DEPTHWISE_CONV_2D with constant weights, by the indices of its tensors."""

    index: int
    op: Any
    depthwise: bool
    weight: npt.NDArray[np.float32]
    """O x h x w x I, or 1 x h x w x C."""
    bias: npt.NDArray[np.float32] | None

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """A row an output channel: O x K, or C x K."""
        if self.depthwise:
            return np.ascontiguousarray(self.weight.reshape(-1, self.weight.shape[3]).T)
        return self.weight.reshape(self.weight.shape[0], -1)

    def oihw(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Weights, in the layout of this one's, as ONNX has them."""
        return np.ascontiguousarray(values.transpose(3, 0, 1, 2) if self.depthwise else values.transpose(0, 3, 1, 2))

    def shaped(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Rows back in the layout of the weights."""
        return (rows.T if self.depthwise else rows).reshape(self.weight.shape)


def convolutions(model: Any) -> list[Convolution]:
    """Those of the graph, in order; weights that several share are given once."""
    (graph,) = model.subgraphs
    found: dict[int, Convolution] = {}
    for index, op in enumerate(graph.operators):
        operator = fb.builtin(model, op)
        if operator not in (fb.BuiltinOperator.CONV_2D, fb.BuiltinOperator.DEPTHWISE_CONV_2D):
            continue
        weight = fb.constant(model, graph.tensors[op.inputs[1]])
        bias = fb.constant(model, graph.tensors[op.inputs[2]]) if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
        if weight is not None and weight.dtype == np.float32:
            depthwise = operator == fb.BuiltinOperator.DEPTHWISE_CONV_2D
            found.setdefault(op.inputs[1], Convolution(index, op, depthwise, weight, bias))
    return list(found.values())


def _patches(image: npt.NDArray[np.float32], convolution: Convolution, rng: np.random.Generator) -> Array:
    """Some of the patches that a convolution sees in an H x W x C map: N x h x w x C."""
    options = convolution.op.builtinOptions
    rows, columns = convolution.weight.shape[1:3]
    step = (int(options.strideH), int(options.strideW))
    if options.padding == fb.schema.Padding.SAME:
        pads = []
        for size, stride, window in zip(image.shape[:2], step, (rows, columns), strict=True):
            total = max((-(-size // stride) - 1) * stride + window - size, 0)
            pads.append((total // 2, total - total // 2))
        image = np.pad(image, [*pads, (0, 0)])
    counts = [
        (size - window) // stride + 1
        for size, window, stride in zip(image.shape[:2], (rows, columns), step, strict=True)
    ]
    chosen = rng.permutation(counts[0] * counts[1])[:_POSITIONS]
    top, left = (chosen // counts[1]) * step[0], (chosen % counts[1]) * step[1]
    y = top[:, None, None] + np.arange(rows)[None, :, None]
    x = left[:, None, None] + np.arange(columns)[None, None, :]
    return np.asarray(image[y, x], np.float64)


def _sums(patches: Array, depthwise: bool) -> tuple[Array, Array]:
    """Of x x^T and of x over patches N x h x w x C."""
    if depthwise:  # C x N x K: every channel by itself
        channels = patches.reshape(len(patches), -1, patches.shape[-1]).transpose(2, 0, 1)
        return np.asarray(channels.transpose(0, 2, 1) @ channels), np.asarray(channels.sum(axis=1))
    rows = patches.reshape(len(patches), -1).astype(np.float32)
    return np.asarray(rows.T @ rows, np.float64), np.asarray(rows.sum(axis=0), np.float64)


@dataclass
class Spread:
    """What a tensor's values were on a representative dataset: extremes of every channel, and some of the values."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    values: npt.NDArray[np.float32]

    def range(self) -> tuple[float, float]:
        return float(self.low.min()), float(self.high.max())


def runs(data: bytes, images: Iterable[npt.NDArray[Any]], progress: Callable[[int], None]) -> Iterator[Any]:
    """The interpreter after every image, with all its tensors."""
    loaded, _ = interpreter(data, None, xnnpack=False, preserve=True)
    port = loaded.get_input_details()[0]["index"]
    for done, image in enumerate(images, 1):
        loaded.set_tensor(port, image)
        loaded.invoke()
        yield loaded
        progress(done)


def observe(
    data: bytes,
    tensors: Iterable[int],
    images: Iterable[npt.NDArray[Any]],
    progress: Callable[[int], None] = lambda done: None,
) -> dict[int, Spread]:
    """The spreads of tensors of a float graph over all images (as the input takes them)."""
    rng, found, wanted = np.random.default_rng(0), dict[int, Spread](), list(tensors)
    for loaded in runs(data, images, progress):
        _spread(loaded, wanted, rng, found)
    return found


def _spread(loaded: Any, wanted: Iterable[int], rng: np.random.Generator, found: dict[int, Spread]) -> None:
    for tensor in wanted:
        values = loaded.tensor(tensor)()
        flat = values.reshape(-1, values.shape[-1])
        low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
        some = flat.reshape(-1)[rng.integers(0, flat.size, _SAMPLES)]
        del values, flat  # views into the interpreter, which may not move its tensors while they are held
        before = found.get(tensor)
        found[tensor] = Spread(
            low if before is None else np.minimum(before.low, low),
            high if before is None else np.maximum(before.high, high),
            some if before is None else np.concatenate([before.values, some]),
        )


def collect(
    data: bytes,
    images: Iterable[npt.NDArray[Any]],
    progress: Callable[[int], None] = lambda done: None,
    *,
    tensors: Iterable[int] = (),
    spreads: dict[int, Spread] | None = None,
) -> dict[int, Moments]:
    """The moments of every convolution, by its position in the graph, over all images (as the input takes them).

    Convolutions whose patches are larger than 1300 values are left out. ``spreads`` takes what
    ``observe`` would find of ``tensors``, in the same pass.
    """
    model = fb.read(data)
    rng, wanted_tensors = np.random.default_rng(0), list(tensors)
    wanted = [item for item in convolutions(model) if item.depthwise or item.rows.shape[1] <= _LARGEST]
    found: dict[int, Moments] = {}
    for loaded in runs(data, images, progress):
        if spreads is not None:
            _spread(loaded, wanted_tensors, rng, spreads)
        for item in wanted:
            patches = _patches(loaded.get_tensor(item.op.inputs[0])[0], item, rng)
            second, mean = _sums(patches, item.depthwise)
            before = found.get(item.index, Moments(np.zeros_like(second), np.zeros_like(mean), 0))
            found[item.index] = Moments(before.second + second, before.mean + mean, before.samples + len(patches))
    return {
        index: Moments(item.second / item.samples, item.mean / item.samples, item.samples)
        for index, item in found.items()
    }
