"""An ONNX model of 16-bit floats, rounded where it says so.

On a CPU, ONNX Runtime computes such a model in float32, and leaves the rounding between two ops out. What overflows on
a GPU is not seen there. Op by op, every result is what the model declares.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from converters.diagnose.rerun import OnnxGraph
from converters.runtimes.raw import Array, Float, RawModel


def as_written(model: RawModel, path: Path) -> RawModel:
    """A model that rounds as it says: the same one, unless it is of ONNX and has 16-bit floats."""
    if path.suffix.lower() != ".onnx":
        return model
    import onnx

    from converters.onnx.standard import in_float32

    return _ByOps(model, path) if in_float32(onnx.load(path)) else model


class _ByOps:
    def __init__(self, model: RawModel, path: Path) -> None:
        self.inputs, self.outputs = model.inputs, model.outputs
        self.engine = f"{model.engine}, op by op"
        self._graph = OnnxGraph(path)

    def run(self, real: Array) -> list[Float]:
        (port,) = self.inputs
        values: dict[str, Array] = {port.name: port.stored(real)}
        with np.errstate(all="ignore"):
            for node in self._graph.nodes:
                values |= dict(zip(node.outputs, self._graph.run(node, values), strict=True))
        return [item.real(values[item.name]) for item in self.outputs]
