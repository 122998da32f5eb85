from __future__ import annotations

import numpy as np

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
