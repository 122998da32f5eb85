"""The ranges of a graph's tensors on a representative dataset, and the int8 scales that are taken from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from converters.progress import Progress, silent
from converters.tflite import moments
from converters.tflite.int8.graph import Group
from converters.tflite.interpreter import runs

_SAMPLES = 4096
"""How many of a tensor's values are kept from each image."""

Setting = Literal["min-max", "percentile", "mse"]


@dataclass(frozen=True)
class Parameters:
    """How int8 stores a tensor: value = scale * (q - zero_point), q from -128 to 127."""

    scale: float
    zero_point: int

    @classmethod
    def of(cls, low: float, high: float) -> Parameters:
        """Those with the finest steps that hold the range from ``low`` to ``high``, and 0.

        The zero point is never 0: MediaTek's compiler takes such an int8 tensor for a symmetric one, which is another
        type there (LiteRT, vendors/mediatek/compiler/legalizations/neuron_utils.cc).
        """
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / 255, 1e-12)
        zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
        if zero_point == 0:  # one beside it, and steps that still reach both ends
            return cls(max(high / 128, -low / 127), -1)
        return cls(scale, zero_point)

    def rounded(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The values that int8 makes of these."""
        q = np.clip(np.rint(values / self.scale) + self.zero_point, -128, 127)
        return np.asarray((q - self.zero_point) * self.scale, np.float32)


@dataclass(frozen=True)
class Spread:
    """A tensor's values on a representative dataset: the extremes of every channel, and some of the values."""

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    values: npt.NDArray[np.float32]

    def range(self) -> tuple[float, float]:
        """The least and the greatest value of all channels."""
        return float(self.low.min()), float(self.high.max())


class _Spreads:
    """The spreads of some tensors, image by image."""

    def __init__(self, tensors: Iterable[int]) -> None:
        self._tensors = list(tensors)
        self.found: dict[int, Spread] = {}

    def add(self, loaded: Any, rng: np.random.Generator) -> None:
        """Take the tensors' values of an interpreter's last run."""
        for tensor in self._tensors:
            values = loaded.tensor(tensor)()
            flat = values.reshape(-1, values.shape[-1])
            low, high = flat.min(axis=0).astype(np.float64), flat.max(axis=0).astype(np.float64)
            some = flat.reshape(-1)[rng.integers(0, flat.size, _SAMPLES)]
            del values, flat  # views into the interpreter, which may not move its tensors while they are held
            before = self.found.get(tensor)
            self.found[tensor] = Spread(
                low if before is None else np.minimum(before.low, low),
                high if before is None else np.maximum(before.high, high),
                some if before is None else np.concatenate([before.values, some]),
            )


def observe(
    data: bytes, tensors: Iterable[int], images: Sequence[npt.NDArray[Any]], progress: Progress = silent
) -> dict[int, Spread]:
    """The spreads of a float model's tensors over all images (as the model takes them)."""
    rng, spreads = np.random.default_rng(0), _Spreads(tensors)
    for loaded in runs(data, images, "looking at ranges", progress):
        spreads.add(loaded, rng)
    return spreads.found


def calibrate(
    data: bytes, tensors: Iterable[int], images: Sequence[npt.NDArray[Any]], progress: Progress = silent
) -> tuple[dict[int, Spread], dict[int, moments.Moments]]:
    """``observe`` and ``moments.collect`` in one pass over the images."""
    rng, spreads, sums = np.random.default_rng(0), _Spreads(tensors), moments.Accumulator(data)
    for loaded in runs(data, images, "calibrating", progress):
        spreads.add(loaded, rng)
        sums.add(loaded, rng)
    return spreads.found, sums.moments()


def parameters(
    groups: Iterable[Group], spreads: Mapping[int, Spread], setting: Setting = "min-max"
) -> dict[int, Parameters]:
    """The scale of every tensor of these groups. ``setting`` says how a range is taken from the values that were seen:

    ``min-max``     all of it
    ``percentile``  all but 1 in 10000 values at either end
    ``mse``         the share of it that rounds the values with the least mean square error, the error of clipping
                    included (as OCTAV does for symmetric ranges, Sakr et al., ICML 2022)
    """
    result: dict[int, Parameters] = {}
    for group in groups:
        ranges = [spreads[tensor].range() for tensor in group.tensors]
        low, high = min(item[0] for item in ranges), max(item[1] for item in ranges)
        values = np.concatenate([spreads[tensor].values for tensor in group.tensors])
        if setting == "percentile":
            low, high = (float(np.quantile(values, share)) for share in (1e-4, 1 - 1e-4))
        found = Parameters.of(low, high)
        if setting == "mse":
            tried = [Parameters.of(low * share, high * share) for share in (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)]
            found = min(tried, key=lambda item: float(np.square(item.rounded(values) - values).mean()))
        result |= dict.fromkeys(group.tensors, found)
    return result
