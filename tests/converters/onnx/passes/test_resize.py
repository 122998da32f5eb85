from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
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
    @pytest.mark.parametrize("taps", ["slices", "convolutions"])
    def test_multiplies_at_the_small_size(self, kernel, pads, taps):
        before = enlarged_conv(kernel=kernel, pads=pads)
        after, modified = apply(ConvBeforeResize(taps), before)
        assert modified
        assert taps == "slices" or ops(after) == ["Conv", "Resize", "Conv", "Conv", "Relu"]
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


class TestResizesWithOtherScales:
    """What a Resize samples follows its scales; sizes and axes say it in other ways."""

    def test_shrink_by_computed_scales_is_left(self):
        before = model(
            [
                node("Mul", "s two", "scales"),
                node("Resize", "x - scales", "y", mode="linear"),
            ],
            inputs={"x": [1, 3, 4, 4], "s": [4]},
            outputs=["y"],
            constants={"two": np.float32(2)},
        )
        value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3, 2, 2])
        before.graph.output[0].CopyFrom(value)
        graph = ir.from_proto(before)
        assert not ResizeToAveragePool()(graph).modified

    @pytest.mark.parametrize("axes", [[2, 3], [3, 2], [-1, -2]], ids=str)
    @pytest.mark.parametrize("by", ["scales", "sizes"])
    def test_enlargement_of_listed_axes_is_right(self, axes, by):
        factors, after = {2: 2, 3: 3}, {2: 10, 3: 12}
        before = model(
            [
                node("Resize", "x - scales" if by == "scales" else "x - - sizes", "up", mode="linear", axes=axes),
                node("Conv", "up w", "y"),
            ],
            inputs={"x": [1, 8, 5, 4]},
            outputs=["y"],
            constants={
                by: np.array([factors[axis % 4] for axis in axes], np.float32)
                if by == "scales"
                else np.array([after[axis % 4] for axis in axes]),
                "w": normal(2, 8, 1, 1),
            },
        )
        result, modified = apply(ConvBeforeResize(), before)
        assert modified
        assert_equal_outputs(before, result)

    @pytest.mark.parametrize("scale", [1.3, 2.5])
    def test_enlargement_by_a_fraction_keeps_its_scale(self, scale):
        """5 pixels times 1.3 make 6, sampled in steps of 1 / 1.3 and not of 5 / 6."""
        before = model(
            [node("Resize", "x - scales", "up", mode="linear"), node("Conv", "up w", "y")],
            inputs={"x": [1, 8, 5, 4]},
            outputs=["y"],
            constants={"scales": np.array([1, 1, scale, scale], np.float32), "w": normal(2, 8, 1, 1)},
        )
        after, modified = apply(ConvBeforeResize(), before)
        assert modified
        assert_equal_outputs(before, after)

    def test_enlargement_to_sizes_keeps_its_sizes(self):
        """10 / 3 in float32, times 3, need not give 10 again."""
        before = model(
            [node("Resize", "x - - sizes", "up", mode="linear"), node("Conv", "up w", "y")],
            inputs={"x": [1, 8, 3, 7]},
            outputs=["y"],
            constants={"sizes": np.array([1, 8, 10, 38]), "w": normal(2, 8, 1, 1)},
        )
        after, modified = apply(ConvBeforeResize(), before)
        assert modified
        assert_equal_outputs(before, after)
