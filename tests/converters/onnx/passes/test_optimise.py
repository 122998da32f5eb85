from __future__ import annotations

import onnx_ir as ir
import pytest

from converters.onnx.passes import optimise
from tests.graphs import assert_equal_outputs, encoder_decoder, ops


@pytest.mark.parametrize("tune", ["cpu", "gpu"])
class TestOptimise:
    def test_keeps_what_a_network_that_is_not_modnet_computes(self, tune):
        before = encoder_decoder()
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
