"""Every version of every op that has a lowering is right, or refused by name with its version."""

from __future__ import annotations

import functools

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.coreml.ops import COREML
from converters.errors import UnsupportedModelError
from converters.onnx.lowering import COMPARISONS, check
from converters.tflite.ops import TFLITE
from tests.converters.lowered import evaluate_coreml, run_in_litert
from tests.graphs import feeds, model, node, run

TARGETS = {"tflite": (TFLITE, run_in_litert), "coreml": (COREML, evaluate_coreml)}
LOWERED = {name: {key.op_type for key in registry.lowerings} for name, (registry, _) in TARGETS.items()}
OLDEST = {key.op_type: key.since for key in TFLITE.lowerings}
SHAPE = [1, 2, 4, 6]
RNG = np.random.default_rng(11)


def uniform(*shape):
    return RNG.uniform(0.5, 1.5, shape).astype(np.float32)


CONSTANTS = {
    "same": uniform(*SHAPE),
    "row": uniform(6),
    "square": uniform(6, 6),
    "kernel": uniform(3, 2, 2, 2),
    "two": uniform(2),
    "truth": RNG.random(SHAPE) < 0.5,
    "power": np.float32(2),
    "slope": uniform(2, 1, 1),
    "wide": uniform(2, 3, 2, 2),
    "mean": uniform(2),
    "low": np.float32(-0.5),
    "high": np.float32(0.5),
    "no_roi": np.zeros(0, np.float32),
    "scales": np.array([1, 1, 2, 2], np.float32),
    "axes": np.array([2, 3]),
    "channel": np.array([1]),
    "zero": np.array([0]),
    "one": np.array([1]),
    "end": np.array([2]),
    "around": np.array([0, 0, 1, 2, 0, 0, 0, 1]),
    "flat": np.array([2, 24]),
    "ones": np.array([1, 1]),
    "full": np.array([3, 2, 4, 6]),
}

# For each op its form (inputs and attributes) from a version on, the newest first.
POOL = {"kernel_shape": [2, 2], "strides": [2, 2]}
UNARY = (
    "Abs Elu Exp Floor GlobalAveragePool HardSigmoid HardSwish Identity LeakyRelu Log Neg Reciprocal Relu Sigmoid "
    "Softmax Sqrt Tanh"
)
FORMS = {
    **{op: [(1, "x", {})] for op in UNARY.split()},
    **{op: [(8, "x row", {}), (1, "x same", {})] for op in ("Max", "Min")},
    **{op: [(7, "x row", {}), (1, "x same", {})] for op in COMPARISONS},
    "Where": [(9, "truth x same", {})],
    "ConvTranspose": [(1, "x wide", {"strides": [2, 2]})],
    "Pow": [(7, "x power", {}), (1, "x same", {})],
    "PRelu": [(1, "x slope", {})],
    "ReduceSum": [(13, "x axes", {}), (1, "x", {"axes": [2, 3]})],
    **{
        f"Reduce{kind}": [(18, "x axes", {}), (1, "x", {"axes": [2, 3]})]
        for kind in ("L1", "L2", "Min", "Prod", "SumSquare")
    },
    **{op: [(7, "x row", {}), (1, "x same", {})] for op in ("Add", "Sub", "Mul", "Div")},
    "AveragePool": [(1, "x", POOL)],
    "BatchNormalization": [
        (9, "x two mean two mean", {}),
        (7, "x two mean two mean", {"spatial": 1}),
        (6, "x two mean two mean", {"is_test": 1}),
        (1, "x two mean two mean", {"is_test": 1, "consumed_inputs": [0]}),
    ],
    "Clip": [(11, "x low high", {}), (1, "x", {"min": -0.5, "max": 0.5})],
    "Concat": [(1, "x same", {"axis": 1})],
    "Conv": [(1, "x kernel", {"kernel_shape": [2, 2], "strides": [1, 2]})],
    "Expand": [(8, "x full", {})],
    "Flatten": [(1, "x", {"axis": 2})],
    "Gemm": [(7, "x2 square row", {"alpha": 0.5}), (1, "x2 square row", {"broadcast": 1})],
    "InstanceNormalization": [(1, "x two mean", {"epsilon": 1e-3})],
    "MatMul": [(1, "x square", {})],
    "MaxPool": [(1, "x", POOL)],
    "Pad": [(11, "x around low", {}), (2, "x", {"pads": [0, 0, 1, 2, 0, 0, 0, 1]}), (1, "x", {"paddings": [0] * 8})],
    "ReduceMax": [(18, "x axes", {}), (1, "x", {"axes": [2, 3]})],
    "ReduceMean": [(18, "x axes", {}), (1, "x", {"axes": [2, 3]})],
    "Reshape": [(5, "x flat", {}), (1, "x", {"shape": [2, 24]})],
    "Resize": [
        (11, "x no_roi scales", {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}),
        (10, "x scales", {"mode": "nearest"}),
    ],
    "Slice": [(10, "x one end channel", {}), (1, "x", {"starts": [1], "ends": [2], "axes": [1]})],
    "Split": [(13, "x ones", {"axis": 1}), (1, "x", {"axis": 1, "split": [1, 1]})],
    "Squeeze": [(13, "x zero", {}), (1, "x", {"axes": [0]})],
    "Sum": [(1, "x same x", {})],
    "Transpose": [(1, "x", {"perm": [0, 2, 3, 1]})],
    "Unsqueeze": [(13, "x zero", {}), (1, "x", {"axes": [0]})],
}


@functools.cache
def versions(op):
    return {s.since_version for s in onnx.defs.get_all_schemas_with_history() if (s.name, s.domain) == (op, "")}


def example(op, version):
    inputs, attributes = next(form[1:] for form in FORMS[op] if version >= form[0])
    outputs = " ".join(f"{op}_{index}" for index in range(2 if op == "Split" else 1))
    return node(op, inputs, outputs, **attributes)


def graph(ops, version):
    """A checked model with one node of each op, all in the form that they got in ``version``."""
    nodes = [example(op, version) for op in ops]
    taken = [node("Where", f"{op}_0 x same", f"{op}_taken") for op in ops if op in COMPARISONS]
    outputs = [name for item in nodes for name in item.output if item.op_type not in COMPARISONS]
    nodes += taken
    outputs += [item.output[0] for item in taken]
    read = {name for item in nodes for name in item.input}
    shapes = {"x": SHAPE, "x2": [4, 6]}
    return model(
        nodes,
        inputs={name: shape for name, shape in shapes.items() if name in read},
        outputs=outputs,
        constants={name: value for name, value in CONSTANTS.items() if name in read},
        opset=version,
    )


def undeclared(ops, version):
    """The same for ops so old that ONNX cannot infer their shapes: outputs of a made-up shape."""
    nodes = [example(op, version) for op in ops]
    read = {name for item in nodes for name in item.input}
    proto = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("x", "x2") if name in read],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for item in nodes for name in item.output],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in CONSTANTS.items() if name in read],
        ),
        opset_imports=[helper.make_opsetid("", version)],
        ir_version=10,
    )
    onnx.checker.check_model(proto)
    return proto


def changed(version):
    """The ops that got a new form in ``version``."""
    return sorted(op for op in FORMS if version in versions(op))


VERSIONS = sorted(set().union(*map(versions, FORMS)))
RIGHT = [version for version in VERSIONS if any(OLDEST[op] <= version for op in changed(version))]
REFUSED = [version for version in VERSIONS if any(OLDEST[op] > version for op in changed(version))]


def test_every_op_with_a_lowering_has_an_example():
    assert set(FORMS) == set(OLDEST)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("version", RIGHT)
def test_covered_version_is_right(version, target):
    ops = [op for op in changed(version) if OLDEST[op] <= version and op in LOWERED[target]]
    if not ops:
        pytest.skip(f"{target} has no lowering of what changed in opset {version}")
    proto = graph(ops, version)
    inputs = feeds(proto)
    found = TARGETS[target][1](proto, inputs)
    for output, one, other in zip(proto.graph.output, found, run(proto, inputs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5, err_msg=output.name)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("version", REFUSED)
def test_older_version_is_refused_by_name(version, target):
    ops = [op for op in changed(version) if OLDEST[op] > version and op in LOWERED[target]]
    if not ops:
        pytest.skip(f"{target} has no lowering of what changed in opset {version}")
    with pytest.raises(UnsupportedModelError) as refused:
        check(TARGETS[target][0], ir.from_proto(undeclared(ops, version)))
    reasons = {item.op_type: item.reason for item in refused.value.nodes}
    assert reasons == {op: f"has the form of opset {version}; supported: opset {OLDEST[op]} and newer" for op in ops}


@pytest.mark.parametrize("target", TARGETS)
def test_op_of_another_domain_is_refused_by_name(target):
    """A custom op that has the name of one of ONNX's."""
    proto = model([node("Relu", "x", "y")], inputs={"x": [1, 2]}, outputs=["y"])
    proto.graph.node[0].domain = "com.example"
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(
        UnsupportedModelError, match=r"Relu node y: .* no lowering for this op of the domain com\.example"
    ):
        check(TARGETS[target][0], ir.from_proto(proto))


@pytest.mark.parametrize("target", TARGETS)
def test_control_flow_is_refused_by_name(target):
    branches = {
        f"{name}_branch": helper.make_graph(
            [node("Relu", "x", name)], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])]
        )
        for name in ("then", "else")
    }
    proto = model(
        [node("If", "flag", "y", **branches)], inputs={"x": [2]}, outputs=["y"], constants={"flag": np.array(True)}
    )
    with pytest.raises(UnsupportedModelError, match=r"If node y: .* no lowering for this op"):
        check(TARGETS[target][0], ir.from_proto(proto))
