"""Every pass: it fuses, it does not where it must not, a value that is also an output is kept, results are equal."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converters.onnx.passes import optimise
from converters.onnx.passes.fold_batchnorm import FoldBatchNorm
from converters.onnx.passes.instance_norm import FoldPartialInstanceNorm, WriteInstanceNorm
from converters.onnx.passes.linear_to_conv import KeepMeanDims, LinearToConv, SinkFlatten
from converters.onnx.passes.remove_expand import RemoveExpand
from converters.onnx.passes.resize import ConvBeforeResize, ResizeToAveragePool
from converters.onnx.passes.sink_affine import SinkAffine
from converters.onnx.passes.statistics import CascadeMeans
from tests.graphs import apply, assert_equal_outputs, assert_untouched, model, node, ops

RNG = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def batchnorm_constants(channels: int, prefix: str = "") -> dict[str, np.ndarray]:
    return {
        f"{prefix}scale": RNG.uniform(0.5, 1.5, channels).astype(np.float32),
        f"{prefix}shift": normal(channels),
        f"{prefix}mean": normal(channels),
        f"{prefix}var": RNG.uniform(0.5, 1.5, channels).astype(np.float32),
    }


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

    def test_passes_the_batch_norm_channels_through_bit_for_bit(self, arithmetic):
        before = partial_norm()
        after, _ = apply(FoldPartialInstanceNorm(arithmetic), before)
        from tests.graphs import feeds, run

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
    from onnx import numpy_helper

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


def squeeze_excitation(*, linear="Gemm", squeeze="ReduceMean", unflatten="Reshape", outputs=("y",), expand=False):
    constants = {
        "w1": normal(6, 3) if linear == "MatMul" else normal(3, 6),
        "w2": normal(3, 6) if linear == "MatMul" else normal(6, 3),
        "b1": normal(3),
        "hw": np.array([2, 3]),
        "matrix": np.array([2, 6]),
        "map": np.array([2, 6, 1, 1]),
        "full": np.array([2, 6, 4, 5]),
    }
    kind = {} if linear == "MatMul" else {"transB": 1}
    pooled = {
        "ReduceMean": [node("ReduceMean", "x hw", "p", keepdims=0)],
        "GlobalAveragePool": [node("GlobalAveragePool", "x", "g"), node("Flatten", "g", "p")],
        "Reshape": [node("ReduceMean", "x hw", "g"), node("Reshape", "g matrix", "p")],
    }[squeeze]
    return model(
        [
            *pooled,
            node(linear, "p w1" if linear == "MatMul" else "p w1 b1", "l1", **kind),
            node("Relu", "l1", "r"),
            node(linear, "r w2", "l2", **kind),
            node("Sigmoid", "l2", "s"),
            node(unflatten, "s map" if unflatten == "Reshape" else "s hw", "u"),
            *([node("Expand", "u full", "e")] if expand else []),
            node("Mul", "x e" if expand else "x u", "y"),
        ],
        inputs={"x": [2, 6, 4, 5]},
        outputs=outputs,
        constants=constants,
    )


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


@pytest.mark.parametrize("tune", ["cpu", "gpu"])
class TestOptimise:
    def test_keeps_what_a_network_that_is_not_modnet_computes(self, tune):
        before = _encoder_decoder()
        after = ir.to_proto(optimise(ir.from_proto(before), tune))
        assert not {"BatchNormalization", "Expand", "Identity", "Gemm", "Reshape", "Flatten"} & set(ops(after))
        assert ops(after).count("Sigmoid") == 2, "the equal branches are one, the dead one is gone"
        assert_equal_outputs(before, after, atol=1e-5)

    def test_keeps_what_modnet_computes(self, tune, small_onnx):
        after = ir.to_proto(optimise(ir.from_proto(small_onnx), tune))
        assert not {"InstanceNormalization", "BatchNormalization", "Gemm", "Split", "Unsqueeze"} & set(ops(after))
        assert_equal_outputs(small_onnx, after, atol=3e-5)

    def test_leaves_its_argument_alone(self, tune, small_onnx):
        graph = ir.from_proto(small_onnx)
        optimise(graph, tune)
        assert ir.to_proto(graph).SerializeToString() == ir.to_proto(ir.from_proto(small_onnx)).SerializeToString()


def _encoder_decoder():
    """A network with everything the passes look for, unlike MODNet in structure."""
    return model(
        [
            node("Identity", "x", "x1"),
            node("Mul", "x1 two", "scaled"),
            node("Conv", "scaled w1", "c1", pads=[1, 1, 1, 1], strides=[2, 2]),
            node("BatchNormalization", "c1 scale shift mean var", "n1"),
            node("Relu", "n1", "r1"),
            node("InstanceNormalization", "r1 gain bias", "n2"),
            node("GlobalAveragePool", "n2", "g"),
            node("Flatten", "g", "f"),
            node("Gemm", "f w2", "l"),
            node("Sigmoid", "l", "s"),
            node("Reshape", "s map", "u"),
            node("Expand", "u full", "e"),
            node("Mul", "n2 e", "att"),
            node("Resize", "att - double", "up1", mode="linear"),
            node("Resize", "att - double", "up2", mode="linear"),
            node("Add", "up1 up2", "sum"),
            node("Conv", "sum w3", "out"),
            node("Sigmoid", "out", "y"),
            node("Sigmoid", "c1", "dead"),
        ],
        inputs={"x": [1, 3, 16, 12]},
        outputs=["y"],
        constants={
            "two": np.float32(2),
            "w1": normal(4, 3, 3, 3),
            **batchnorm_constants(4),
            "gain": normal(4),
            "bias": normal(4),
            "w2": normal(4, 4),
            "map": np.array([1, 4, 1, 1]),
            "full": np.array([1, 4, 8, 6]),
            "double": np.array([1, 1, 2, 2], np.float32),
            "w3": normal(2, 4, 1, 1),
        },
    )
