"""Small ONNX graphs for the tests of passes and lowerings, and two ways to run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

OPSET = 18


def node(op_type: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """A node; its name is its first output's. Inputs and outputs are separated by spaces, ``-`` is one left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(op_type, names, outputs.split(), name=outputs.split()[0], **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    *,
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    opset: int = OPSET,
) -> onnx.ModelProto:
    """A checked model of float32 inputs; constants keep their NumPy type (Python floats become float32)."""
    arrays = {name: np.asarray(value) for name, value in (constants or {}).items()}
    arrays = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in arrays.items()}
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    imports = [helper.make_opsetid("", opset)]
    proto = helper.make_model(
        graph, opset_imports=imports, ir_version=max(10, helper.find_min_ir_version_for(imports, ignore_unknown=True))
    )
    proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def ops(proto: onnx.ModelProto) -> list[str]:
    return [item.op_type for item in proto.graph.node]


def feeds(proto: onnx.ModelProto, seed: int = 0, spread: float = 1.0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        value.name: (rng.standard_normal([d.dim_value for d in value.type.tensor_type.shape.dim]) * spread).astype(
            np.float32
        )
        for value in proto.graph.input
    }


def run(proto: onnx.ModelProto, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run as written: ONNX Runtime without its own rewrites."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(proto.SerializeToString(), options).run(None, dict(inputs))


def apply(each: ir.passes.InPlacePass, proto: onnx.ModelProto) -> tuple[onnx.ModelProto, bool]:
    """The checked model after one pass, and whether the pass says that it changed it."""
    copy = ir.from_proto(proto)
    modified = each(copy).modified
    ir.passes.common.ShapeInferencePass()(copy)
    result = ir.to_proto(copy)
    onnx.checker.check_model(result, full_check=True)
    return result, modified


def assert_equal_outputs(
    before: onnx.ModelProto, after: onnx.ModelProto, *, rtol: float = 1e-5, atol: float = 1e-5
) -> None:
    assert [value.name for value in before.graph.output] == [value.name for value in after.graph.output]
    for seed in range(2):
        inputs = feeds(before, seed)
        for expected, found in zip(run(before, inputs), run(after, inputs), strict=True):
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def assert_untouched(each: ir.passes.InPlacePass, proto: onnx.ModelProto) -> None:
    """The pass leaves the graph alone, and says so."""
    after, modified = apply(each, proto)
    assert not modified
    assert ops(after) == ops(proto)
