"""Broadcasting that the next op does by itself."""

from __future__ import annotations

import onnx_ir as ir

from converters.onnx.passes.rewrite import Builder, RewritePass, is_op, shape

_BROADCASTING = ("Add", "Sub", "Mul", "Div")


class RemoveExpand(RewritePass[ir.Node]):
    """An Expand before an op that broadcasts anyway copies for nothing.

    Given:  Expand(x, shape) -> Mul (Add, Sub, Div) with y, another value that has the expanded shape already
    Result: Mul(x, y)
    """

    types = None

    def match(self, node: ir.Node) -> ir.Node | None:
        if not is_op(node, "Expand") or node.outputs[0].is_graph_output() or not node.outputs[0].uses():
            return None
        expanded = shape(node.outputs[0])
        for user, index in node.outputs[0].uses():
            if not is_op(user, *_BROADCASTING) or not expanded:
                return None
            other = user.inputs[1 - index]
            if other is node.outputs[0] or shape(other) != expanded:
                return None
        return node

    def rewrite(self, match: ir.Node, build: Builder) -> None:
        x = match.inputs[0]
        assert x is not None
        build.replace([match], x)
