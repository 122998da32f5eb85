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
    outputs: Sequence[str] | Mapping[str, Sequence[int]],
    constants: Mapping[str, Any] | None = None,
    opset: int = OPSET,
) -> onnx.ModelProto:
    """A checked model of float32 inputs; constants keep their NumPy type (Python floats become float32).

    Outputs are names, with their shapes where ONNX cannot infer them.
    """
    arrays = {name: np.asarray(value) for name, value in (constants or {}).items()}
    arrays = {name: a.astype(np.float32) if a.dtype == np.float64 else a for name, a in arrays.items()}
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (outputs.items() if isinstance(outputs, Mapping) else dict.fromkeys(outputs).items())
        ],
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


def matte_of(proto: onnx.ModelProto, image_nhwc: np.ndarray) -> np.ndarray:
    """What a model of the artefact contract makes of a 1 x H x W x 3 image: 1 x H x W x 1."""
    (matte_nchw,) = run(proto, {"image": image_nhwc.transpose(0, 3, 1, 2)})
    return matte_nchw.transpose(0, 2, 3, 1)


def apply(each: ir.passes.InPlacePass, proto: onnx.ModelProto) -> tuple[onnx.ModelProto, bool]:
    """The checked model after one pass, and whether the pass says that it changed it: our own say so truthfully."""
    copy = ir.from_proto(proto)
    before = ir.to_proto(copy).SerializeToString(deterministic=True)
    modified = each(copy).modified
    if type(each).__module__.startswith("converters."):
        assert modified == (ir.to_proto(copy).SerializeToString(deterministic=True) != before)
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


def encoder_decoder():
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


def in_branches(proto: onnx.ModelProto, cut: int) -> onnx.ModelProto:
    """The same model with its nodes from ``cut`` on in both branches of an If, which also read values from outside."""
    inner, outer = proto.graph.node[cut:], proto.graph.node[:cut]
    made = [name for item in inner for name in item.output]
    given = [value for value in proto.graph.output if value.name in made]
    if not given:
        return proto
    branches = {}
    for kind in ("then", "else"):
        renamed = {name: f"{kind}_{name}" for name in made}
        nodes = []
        for item in inner:
            copy = onnx.NodeProto.FromString(item.SerializeToString())
            copy.input[:] = [renamed.get(name, name) for name in item.input]
            copy.output[:] = [renamed[name] for name in item.output]
            copy.name = renamed[item.output[0]]
            nodes.append(copy)
        ports = [helper.make_tensor_value_info(renamed[value.name], TensorProto.FLOAT, None) for value in given]
        branches[f"{kind}_branch"] = helper.make_graph(nodes, kind, [], ports)
    choice = helper.make_node("If", ["flag"], [value.name for value in given], name="choice", **branches)
    result = onnx.ModelProto.FromString(proto.SerializeToString())
    del result.graph.node[:]
    result.graph.node.extend([*outer, choice])
    result.graph.input.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, []))
    result = onnx.shape_inference.infer_shapes(result, strict_mode=True, data_prop=True)
    onnx.checker.check_model(result, full_check=True)
    return result
