"""Do the ranges that an int8 model was calibrated with cover other images?

A value beyond its tensor's range is clipped to the last of the 256 steps. Where a float is quantized, that is seen
exactly. The result of an int8 convolution only tells that it is at an end of its range, where some values belong: what
counts is how much more of it there is than on the images that the range was taken from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb
from converters.tflite.int8.graph import SAME_SCALE
from converters.tflite.int8.ranges import runs


@dataclass(frozen=True)
class Clipped:
    """One int8 tensor: the share of its values at an end of its range, over all images and in the worst one."""

    tensor: str
    op: str
    low: float
    high: float
    """The range, in the tensor's own units."""
    share: float
    worst_share: float
    worst_image: int


def coverage(
    data: bytes, images: Sequence[npt.NDArray[Any]], progress: Callable[[int], None] = lambda done: None
) -> list[Clipped]:
    """Every int8 activation of a model, the most clipped first; ``images`` as it takes them. Empty: none."""
    model = fb.read(data)
    (graph,) = model.subgraphs
    activation: Any = fb.schema.ActivationFunctionType
    watched: dict[int, Any] = {}
    for op in graph.operators:
        tensor = graph.tensors[op.outputs[0]]
        # Operators that do not rescale clip nothing.
        if tensor.type == fb.TensorType.INT8 and fb.operator_name(fb.builtin(model, op)) not in SAME_SCALE:
            watched[int(op.outputs[0])] = op
    shares: dict[int, list[float]] = {index: [] for index in watched}
    if not watched:
        return []

    def limits(index: int) -> tuple[float, float]:
        scale = graph.tensors[index].quantization
        low, high = ((end - int(scale.zeroPoint[0])) * float(scale.scale[0]) for end in (-128, 127))
        return low, high

    for loaded in runs(data, images, progress):
        for index, op in watched.items():
            source = graph.tensors[op.inputs[0]]
            if fb.operator_name(fb.builtin(model, op)) == "QUANTIZE" and source.type == fb.TensorType.FLOAT32:
                values, (low, high) = loaded.get_tensor(op.inputs[0]), limits(index)
                half = (high - low) / 510
                shares[index].append(float(((values < low - half) | (values > high + half)).mean()))
                continue
            kind = getattr(op.builtinOptions, "fusedActivationFunction", activation.NONE)
            # Zero is where a ReLU clips by itself, six where a ReLU6 does.
            ends = [-128] * (int(graph.tensors[index].quantization.zeroPoint[0]) > -128)
            ends += [127] * (kind != activation.RELU6)
            shares[index].append(float(np.isin(loaded.get_tensor(index), ends).mean()) if ends else 0.0)
    found = []
    for index, maker in watched.items():
        (low, high), op = limits(index), fb.operator_name(fb.builtin(model, maker))
        worst = int(np.argmax(shares[index]))
        name = graph.tensors[index].name.decode(errors="replace").removesuffix("/int8")
        found.append(Clipped(name, op, low, high, float(np.mean(shares[index])), shares[index][worst], worst))
    return sorted(found, key=lambda item: -item.worst_share)
