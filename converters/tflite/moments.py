"""First and second moments of what convolutions read on a representative dataset: what rounding their weights needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.onnx.semantics import same_upper
from converters.progress import Progress, silent
from converters.tflite import builder as fb
from converters.tflite.convolutions import Convolution, convolutions
from converters.tflite.interpreter import runs

Array = npt.NDArray[np.float64]
# Patches that are looked at in the map of one image: neighbours say nearly the same.
_POSITIONS = 512
# A larger covariance costs more time than its layer is worth.
_LARGEST = 1300


@dataclass(frozen=True)
class Moments:
    """Moments of the patches x that a convolution multiplies with its weights, flattened as the weights are."""

    second: Array
    """The mean of x x^T: K x K. Depthwise: C x K x K, as every channel has patches of its own."""
    mean: Array
    """The mean of x: K, or C x K."""
    samples: int
    """How many patches these are means of."""


class Accumulator:
    """The moments of all convolutions of a model, image by image.

    Convolutions whose patches have more than 1300 values are left out.
    """

    def __init__(self, data: bytes) -> None:
        found = convolutions(fb.read(data))
        self._convolutions = [item for item in found if item.depthwise or item.rows.shape[1] <= _LARGEST]
        self._sums: dict[int, Moments] = {}

    def add(self, loaded: Any, rng: np.random.Generator) -> None:
        """Take what the convolutions read in an interpreter's last run."""
        for item in self._convolutions:
            seen = patches(loaded.get_tensor(item.op.inputs[0])[0], item, rng)
            second, mean = _sums(seen, item.depthwise)
            before = self._sums.get(item.index, Moments(np.zeros_like(second), np.zeros_like(mean), 0))
            self._sums[item.index] = Moments(before.second + second, before.mean + mean, before.samples + len(seen))

    def moments(self) -> dict[int, Moments]:
        """By the convolution's place among the graph's ops."""
        return {
            index: Moments(item.second / item.samples, item.mean / item.samples, item.samples)
            for index, item in self._sums.items()
        }


def collect(data: bytes, images: Sequence[npt.NDArray[Any]], progress: Progress = silent) -> dict[int, Moments]:
    """The moments over all images (as the model takes them), by the convolution's place among the graph's ops."""
    rng, found = np.random.default_rng(0), Accumulator(data)
    for loaded in runs(data, images, "calibrating", progress):
        found.add(loaded, rng)
    return found.moments()


def patches(
    image: npt.NDArray[np.float32], convolution: Convolution, rng: np.random.Generator, most: int = _POSITIONS
) -> Array:
    """Some of the patches that a convolution sees in an H x W x C map, ``most`` at most: N x h x w x C."""
    options = convolution.op.builtinOptions
    rows, columns = convolution.weight.shape[1:3]
    step = (int(options.strideH), int(options.strideW))
    if options.padding == fb.schema.Padding.SAME:
        pads = [same_upper(*each, 1) for each in zip(image.shape[:2], (rows, columns), step, strict=True)]
        image = np.pad(image, [*pads, (0, 0)])
    counts = [
        (size - window) // stride + 1
        for size, window, stride in zip(image.shape[:2], (rows, columns), step, strict=True)
    ]
    chosen = rng.permutation(counts[0] * counts[1])[:most]
    top, left = (chosen // counts[1]) * step[0], (chosen % counts[1]) * step[1]
    y = top[:, None, None] + np.arange(rows)[None, :, None]
    x = left[:, None, None] + np.arange(columns)[None, None, :]
    return np.asarray(image[y, x], np.float64)


def _sums(patches: Array, depthwise: bool) -> tuple[Array, Array]:
    """The sums of x x^T and of x over patches N x h x w x C."""
    if depthwise:  # C x N x K: every channel by itself
        channels = patches.reshape(len(patches), -1, patches.shape[-1]).transpose(2, 0, 1)
        return np.asarray(channels.transpose(0, 2, 1) @ channels), np.asarray(channels.sum(axis=1))
    rows = patches.reshape(len(patches), -1).astype(np.float32)
    return np.asarray(rows.T @ rows, np.float64), np.asarray(rows.sum(axis=0), np.float64)
