from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.passes.remove_expand import RemoveExpand
from tests.graphs import apply, assert_equal_outputs, assert_untouched, model, node, normal, ops, squeeze_excitation


class TestRemoveExpand:
    def test_drops_a_broadcast_that_the_next_op_does_itself(self):
        before = squeeze_excitation(expand=True)
        after, modified = apply(RemoveExpand(), before)
        assert modified
        assert "Expand" not in ops(after)
        assert_equal_outputs(before, after)

    def test_leaves_an_expand_that_gives_the_result_its_shape(self):
        before = model(
            [node("Expand", "x shape", "e"), node("Mul", "e c", "y")],
            inputs={"x": [1, 1, 1, 3]},
            outputs=["y"],
            constants={"shape": np.array([1, 2, 2, 3]), "c": normal(1, 1, 1, 1)},
        )
        assert_untouched(RemoveExpand(), before)

    def test_keeps_an_expand_that_is_also_a_graph_output(self):
        assert_untouched(RemoveExpand(), squeeze_excitation(expand=True, outputs=("y", "e")))

    @pytest.mark.parametrize("op", ["Mul", "Add", "Sub"])
    def test_leaves_an_expand_that_one_node_reads_twice(self, op):
        """The op broadcasts by itself only against a value that has the expanded shape without this Expand."""
        before = model(
            [node("Expand", "x shape", "e"), node(op, "e e", "y")],
            inputs={"x": [1, 3, 1, 1]},
            outputs=["y"],
            constants={"shape": np.array([1, 3, 4, 4])},
        )
        assert_untouched(RemoveExpand(), before)

    def test_keeps_one_of_two_expands_that_one_node_reads(self):
        before = model(
            [node("Expand", "a shape", "e"), node("Expand", "b shape", "f"), node("Mul", "e f", "y")],
            inputs={"a": [1, 3, 1, 1], "b": [1, 1, 1, 4]},
            outputs=["y"],
            constants={"shape": np.array([1, 3, 4, 4])},
        )
        after, modified = apply(RemoveExpand(), before)
        assert modified
        assert ops(after) == ["Expand", "Mul"]
        assert_equal_outputs(before, after)
