from __future__ import annotations

import onnx
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

    @pytest.mark.parametrize("bias", [True, False], ids=["bias", "no_bias"])
    @pytest.mark.parametrize(("group", "rank"), [(1, 4), (2, 4), (4, 4), (2, 3), (1, 5)], ids=str)
    def test_folds_into_a_transposed_convolution(self, bias, group, rank):
        """Its weights are I x O/group x kernel: the output channels of a group stand beside each other."""
        before = model(
            [
                node("ConvTranspose", "x w b" if bias else "x w", "conv", group=group, strides=[2] * (rank - 2)),
                node("BatchNormalization", "conv scale shift mean var", "y", epsilon=1e-3),
            ],
            inputs={"x": [2, 4, *[3, 4, 2][: rank - 2]]},
            outputs=["y"],
            constants={
                "w": normal(4, 6 // group if group < 4 else 2, *[2, 3, 2][: rank - 2]),
                **({"b": normal(6 if group < 4 else 8)} if bias else {}),
                **batchnorm_constants(6 if group < 4 else 8),
            },
        )
        after, modified = apply(FoldBatchNorm(), before)
        assert modified
        assert ops(after) == ["ConvTranspose"]
        assert_equal_outputs(before, after)

    def test_folds_into_each_of_two_convolutions_that_share_their_weight(self):
        before = model(
            [
                node("Conv", "x w b", "c1"),
                node("Conv", "x w b", "c2", strides=[2, 2]),
                node("BatchNormalization", "c1 scale shift mean var", "y"),
                node("BatchNormalization", "c2 mean scale shift var", "z"),
            ],
            inputs={"x": [1, 2, 8, 6]},
            outputs=["y", "z"],
            constants={"w": normal(4, 2, 3, 3), "b": normal(4), **batchnorm_constants(4)},
        )
        after, modified = apply(FoldBatchNorm(), before)
        assert modified
        assert ops(after) == ["Conv", "Conv"]
        assert_equal_outputs(before, after)

    def test_leaves_a_weight_that_the_caller_may_replace(self):
        """An initializer that is also an input is a default, not a constant."""
        before = self.graph()
        before.graph.input.append(onnx.helper.make_tensor_value_info("w", onnx.TensorProto.FLOAT, [4, 2, 3, 3]))
        assert_untouched(FoldBatchNorm(), before)
