"""Identities that only give a value another name."""

from __future__ import annotations

import onnx_ir as ir

from converters.onnx.passes.rewrite import Builder, RewritePass, is_op


class RemoveIdentity(RewritePass[ir.Node]):
    """An Identity goes; its readers read what it read.

    Given:  Identity(x) -> y
    Result: x, which is named y where y is an output

    It stays where y is an output that x cannot become: x is an input, a constant or another output, or y is the output
    of a branch or loop body around which x is computed. (onnx_ir's own pass renames one output to another and gives
    branches outputs from outside, which ONNX Runtime refuses.)
    """

    types = None

    def match(self, node: ir.Node) -> ir.Node | None:
        x = node.inputs[0] if is_op(node, "Identity") else None
        if x is None:
            return None
        if node.outputs[0].is_graph_output():
            maker = x.producer()
            if x.is_graph_output() or maker is None or maker.graph is not node.graph:
                return None
        return node

    def rewrite(self, match: ir.Node, build: Builder) -> None:
        x = match.inputs[0]
        assert x is not None
        build.replace([match], x)
