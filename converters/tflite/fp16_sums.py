"""What convolutions lose on a GPU that adds up in fp16: some of their sums, term by term, without a GPU.

MEAN and the other reductions, and pools, have float32 sums in LiteRT's GPU accelerator whatever the precision
(google-ai-edge/ml-drift, ml_drift/common/kernels/reduce.cc, GetAccumType). CONV_2D and DEPTHWISE_CONV_2D add in the
precision that they compute in, one kernel position after the other and its channels in order (kernels/conv_generic.cc,
depthwise_conv.cc); it is float32 only where an app asks for FP16_WITH_FP32_ACCUM.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb
from converters.tflite.convolutions import Convolution
from converters.tflite.moments import patches

# Neighbouring positions and channels say nearly the same.
_POSITIONS, _CHANNELS = 24, 48


@dataclass
class _Squares:
    terms: int
    error: float = 0.0
    exact: float = 0.0
    largest: float = 0.0


@dataclass(frozen=True)
class SumError:
    """How exact the sums of one convolution are in fp16."""

    op: str
    tensor: str
    """The name of its output."""
    terms: int
    """How many products each sum has."""
    relative: float
    """The root mean square of the sums' errors over that of the sums; infinite where a sum leaves fp16."""
    largest: float
    """The largest magnitude of a partial sum."""


@dataclass
class Sums:
    """Collects the sums of all convolutions of a graph, image by image."""

    model: Any
    _found: dict[int, _Squares] = field(default_factory=dict)

    def add(self, loaded: Any) -> None:
        """Take some of the sums of an interpreter's last run, whose tensors can all be read."""
        graph, rng = self.model.subgraphs[0], np.random.default_rng(0)
        for index, op in enumerate(graph.operators):
            name = fb.op_name(self.model, op)
            if name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                continue
            source, weight = (
                fb.real_values(graph.tensors[item], loaded.get_tensor(item)) for item in map(int, op.inputs[:2])
            )
            convolution = Convolution(index, op, name == "DEPTHWISE_CONV_2D", weight, None)
            if source.shape[3] not in (weight.shape[3], weight.shape[3] * weight.shape[0]):
                continue  # groups
            seen = self._found.setdefault(index, _Squares(int(convolution.rows.shape[1])))
            exact, found, largest = _sums(patches(source[0], convolution, rng, _POSITIONS), convolution, rng)
            seen.error += float(np.square(found - exact).sum())
            seen.exact += float(np.square(exact).sum())
            seen.largest = max(seen.largest, largest)

    def errors(self) -> list[SumError]:
        """In the order of the graph."""
        graph = self.model.subgraphs[0]
        made = []
        for index, item in self._found.items():
            op = graph.operators[index]
            relative = np.sqrt(item.error / item.exact) if item.exact else 0.0
            relative = float(relative) if np.isfinite(relative) else float("inf")
            tensor = graph.tensors[op.outputs[0]].name.decode()
            made.append(SumError(fb.op_name(self.model, op), tensor, item.terms, relative, item.largest))
        return made


def _sums(
    windows: npt.NDArray[np.float64], convolution: Convolution, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Some sums exactly and in fp16, and the largest partial one.

    ``windows``: P x h x w x C. What is multiplied is rounded to fp16 first; a product is added before it is rounded,
    as a fused multiply-add does.
    """
    rows = convolution.rows.astype(np.float16).astype(np.float32)
    chosen = rng.permutation(len(rows))[:_CHANNELS]
    rows = rows[chosen]
    flat = windows.astype(np.float16).astype(np.float32).reshape(len(windows), -1, windows.shape[-1])
    # T x P x O: term by term.
    values = flat[..., chosen].transpose(1, 0, 2) if convolution.depthwise else flat.reshape(len(flat), -1).T[..., None]
    total, largest = np.zeros((len(flat), len(rows)), np.float16), np.zeros((len(flat), len(rows)), np.float16)
    exact = np.zeros(total.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        for value, weight in zip(values, rows.T, strict=True):
            product = value * weight
            exact += product
            total = (total + product).astype(np.float16)
            np.maximum(largest, np.abs(total), out=largest)
    return exact, total.astype(np.float64), float(np.nan_to_num(largest, nan=np.inf, posinf=np.inf).max())
