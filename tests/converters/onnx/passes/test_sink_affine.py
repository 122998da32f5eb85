from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.passes.sink_affine import SinkAffine
from tests.graphs import apply, assert_equal_outputs, assert_untouched, model, node, normal, ops


def image_reader(op="Mul", *, pads=(0, 0, 0, 0), outputs=("y",), extra=(), group=1):
    """scaled(x) read by a convolution at once, and by another through a Resize and a Concat."""
    return model(
        [
            node(op, "x number", "scaled"),
            node("Conv", "scaled w1 b", "a", pads=pads, strides=[2, 2], group=group),
            node("Resize", "scaled - half", "small", mode="linear"),
            node("Concat", "a small", "both", axis=1),
            node("Conv", "both w2", "y", pads=pads),
            *extra,
        ],
        inputs={"x": [1, 3, 8, 8]},
        outputs=outputs,
        constants={
            "number": np.float32(2.5),
            "half": np.array([1, 1, 0.5, 0.5], np.float32),
            "w1": normal(3, 3 // group, 2, 2),
            "b": normal(3),
            "w2": normal(4, 6, 1, 1) if pads == (0, 0, 0, 0) else normal(4, 6, 3, 3),
        },
    )


class TestSinkAffine:
    @pytest.mark.parametrize("op", ["Mul", "Div", "Add", "Sub"])
    def test_folds_into_every_convolution_that_reads_it(self, op):
        before = image_reader(op)
        after, modified = apply(SinkAffine(), before)
        assert modified
        assert op not in ops(after)
        assert_equal_outputs(before, after)

    def test_folds_a_scale_past_zero_padding(self):
        before = _padded("Mul")
        after, modified = apply(SinkAffine(), before)
        assert modified
        assert_equal_outputs(before, after)

    def test_leaves_a_shift_before_zero_padding(self):
        assert_untouched(SinkAffine(), _padded("Add"))

    def test_leaves_a_value_that_something_else_reads(self):
        assert_untouched(SinkAffine(), image_reader(outputs=("y", "z"), extra=[node("Relu", "small", "z")]))

    def test_leaves_grouped_convolutions(self):
        assert_untouched(SinkAffine(), image_reader(group=3))

    @pytest.mark.parametrize("kept", ["scaled", "small", "both"])
    def test_keeps_a_value_that_is_also_a_graph_output(self, kept):
        assert_untouched(SinkAffine(), image_reader(outputs=("y", kept)))


def _padded(op):
    return model(
        [node(op, "x number", "scaled"), node("Conv", "scaled w", "y", pads=[1, 1, 1, 1])],
        inputs={"x": [1, 3, 8, 8]},
        outputs=["y"],
        constants={"number": np.float32(0.25), "w": normal(4, 3, 3, 3)},
    )


def _scaled(nodes, *, op="Mul", number=2.5, size=(8, 8), outputs=("y",), **constants):
    """A scaled image and what reads it."""
    return model(
        [node(op, "x number", "scaled"), *nodes],
        inputs={"x": [1, 3, *size]},
        outputs=outputs,
        constants={"number": np.float32(number), "w3": normal(4, 3, 1, 1), "w6": normal(4, 6, 1, 1)}
        | {name: np.asarray(value) for name, value in constants.items()},
    )


class TestSinkAffineOnSharedValues:
    @pytest.mark.parametrize("op", ["Mul", "Add"])
    def test_folds_once_into_a_convolution_that_reads_the_value_twice(self, op):
        before = _scaled([node("Concat", "scaled scaled", "both", axis=1), node("Conv", "both w6", "y")], op=op)
        after, modified = apply(SinkAffine(), before)
        assert modified
        assert ops(after) == ["Concat", "Conv"]
        assert_equal_outputs(before, after)

    def test_folds_once_along_two_paths_to_one_convolution(self):
        before = _scaled(
            [
                node("AveragePool", "scaled", "pooled", kernel_shape=[1, 1]),
                node("Concat", "pooled scaled", "both", axis=1),
                node("Conv", "both w6", "y"),
            ]
        )
        after, modified = apply(SinkAffine(), before)
        assert modified
        assert_equal_outputs(before, after)

    def test_folds_into_convolutions_that_share_a_weight(self):
        """Only the convolution that reads the scaled value gets new weights."""
        before = _scaled([node("Conv", "scaled w3", "y"), node("Conv", "x w3", "z")], outputs=("y", "z"))
        after, modified = apply(SinkAffine(), before)
        assert modified
        assert_equal_outputs(before, after)

    @pytest.mark.parametrize("pool", [{"auto_pad": "SAME_UPPER"}, {"pads": [1, 1, 0, 0]}], ids=str)
    def test_leaves_a_shift_before_a_pool_that_counts_padding(self, pool):
        nodes = [
            node("AveragePool", "scaled", "p", kernel_shape=[2, 2], count_include_pad=1, **pool),
            node("Conv", "p w3", "y"),
        ]
        assert_untouched(SinkAffine(), _scaled(nodes, op="Add"))

    @pytest.mark.parametrize("count_include_pad", [0, 1])
    def test_folds_a_scale_past_a_padded_pool(self, count_include_pad):
        nodes = [
            node("AveragePool", "scaled", "p", kernel_shape=[2, 2], count_include_pad=count_include_pad, pads=[1] * 4),
            node("Conv", "p w3", "y"),
        ]
        before = _scaled(nodes)
        after, modified = apply(SinkAffine(), before)
        assert modified
        assert_equal_outputs(before, after)

    def test_folds_a_shift_past_a_pool_that_leaves_padding_out(self):
        nodes = [node("AveragePool", "scaled", "p", kernel_shape=[2, 2], pads=[1] * 4), node("Conv", "p w3", "y")]
        before = _scaled(nodes, op="Add")
        after, modified = apply(SinkAffine(), before)
        assert modified
        assert_equal_outputs(before, after)

    def test_leaves_a_resize_that_extrapolates(self):
        """Outside the map it gives its extrapolation value, which is not scaled."""
        resize = node(
            "Resize",
            "scaled roi scales",
            "r",
            mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize",
            extrapolation_value=7.0,
        )
        roi = np.array([0, 0, 0, 0, 1, 1, 1.5, 1], np.float32)
        before = _scaled([resize, node("Conv", "r w3", "y")], roi=roi, scales=np.array([1, 1, 2, 2], np.float32))
        assert_untouched(SinkAffine(), before)

    @pytest.mark.parametrize(("factor", "weight"), [(2, "w6"), (1.3, "w3")], ids=str)
    def test_leaves_a_resize_along_channels(self, factor, weight):
        """1.3 leaves three channels three, of which two are the same."""
        before = _scaled(
            [node("Resize", "scaled - scales", "r", mode="nearest"), node("Conv", f"r {weight}", "y")],
            scales=np.array([1, factor, 1, 1], np.float32),
        )
        assert_untouched(SinkAffine(), before)

    def test_leaves_a_value_whose_channels_are_joined_to_an_unknown_number(self):
        before = model(
            [node("Mul", "x number", "scaled"), node("Concat", "z scaled", "b", axis=1), node("Conv", "b w6", "y")],
            inputs={"x": [1, 3, 8, 8], "z": [1, "channels", 8, 8]},
            outputs=["y"],
            constants={"number": np.float32(2), "w6": normal(4, 6, 1, 1)},
        )
        assert_untouched(SinkAffine(), before)

    def test_leaves_a_constant_that_adds_an_axis(self):
        """A 3-D convolution reads x with the constant's five axes."""
        before = _scaled([node("Conv", "scaled w5", "y")], number=np.full([1] * 5, 2.0), w5=normal(2, 1, 1, 1, 1))
        assert_untouched(SinkAffine(), before)

    @pytest.mark.parametrize(
        ("op", "number"), [("Add", np.inf), ("Div", 0.0), ("Div", 1e-40), ("Mul", np.nan)], ids=str
    )
    def test_leaves_a_constant_whose_scale_or_shift_is_not_finite(self, op, number):
        assert_untouched(SinkAffine(), _scaled([node("Conv", "scaled w3", "y")], op=op, number=number))
