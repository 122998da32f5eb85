"""Do the ranges that an int8 model was calibrated with cover other images?

A value beyond its tensor's range is clipped to the first or the last of the 256 steps. Where a float is quantized, that
is seen exactly. The result of an int8 convolution only shows that it is at an end of its range, and some values belong
there. What counts for it is how many more such values there are than on the images that the range was taken from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.progress import Progress, silent
from converters.tflite import builder as fb
from converters.tflite.int8.graph import SAME_SCALE
from converters.tflite.interpreter import runs


@dataclass(frozen=True)
class Clipped:
    """One int8 tensor, and how many of its values are at an end of its range."""

    tensor: str
    op: str
    low: float
    high: float
    """The range, in the tensor's own units."""
    share: float
    """The share of its values at an end of the range, over all images; 0 to 1."""
    worst_share: float
    """The share in the image where it is largest."""
    worst_image: int


def coverage(data: bytes, images: Sequence[npt.NDArray[Any]], progress: Progress = silent) -> list[Clipped]:
    """Every int8 activation of a model, the most clipped one first; empty where it has none.

    ``images``: each as the model's input takes it.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    watched: dict[int, Any] = {}
    for op in graph.operators:
        tensor = graph.tensors[op.outputs[0]]
        # Operators that do not rescale clip nothing.
        if tensor.type == fb.TensorType.INT8 and fb.op_name(model, op) not in SAME_SCALE:
            watched[int(op.outputs[0])] = op
    if not watched:
        return []
    shares: dict[int, list[float]] = {index: [] for index in watched}
    for loaded in runs(data, images, "looking at int8 ranges", progress):
        for index, op in watched.items():
            source, target = graph.tensors[op.inputs[0]], graph.tensors[index]
            if fb.op_name(model, op) == "QUANTIZE" and source.type == fb.TensorType.FLOAT32:
                shares[index].append(_beyond(loaded.get_tensor(op.inputs[0]), target))
            else:
                shares[index].append(_at_the_ends(loaded.get_tensor(index), target, op))
    found = []
    for index, op in watched.items():
        worst = int(np.argmax(shares[index]))
        name = graph.tensors[index].name.decode(errors="replace").removesuffix("/int8")
        low, high = _range(graph.tensors[index])
        share, worst_share = float(np.mean(shares[index])), shares[index][worst]
        found.append(Clipped(name, fb.op_name(model, op), low, high, share, worst_share, worst))
    return sorted(found, key=lambda item: -item.worst_share)


def _range(tensor: Any) -> tuple[float, float]:
    """The least and the greatest value that an int8 tensor can hold."""
    scale, zero_point = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    return (-128 - zero_point) * scale, (127 - zero_point) * scale


def _beyond(values: npt.NDArray[np.float32], tensor: Any) -> float:
    """The share of float values that quantizing to an int8 tensor clips."""
    low, high = _range(tensor)
    half = (high - low) / 510
    return float(((values < low - half) | (values > high + half)).mean())


def _at_the_ends(values: npt.NDArray[np.int8], tensor: Any, op: Any) -> float:
    """The share of an op's int8 results at those ends of their range where its activation does not clip by itself."""
    activation: Any = fb.schema.ActivationFunctionType
    kind = getattr(op.builtinOptions, "fusedActivationFunction", activation.NONE)
    # Zero is where a ReLU clips, and six where a ReLU6 does.
    ends = [-128] * (int(tensor.quantization.zeroPoint[0]) > -128)
    ends += [127] * (kind != activation.RELU6)
    return float(np.isin(values, ends).mean()) if ends else 0.0
