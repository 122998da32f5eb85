from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from converters.onnx.passes.instance_norm import FoldPartialInstanceNorm, WriteInstanceNorm
from tests.graphs import (
    apply,
    assert_equal_outputs,
    assert_untouched,
    batchnorm_constants,
    feeds,
    model,
    node,
    normal,
    ops,
    run,
)

IBN = {"x": [1, 3, 12, 20]}


def partial_norm(
    *, by="Split", outputs=("y",), affine=False, extra=(), instance_first=False, middle: str = "BatchNormalization"
):
    """Conv -> halves -> BatchNormalization | InstanceNormalization -> Concat, with 5 and 3 channels."""
    first, second = ("i", "b") if instance_first else ("b", "i")
    widths = {"b": 5, "i": 3}
    constants = {
        "w": normal(8, 3, 3, 3),
        "bias": normal(8),
        "ones": normal(3) if affine else np.ones(3, np.float32),
        "zeros": normal(3) if affine else np.zeros(3, np.float32),
        **batchnorm_constants(5),
    }
    cut = widths[first]
    if by == "Split":
        parts = [node("Split", "conv widths", f"{first} {second}", axis=1)]
        constants["widths"] = np.array([cut, 8 - cut])
    else:
        parts = [node("Slice", "conv zero cut axis", first), node("Slice", "conv cut end axis", second)]
        constants |= {
            "zero": np.array([0]),
            "cut": np.array([cut]),
            "end": np.array([2**63 - 1]),
            "axis": np.array([1]),
        }
    batch = (
        node("BatchNormalization", "b scale shift mean var", "bn")
        if middle == "BatchNormalization"
        else node(middle, "b", "bn")
    )
    norms = [batch, node("InstanceNormalization", "i ones zeros", "in", epsilon=1e-4)]
    order = "in bn" if instance_first else "bn in"
    return model(
        [
            node("Conv", "x w bias", "conv", pads=[1, 1, 1, 1]),
            *parts,
            *norms,
            node("Concat", order, "y", axis=1),
            *extra,
        ],
        inputs=IBN,
        outputs=outputs,
        constants=constants,
    )


@pytest.mark.parametrize("arithmetic", ["fp32", "fp16"])
class TestFoldPartialInstanceNorm:
    @pytest.mark.parametrize("by", ["Split", "Slice"])
    @pytest.mark.parametrize("affine", [False, True], ids=["plain", "affine"])
    @pytest.mark.parametrize("instance_first", [False, True], ids=["batch_first", "instance_first"])
    def test_folds_the_batch_norm_and_writes_the_instance_norm(self, arithmetic, by, affine, instance_first):
        before = partial_norm(by=by, affine=affine, instance_first=instance_first)
        after, modified = apply(FoldPartialInstanceNorm(arithmetic), before)
        assert modified
        assert not {"BatchNormalization", "InstanceNormalization", "Split"} & set(ops(after))
        assert_equal_outputs(before, after)

    def test_folds_into_a_transposed_convolution(self, arithmetic):
        before = partial_norm()
        before.graph.node[0].op_type = "ConvTranspose"
        weight = next(item for item in before.graph.initializer if item.name == "w")
        weight.CopyFrom(numpy_helper.from_array(normal(3, 8, 3, 3), "w"))
        after, modified = apply(FoldPartialInstanceNorm(arithmetic), before)
        assert modified
        assert ops(after)[0] == "ConvTranspose"
        assert_equal_outputs(before, after)

    def test_passes_the_batch_norm_channels_through_bit_for_bit(self, arithmetic):
        before = partial_norm()
        after, _ = apply(FoldPartialInstanceNorm(arithmetic), before)
        conv_only = model(
            [node("Conv", "x w b", "y", pads=[1, 1, 1, 1])],
            inputs=IBN,
            outputs=["y"],
            constants=_folded_weights(after),
        )
        inputs = feeds(before)
        np.testing.assert_array_equal(run(after, inputs)[0][:, :5], run(conv_only, inputs)[0][:, :5])

    def test_leaves_parts_that_are_not_normalised(self, arithmetic):
        assert_untouched(FoldPartialInstanceNorm(arithmetic), partial_norm(middle="Relu"))

    def test_leaves_a_convolution_with_another_reader(self, arithmetic):
        graph = partial_norm(outputs=("y", "z"), extra=[node("Relu", "conv", "z")])
        assert_untouched(FoldPartialInstanceNorm(arithmetic), graph)

    @pytest.mark.parametrize("kept", ["conv", "bn", "i"])
    def test_keeps_a_value_that_is_also_a_graph_output(self, arithmetic, kept):
        assert_untouched(FoldPartialInstanceNorm(arithmetic), partial_norm(outputs=("y", kept)))


def _folded_weights(proto):
    arrays = {item.name: numpy_helper.to_array(item) for item in proto.graph.initializer}
    conv = proto.graph.node[0]
    return {"w": arrays[conv.input[1]], "b": arrays[conv.input[2]]}


@pytest.mark.parametrize("arithmetic", ["fp32", "fp16"])
class TestWriteInstanceNorm:
    @staticmethod
    def graph(size=(12, 20), gain=None, outputs=("y",), computed_gain=False):
        gains = np.ones(4, np.float32) if gain is None else gain
        return model(
            [
                *([node("Relu", "g", "gain")] if computed_gain else []),
                node("InstanceNormalization", "x gain shift", "y", epsilon=1e-5),
                node("Relu", "y", "z"),
            ],
            inputs={"x": [2, 4, *size], **({"g": [4]} if computed_gain else {})},
            outputs=outputs,
            constants={"shift": normal(4), **({} if computed_gain else {"gain": gains})},
        )

    @pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (37, 64), (96, 160)], ids=str)
    def test_gives_the_same_values_at_any_size(self, arithmetic, size):
        before = self.graph(size, gain=normal(4))
        after, modified = apply(WriteInstanceNorm(arithmetic), before)
        assert modified
        assert "InstanceNormalization" not in ops(after)
        assert_equal_outputs(before, after, atol=5e-5)

    def test_leaves_a_norm_whose_gain_is_computed(self, arithmetic):
        assert_untouched(WriteInstanceNorm(arithmetic), self.graph(computed_gain=True, outputs=("z",)))

    def test_keeps_the_name_of_a_value_that_is_also_a_graph_output(self, arithmetic):
        before = self.graph(outputs=("y", "z"))
        after, modified = apply(WriteInstanceNorm(arithmetic), before)
        assert modified
        assert_equal_outputs(before, after)
