from __future__ import annotations

import pytest

from converters.onnx.passes.linear_to_conv import KeepMeanDims, LinearToConv, SinkFlatten
from tests.graphs import apply, assert_equal_outputs, assert_untouched, model, node, normal, ops, squeeze_excitation


def _sink_all(proto):
    """The three passes in turn until nothing changes, as the pipeline runs them."""
    changed, ever = True, False
    while changed:
        changed = False
        for each in (KeepMeanDims(), LinearToConv(), SinkFlatten()):
            proto, modified = apply(each, proto)
            changed |= modified
        ever |= changed
    return proto, ever


class TestLinearToConv:
    @pytest.mark.parametrize("linear", ["Gemm", "MatMul"])
    @pytest.mark.parametrize("squeeze", ["ReduceMean", "GlobalAveragePool", "Reshape"])
    @pytest.mark.parametrize("unflatten", ["Reshape", "Unsqueeze"])
    def test_turns_squeeze_and_excitation_into_convolutions(self, linear, squeeze, unflatten):
        before = squeeze_excitation(linear=linear, squeeze=squeeze, unflatten=unflatten)
        after, modified = _sink_all(before)
        assert modified
        assert ops(after)[1:] == ["Conv", "Relu", "Conv", "Sigmoid", "Mul"]
        assert_equal_outputs(before, after)

    def test_turns_a_classifier_into_a_convolution_and_one_reshape(self):
        before = model(
            [
                node("GlobalAveragePool", "x", "g"),
                node("Flatten", "g", "f"),
                node("Gemm", "f w b", "y", alpha=0.5, beta=2.0),
            ],
            inputs={"x": [1, 6, 4, 5]},
            outputs=["y"],
            constants={"w": normal(6, 10), "b": normal(10)},
        )
        after, modified = apply(LinearToConv(), before)
        assert modified
        assert ops(after) == ["GlobalAveragePool", "Conv", "Reshape"]
        assert_equal_outputs(before, after)

    def test_leaves_a_matrix_that_is_not_a_flattened_map(self):
        before = model(
            [node("Flatten", "x", "f"), node("MatMul", "f w", "y")],
            inputs={"x": [1, 6, 2, 1]},
            outputs=["y"],
            constants={"w": normal(12, 3)},
        )
        assert_untouched(LinearToConv(), before)

    @pytest.mark.parametrize("kept", ["p", "l1", "s"])
    def test_keeps_a_matrix_that_is_also_a_graph_output(self, kept):
        before = squeeze_excitation(outputs=("y", kept))
        after, _ = _sink_all(before)
        assert_equal_outputs(before, after)

    def test_keeps_an_unflattened_value_that_is_also_a_graph_output(self):
        before = squeeze_excitation(outputs=("y", "u"))
        after, _ = _sink_all(before)
        assert_equal_outputs(before, after)

    @pytest.mark.parametrize("shape", [(3, 1), (3, 3)], ids=str)
    def test_leaves_a_bias_that_differs_from_row_to_row(self, shape):
        """With three rows and three columns, a column of numbers looks like one number per output."""
        before = model(
            [node("GlobalAveragePool", "x", "g"), node("Flatten", "g", "f"), node("Gemm", "f w b", "y")],
            inputs={"x": [3, 6, 4, 5]},
            outputs=["y"],
            constants={"w": normal(6, 3), "b": normal(*shape)},
        )
        assert_untouched(LinearToConv(), before)

    @pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (1, 1)], ids=str)
    def test_takes_every_other_form_of_bias(self, shape):
        before = model(
            [node("GlobalAveragePool", "x", "g"), node("Flatten", "g", "f"), node("Gemm", "f w b", "y")],
            inputs={"x": [3, 6, 4, 5]},
            outputs=["y"],
            constants={"w": normal(6, 3), "b": normal(*shape)},
        )
        after, modified = apply(LinearToConv(), before)
        assert modified
        assert_equal_outputs(before, after)
