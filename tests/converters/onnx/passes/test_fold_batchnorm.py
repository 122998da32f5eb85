from __future__ import annotations

import pytest

from converters.onnx.passes.fold_batchnorm import FoldBatchNorm
from tests.graphs import apply, assert_equal_outputs, assert_untouched, batchnorm_constants, model, node, normal, ops


class TestFoldBatchNorm:
    @staticmethod
    def graph(*, outputs=("y",), bias=True, group=1, extra=()):
        weight = normal(4, 2 // group, 3, 3)
        return model(
            [
                node("Conv", "x w b" if bias else "x w", "conv", group=group, pads=[1, 1, 1, 1], strides=[2, 2]),
                node("BatchNormalization", "conv scale shift mean var", "y", epsilon=1e-3),
                *extra,
            ],
            inputs={"x": [1, 2, 8, 6]},
            outputs=outputs,
            constants={"w": weight, **({"b": normal(4)} if bias else {}), **batchnorm_constants(4)},
        )

    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no_bias"])
    @pytest.mark.parametrize("group", [1, 2], ids=["dense", "depthwise"])
    def test_folds_into_the_convolution(self, bias, group):
        before = self.graph(bias=bias, group=group)
        after, modified = apply(FoldBatchNorm(), before)
        assert modified
        assert ops(after) == ["Conv"]
        assert_equal_outputs(before, after)

    def test_leaves_a_convolution_with_another_reader(self):
        assert_untouched(FoldBatchNorm(), self.graph(outputs=("y", "z"), extra=[node("Relu", "conv", "z")]))

    def test_keeps_a_convolution_that_is_also_a_graph_output(self):
        assert_untouched(FoldBatchNorm(), self.graph(outputs=("y", "conv")))
