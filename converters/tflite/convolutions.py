"""The convolutions of a TFLite graph, and their weights in the layouts that rounding and ONNX use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.tflite import builder as fb


@dataclass(frozen=True)
class Convolution:
    """One CONV_2D or DEPTHWISE_CONV_2D with constant float weights."""

    index: int
    """Its place among the graph's ops."""
    op: Any
    depthwise: bool
    weight: npt.NDArray[np.float32]
    """O x h x w x I; 1 x h x w x C where it is depthwise."""
    bias: npt.NDArray[np.float32] | None

    @property
    def rows(self) -> npt.NDArray[np.float32]:
        """The weights with one row for each output channel: O x K, or C x K."""
        if self.depthwise:
            return np.ascontiguousarray(self.weight.reshape(-1, self.weight.shape[3]).T)
        return self.weight.reshape(self.weight.shape[0], -1)

    def shaped(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Such rows back in the layout of the weights."""
        return (rows.T if self.depthwise else rows).reshape(self.weight.shape)

    def oihw(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values in the layout of the weights, in ONNX's layout."""
        return np.ascontiguousarray(values.transpose(3, 0, 1, 2) if self.depthwise else values.transpose(0, 3, 1, 2))


def convolutions(model: Any) -> list[Convolution]:
    """The convolutions of a model's graph, in its order; of several that share weights only the first."""
    (graph,) = model.subgraphs
    found: dict[int, Convolution] = {}
    for index, op in enumerate(graph.operators):
        name = fb.op_name(model, op)
        if name not in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            continue
        weight = fb.constant(model, graph.tensors[op.inputs[1]])
        bias = fb.constant(model, graph.tensors[op.inputs[2]]) if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
        if weight is not None and weight.dtype == np.float32:
            depthwise = name == "DEPTHWISE_CONV_2D"
            found.setdefault(int(op.inputs[1]), Convolution(index, op, depthwise, weight, bias))
    return list(found.values())
