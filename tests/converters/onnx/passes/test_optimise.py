from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from converters.errors import ExportError
from converters.onnx.passes import optimise
from tests.graphs import assert_equal_outputs, encoder_decoder, feeds, in_branches, model, node, ops, run


@pytest.mark.parametrize("tune", ["cpu", "gpu", "ane"])
class TestOptimise:
    def test_keeps_what_a_network_that_is_not_modnet_computes(self, tune):
        before = encoder_decoder()
        after = ir.to_proto(optimise(ir.from_proto(before), tune))
        assert not {"BatchNormalization", "Expand", "Identity", "Gemm", "Reshape", "Flatten"} & set(ops(after))
        assert ops(after).count("Sigmoid") == 2, "the equal branches are one, the dead one is gone"
        assert_equal_outputs(before, after, atol=1e-5)

    def test_keeps_what_modnet_computes(self, tune, small_onnx):
        after = ir.to_proto(optimise(ir.from_proto(small_onnx), tune))
        assert not {"BatchNormalization", "Gemm", "Unsqueeze"} & set(ops(after))
        assert ({"InstanceNormalization", "Split"} <= set(ops(after))) == (tune == "ane")
        assert_equal_outputs(small_onnx, after, atol=3e-5)

    def test_leaves_its_argument_alone(self, tune, small_onnx):
        graph = ir.from_proto(small_onnx)
        optimise(graph, tune)
        assert ir.to_proto(graph).SerializeToString() == ir.to_proto(ir.from_proto(small_onnx)).SerializeToString()

    def test_rewrites_within_branches(self, tune):
        before = in_branches(encoder_decoder(), 2)
        after = ir.to_proto(optimise(ir.from_proto(before), tune))
        inside = {item.op_type for branch in after.graph.node[-1].attribute for item in branch.g.node}
        assert "Conv" in inside
        assert not {"BatchNormalization", "Identity"} & inside
        for flag in (True, False):
            inputs = {"x": feeds(encoder_decoder())["x"], "flag": np.array(flag)}
            np.testing.assert_allclose(run(after, inputs)[0], run(before, inputs)[0], atol=1e-5)

    def test_keeps_initializers_that_the_caller_may_replace(self, tune):
        before = encoder_decoder()
        before.graph.input.append(onnx.helper.make_tensor_value_info("two", onnx.TensorProto.FLOAT, []))
        after = ir.to_proto(optimise(ir.from_proto(before), tune))
        x = feeds(encoder_decoder())["x"]
        for inputs in ({"x": x}, {"x": x, "two": np.array(-3, np.float32)}):
            np.testing.assert_allclose(run(after, inputs)[0], run(before, inputs)[0], atol=1e-5)

    def test_takes_initializers_as_constants_where_all_are_inputs_by_rule(self, tune):
        """Before IR version 4."""
        plain = encoder_decoder()
        before = onnx.ModelProto.FromString(plain.SerializeToString())
        before.ir_version = 3
        for item in before.graph.initializer:
            before.graph.input.append(onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims))
        after = ir.to_proto(optimise(ir.from_proto(before), tune))
        assert [value.name for value in after.graph.input] == ["x"]
        assert "BatchNormalization" not in ops(after)
        assert_equal_outputs(plain, after, atol=1e-5)

    def test_refuses_an_older_opset(self, tune):
        before = model([node("Relu", "x", "y")], inputs={"x": [1, 2]}, outputs=["y"], opset=17)
        with pytest.raises(ExportError, match="the graph is of opset 17"):
            optimise(ir.from_proto(before), tune)
