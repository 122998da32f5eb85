"""The ONNX backend's own node tests, for every op that has a lowering: right, or refused by name; never wrong."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from converters.coreml.ops import COREML
from converters.errors import UnsupportedModelError
from converters.onnx.lowering import COMPARISONS
from converters.tflite.ops import TFLITE
from tests.conftest import DATA
from tests.converters.lowered import evaluate_coreml, run_in_litert, to_tflite
from tests.converters.tflite.networks import versions

OPS = {key.op_type for key in TFLITE.lowerings}
TARGETS = {"tflite": (TFLITE, run_in_litert), "coreml": (COREML, evaluate_coreml)}
# The tests that give the right answer on each target. Every other one must be refused: element types and
# forms that are not supported (integers, cubic resizes, one-dimensional convolutions, ...).
RIGHT = {name: set((DATA / f"onnx_backend_right_{name}.txt").read_text().split()) for name in TARGETS}


def _cases():
    for case in load_model_tests(kind="node"):
        model = case.model if case.model is not None else onnx.load(f"{case.model_dir}/model.onnx")
        types = {node.op_type for node in model.graph.node}
        if len(model.graph.node) == 1 and types <= OPS:
            yield case, model


CASES = list(_cases())


def _in_tenths():
    """The first test of each op and a tenth of the rest run always, the others in ``make test-slow``."""
    known: set[str] = set()
    for index, (case, model) in enumerate(CASES):
        op = model.graph.node[0].op_type
        often = op not in known or index % 10 == 0
        known.add(op)
        yield pytest.param(index, id=case.name, marks=() if often else pytest.mark.slow)


def _data_set(case):
    """Inputs and expected outputs; None where one is a sequence or an optional."""
    if case.data_sets:
        inputs, outputs = case.data_sets[0]
        return [list(inputs), list(outputs)]
    from pathlib import Path

    folder = Path(case.model_dir) / "test_data_set_0"
    return [
        [
            numpy_helper.to_array(onnx.load_tensor(str(folder / f"{kind}_{index}.pb")))
            for index in range(len(list(folder.glob(f"{kind}_*.pb"))))
        ]
        for kind in ("input", "output")
    ]


def _with_constant_parameters(model, arrays):
    """Inputs that lowerings take as constants (axes, weights, ...) as initializers, the data as inputs."""
    node = model.graph.node[0]
    whole = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Concat", "MatMul", "Gemm", *COMPARISONS)
    data = set(node.input) if node.op_type in whole else {node.input[0]}
    if node.op_type == "Where":
        data = set(node.input[1:])
    frozen = onnx.ModelProto()
    frozen.CopyFrom(model)
    del frozen.graph.input[:]
    inputs = {}
    for value, array in zip(model.graph.input, arrays, strict=True):
        if value.name in data:
            frozen.graph.input.append(value)
            inputs[value.name] = array
        else:
            frozen.graph.initializer.append(numpy_helper.from_array(array, value.name))
    return onnx.shape_inference.infer_shapes(frozen, data_prop=True), inputs


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("index", _in_tenths())
def test_backend_node_test_is_right_or_refused(index, target):
    case, model = CASES[index]
    arrays, expected = _data_set(case)
    frozen, inputs = _with_constant_parameters(model, arrays)
    _, run = TARGETS[target]
    if case.name not in RIGHT[target]:
        with pytest.raises(UnsupportedModelError, match="cannot be lowered"):
            run(frozen, inputs)
        return
    for found, wanted in zip(run(frozen, inputs), expected, strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=max(case.rtol, 1e-4), atol=max(case.atol, 1e-5))


@pytest.mark.parametrize("index", [item for item in _in_tenths() if item.id in RIGHT["tflite"]])
def test_both_converters_to_tflite_agree(index):
    case, model = CASES[index]
    frozen, inputs = _with_constant_parameters(model, _data_set(case)[0])
    files = [to_tflite(frozen, tensorflow=second) for second in (False, True)]
    outputs = [run_in_litert(frozen, inputs, data) for data in files]
    for found, expected in zip(*outputs, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    ours, tensorflows = map(versions, files)
    both = dict(ours).keys() & dict(tensorflows).keys()
    assert {item for item in ours if item[0] in both} == {item for item in tensorflows if item[0] in both}


@pytest.mark.parametrize("target", TARGETS)
def test_every_op_with_a_backend_test_passes_one(target):
    passed = {model.graph.node[0].op_type for case, model in CASES if case.name in RIGHT[target]}
    assert passed == {key.op_type for key in TARGETS[target][0].lowerings}
