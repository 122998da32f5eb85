"""Small graphs for the tests of diagnoses, and ways to spoil them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx

from tests.graphs import model, node

IMAGE = np.random.default_rng(3).random((1, 16, 24, 3), np.float32)
INPUT = {"x": [1, 3, 16, 24]}


def normal(*shape):
    """Weights that keep the size of what they are applied to; the same for the same shape."""
    drawn = np.random.default_rng([0, *shape]).standard_normal(shape)
    return (drawn / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


@dataclass
class Net:
    """A graph to be built, and its constants to be spoiled."""

    nodes: list
    constants: dict = field(default_factory=dict)

    def save(self, path, **changes):
        proto = model(self.nodes, inputs=INPUT, outputs=["y"], constants={**self.constants, **changes})
        onnx.save(proto, path)
        return path


CHAIN = Net(
    [
        node("Conv", "x w1 b1", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "r"),
        node("Conv", "r w2 b2", "b", pads=[1, 1, 1, 1]),
        node("Sub", "b shift", "s"),
        node("Conv", "s w3 b3", "c"),
        node("Sigmoid", "c", "y"),
    ],
    {
        "w1": normal(8, 3, 3, 3), "b1": normal(8), "w2": normal(8, 8, 3, 3), "b2": normal(8), "shift": np.float32(0.1),
        "w3": normal(1, 8, 1, 1), "b3": normal(1),
    },
)  # fmt: skip


def at(array, index, value):
    changed = array.copy()
    changed[index] = value
    return changed


def rounded(weights, steps):
    scale = np.abs(weights).max() / steps
    return np.rint(weights / scale).astype(np.float32) * np.float32(scale)
