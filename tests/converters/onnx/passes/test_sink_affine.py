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
