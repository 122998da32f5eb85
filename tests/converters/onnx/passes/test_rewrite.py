"""What every pass owes to any graph: other types, domains, opsets and subgraphs."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_ir.passes.common import RemoveUnusedNodesPass

from converters.onnx.passes import passes
from converters.onnx.passes.fold_batchnorm import FoldBatchNorm
from converters.onnx.passes.instance_norm import WriteInstanceNorm
from converters.onnx.passes.rewrite import RewritePass
from converters.onnx.passes.sink_affine import SinkAffine
from tests.graphs import apply, assert_untouched, batchnorm_constants, encoder_decoder, model, node, normal, ops, run

OURS = {
    type(each).__name__: each for tuning in ("cpu", "gpu") for each in passes(tuning) if isinstance(each, RewritePass)
}


def of_type(proto, dtype):
    """The same model with another floating-point type."""
    proto = onnx.ModelProto.FromString(proto.SerializeToString())
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    del proto.graph.value_info[:]
    for item in proto.graph.initializer:
        array = numpy_helper.to_array(item)
        if array.dtype == np.float32 and item.name != "double":  # the scales of a Resize stay float32
            item.CopyFrom(numpy_helper.from_array(array.astype(dtype), item.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = kind
    return onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_element_types_keep_their_type(name, dtype):
    before = of_type(apply(RemoveUnusedNodesPass(), encoder_decoder())[0], dtype)
    after, _ = apply(OURS[name], before)
    x = np.random.default_rng(0).standard_normal((1, 3, 16, 12)).astype(dtype)
    (expected,), (found,) = (ReferenceEvaluator(proto).run(None, {"x": x}) for proto in (before, after))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-2 if dtype == np.float16 else 1e-9)


@pytest.mark.parametrize("name", OURS)
def test_ops_of_another_domain_that_have_onnx_names_are_left(name):
    proto = encoder_decoder()
    for item in proto.graph.node:
        item.domain = "com.example"
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    graph = ir.from_proto(proto)
    before = ir.to_proto(graph).SerializeToString()
    assert not OURS[name](graph).modified
    assert ir.to_proto(graph).SerializeToString() == before


@pytest.mark.parametrize("name", OURS)
def test_opset_older_than_what_passes_write_is_a_failed_precondition(name):
    proto = model([node("Relu", "x", "y")], inputs={"x": [1, 2]}, outputs=["y"], opset=17)
    with pytest.raises(ir.passes.PreconditionError, match="opset 17; expected: 18 or newer"):
        OURS[name](ir.from_proto(proto))


@pytest.mark.parametrize("name", OURS)
def test_file_format_in_which_initializers_are_inputs_is_a_failed_precondition(name):
    proto = model([node("Relu", "x", "y")], inputs={"x": [1, 2]}, outputs=["y"])
    proto.ir_version = 3
    with pytest.raises(ir.passes.PreconditionError, match="IR version 3; expected: 4 or newer"):
        OURS[name](ir.from_proto(proto))


def loop(inside, *, outside=(), **constants):
    """y is what becomes of ``r`` in two rounds of a loop whose body takes ``v`` and gives ``w``."""
    size = [1, 2, 6, 6]
    body = helper.make_graph(
        [*inside, helper.make_node("Identity", ["go"], ["going"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, size),
        ],
        [
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, size),
        ],
    )
    return model(
        [node("Relu", "x", "r"), *outside, node("Loop", "rounds true r", "y", body=body)],
        inputs={"x": size},
        outputs={"y": size},
        constants={"rounds": np.array(2), "true": np.array(True), **constants},
    )


def body(proto):
    (attribute,) = next(item.attribute for item in proto.graph.node if item.op_type == "Loop")
    return [item.op_type for item in attribute.g.node]


def assert_same(before, after, shape=(1, 2, 6, 6)):
    inputs = {"x": normal(*shape)}
    np.testing.assert_allclose(run(after, inputs)[0], run(before, inputs)[0], rtol=1e-5, atol=1e-5)


def test_pattern_within_a_loop_is_rewritten():
    before = loop(
        [
            node("Conv", "v weight", "c", pads=[1, 1, 1, 1]),
            node("BatchNormalization", "c scale shift mean var", "w"),
        ],
        weight=normal(2, 2, 3, 3),
        **batchnorm_constants(2),
    )
    after, modified = apply(FoldBatchNorm(), before)
    assert modified
    assert body(after) == ["Conv", "Identity"]
    assert_same(before, after)


def test_new_names_of_nodes_without_names_differ_inside_and_outside():
    def norm(inputs, output):
        unnamed = node("InstanceNormalization", f"{inputs} mean shift", output, epsilon=1e-2)
        unnamed.name = ""
        return unnamed

    before = loop([norm("v", "n"), norm("n", "w")], outside=[norm("r", "m"), norm("m", "o")], **batchnorm_constants(2))
    after, modified = apply(WriteInstanceNorm("fp32"), before)
    assert modified
    assert "InstanceNormalization" not in [*ops(after), *body(after)]
    assert_same(before, after)


def test_pattern_that_crosses_the_border_of_a_loop_is_left():
    """The convolution runs once, outside; the normalisation in each round."""
    before = loop(
        [node("BatchNormalization", "c scale shift mean var", "n"), node("Add", "v n", "w")],
        outside=[node("Conv", "x weight", "c")],
        weight=normal(2, 2, 1, 1),
        **batchnorm_constants(2),
    )
    assert_untouched(FoldBatchNorm(), before)


def test_scale_outside_goes_into_a_convolution_inside():
    before = loop(
        [node("Conv", "scaled weight", "c"), node("Add", "v c", "w")],
        outside=[node("Mul", "x number", "scaled")],
        number=np.float32(3),
        weight=normal(2, 2, 1, 1),
    )
    after, modified = apply(SinkAffine(), before)
    assert modified
    assert ops(after) == ["Relu", "Loop"]
    assert_same(before, after)


def test_new_constants_do_not_take_the_name_of_an_old_one():
    before = model(
        [node("Conv", "x w", "c"), node("BatchNormalization", "c scale shift mean var", "y")],
        inputs={"x": [1, 2, 4, 4]},
        outputs=["y"],
        constants={"w": normal(2, 2, 1, 1), **batchnorm_constants(2), "y/constant_6": normal(2)},
    )
    after, modified = apply(FoldBatchNorm(), before)
    assert modified
    assert_same(before, after, (1, 2, 4, 4))
