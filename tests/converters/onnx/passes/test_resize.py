from __future__ import annotations

import numpy as np
import pytest

from converters.onnx.passes.resize import ConvBeforeResize, ResizeToAveragePool
from tests.graphs import apply, assert_equal_outputs, assert_untouched, model, node, normal, ops


def resize(scale=0.5, size=(16, 24), outputs=("z",), **attributes):
    attributes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"} | attributes
    return model(
        [node("Resize", "x - scales", "y", **attributes), node("Relu", "y", "z")],
        inputs={"x": [1, 3, *size]},
        outputs=outputs,
        constants={"scales": np.array([1, 1, scale, scale], np.float32)},
    )


class TestResizeToAveragePool:
    @pytest.mark.parametrize(("scale", "op"), [(0.5, "AveragePool"), (0.25, "Conv"), (0.125, "Conv")], ids=str)
    def test_averages_the_middle_pixels(self, scale, op):
        before = resize(scale)
        after, modified = apply(ResizeToAveragePool(), before)
        assert modified
        assert ops(after) == [op, "Relu"]
        assert_equal_outputs(before, after, atol=1e-6)

    @pytest.mark.parametrize(
        "attributes",
        [
            {"mode": "nearest"},
            {"mode": "cubic"},
            {"coordinate_transformation_mode": "align_corners"},
            {"coordinate_transformation_mode": "asymmetric"},
            {"antialias": 1},
            {"scale": 2.0},
            {"scale": 1 / 3, "size": (12, 24)},
            {"size": (15, 24)},
        ],
        ids=str,
    )
    def test_leaves_any_other_resize(self, attributes):
        assert_untouched(ResizeToAveragePool(), resize(**attributes))

    def test_keeps_the_name_of_a_value_that_is_also_a_graph_output(self):
        before = resize(outputs=("y", "z"))
        after, modified = apply(ResizeToAveragePool(), before)
        assert modified
        assert_equal_outputs(before, after)


def enlarged_conv(
    *, inputs=600, outputs_=2, kernel=(3, 5), pads=(1, 2, 1, 2), outputs=("z",), extra=(), mode="linear", **attributes
):
    return model(
        [
            node("Resize", "x - scales", "up", mode=mode, coordinate_transformation_mode="half_pixel"),
            node("Conv", "up w b", "y", pads=pads, **attributes),
            node("Relu", "y", "z"),
            *extra,
        ],
        inputs={"x": [1, inputs, 5, 4]},
        outputs=outputs,
        constants={
            "scales": np.array([1, 1, 2, 2], np.float32),
            "w": normal(outputs_, inputs // attributes.get("group", 1), *kernel) / np.float32(inputs**0.5),
            "b": normal(outputs_),
        },
    )


class TestConvBeforeResize:
    @pytest.mark.parametrize(
        ("kernel", "pads"),
        [((3, 5), (1, 2, 1, 2)), ((3, 3), (0, 0, 0, 0)), ((3, 3), (2, 0, 1, 3)), ((1, 1), (0, 0, 0, 0))],
        ids=str,
    )
    def test_multiplies_at_the_small_size(self, kernel, pads):
        before = enlarged_conv(kernel=kernel, pads=pads)
        after, modified = apply(ConvBeforeResize(), before)
        assert modified
        assert ops(after)[:2] == ["Conv", "Resize"]
        assert_equal_outputs(before, after, atol=1e-5)

    @pytest.mark.parametrize(
        "changes",
        [
            {"inputs": 16},
            {"strides": [2, 2]},
            {"dilations": [2, 2]},
            {"group": 2},
            {"mode": "nearest"},
        ],
        ids=str,
    )
    def test_leaves_a_convolution_where_it_does_not_pay_or_is_not_exact(self, changes):
        assert_untouched(ConvBeforeResize(), enlarged_conv(**changes))

    def test_leaves_an_enlarged_map_with_another_reader(self):
        graph = enlarged_conv(outputs=("z", "other"), extra=[node("Relu", "up", "other")])
        assert_untouched(ConvBeforeResize(), graph)

    def test_keeps_an_enlarged_map_that_is_also_a_graph_output(self):
        assert_untouched(ConvBeforeResize(), enlarged_conv(outputs=("z", "up")))
