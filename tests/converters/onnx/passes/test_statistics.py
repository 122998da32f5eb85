from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.passes.statistics import CascadeMeans
from tests.graphs import apply, assert_equal_outputs, assert_untouched, model, node, ops


def mean_graph(op="ReduceMean", axes=(2, 3), keepdims=1, size=(37, 64), outputs=("z",)):
    first = (
        node("GlobalAveragePool", "x", "y")
        if op == "GlobalAveragePool"
        else node("ReduceMean", "x axes", "y", keepdims=keepdims)
    )
    return model(
        [first, node("Relu", "y", "z")],
        inputs={"x": [1, 3, *size]},
        outputs=outputs,
        constants={"axes": np.array(axes)},
    )


class TestCascadeMeans:
    @pytest.mark.parametrize("op", ["ReduceMean", "GlobalAveragePool"])
    @pytest.mark.parametrize("size", [(2, 2), (7, 11), (37, 64), (128, 128)], ids=str)
    def test_averages_in_steps_of_at_most_sixteen(self, op, size):
        before = mean_graph(op, size=size)
        after, modified = apply(CascadeMeans(), before)
        assert modified
        assert set(ops(after)) <= {"Conv", "Mul", "Relu"}
        kernels = [a.ints for n in after.graph.node for a in n.attribute if a.name == "kernel_shape"]
        assert all(h * w <= 16 for h, w in kernels)
        assert_equal_outputs(before, after)

    @pytest.mark.parametrize("change", [{"axes": (1,)}, {"axes": (3,)}, {"keepdims": 0}, {"size": (1, 1)}], ids=str)
    def test_leaves_any_other_mean(self, change):
        assert_untouched(CascadeMeans(), mean_graph(**change))

    def test_keeps_the_name_of_a_value_that_is_also_a_graph_output(self):
        before = mean_graph(outputs=("y", "z"))
        after, _ = apply(CascadeMeans(), before)
        assert_equal_outputs(before, after)
