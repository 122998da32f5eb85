"""Somebody else's graph, op by op, given an image as its reading says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from converters.diagnose.rerun import Array, Graph, Node, TfliteGraph, Values, open_graph
from converters.runtimes import Image
from modnet_export.verifying.foreign.reading import ForeignModel


class ReadGraph(Graph):
    """A file's graph. What does not lead to the matte is left out: the reference computes the matte alone."""

    def __init__(self, path: Path, model: ForeignModel) -> None:
        super().__init__()
        self._graph, self._model = open_graph(path), model
        self.factors = self._graph.factors
        self.outputs = [self._graph.outputs[model.reading.output]]
        wanted = set(self.outputs)
        for node in reversed(self._graph.nodes):
            if wanted & set(node.outputs):
                wanted.update(node.inputs)
        self.nodes = [node for node in self._graph.nodes if wanted & set(node.outputs)]

    def feed(self, image_nhwc: Image) -> dict[str, Array]:
        (port,) = self._model.raw.inputs
        (name,) = self._graph.feed(image_nhwc)
        given: Array = self._model.given(image_nhwc)
        if port.colour == "BGR":
            given = given[:, ::-1]
        stored = port.stored(given)
        if isinstance(self._graph, TfliteGraph):
            # Of a quantized tensor, that graph has the real numbers; and it turns every tensor to NCHW.
            value = port.real(stored) if port.quantized else stored
            return {name: np.ascontiguousarray(value.transpose(0, 3, 1, 2) if value.ndim == 4 else value)}
        return {name: np.ascontiguousarray(stored)}

    def run(self, node: Node, values: Values) -> list[Array]:
        return self._graph.run(node, values)


def first_not_finite(graph: Graph, image_nhwc: Image) -> str:
    """The op that makes NaN or infinity of finite numbers; empty where none does."""
    values: dict[str, Any] = graph.feed(image_nhwc)
    for node in graph.nodes:
        with np.errstate(all="ignore"):
            found = graph.run(node, values)
        if any(value.dtype.kind == "f" and not np.isfinite(value).all() for value in found):
            return f"{node.op} {node.name}"
        values |= dict(zip(node.outputs, found, strict=True))
    return ""
