"""A float model in int16, as an export makes it."""

from __future__ import annotations

from converters.tflite import builder as fb
from converters.tflite.int8.equalise import equalise, evened_by
from converters.tflite.int8.graph import Graph
from converters.tflite.int8.ranges import observe
from converters.tflite.int16.form import for_int16
from converters.tflite.int16.write import int16x8
from converters.tflite.rounding import Rounding


def evened(data, images):
    """The float model whose channels are evened, in operators that have int16 kernels."""
    return for_int16(equalise(data, observe(data, evened_by(Graph(fb.read(data))), images)))


def in_int16(data, images, **settings):
    """A float model as it is, in int16. Weights are rounded to the nearest."""
    spreads = observe(data, Graph(fb.read(data)).activations, images)
    return int16x8(data, Rounding({}), spreads, **settings)


def tensors(data):
    """The tensors that ops of a flatbuffer read and make, and whether each is constant."""
    model = fb.read(data)
    (graph,) = model.subgraphs
    used = {int(item) for op in graph.operators for item in (*op.inputs, *op.outputs) if item >= 0}
    return [(graph.tensors[item], fb.constant(model, graph.tensors[item])) for item in sorted(used)]
