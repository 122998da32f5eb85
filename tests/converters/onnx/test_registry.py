from __future__ import annotations

import inspect

import onnx
import onnx_ir as ir
import pytest

from converters.coreml.ops import COREML
from converters.errors import UnsupportedError, UnsupportedModelError, UnsupportedNode
from converters.onnx.registry import Registry, require
from converters.tflite.ops import TFLITE

REGISTRIES = {"tflite": TFLITE, "coreml": COREML}
CASES = [
    pytest.param(function, op_type, id=f"{name}-{op_type}")
    for name, registry in REGISTRIES.items()
    for op_type, function in registry.lowerings.items()
]


@pytest.mark.parametrize(("function", "op_type"), CASES)
def test_lowering_reads_like_its_schema(function, op_type):
    """Inputs in the schema's order; attributes keyword-only with the schema's names and defaults."""
    schema = onnx.defs.get_schema(op_type)
    parameters = inspect.signature(function).parameters.values()
    positional = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert [p.name for p in positional] == [item.name for item in schema.inputs]
    optional = [item.option == onnx.defs.OpSchema.FormalParameterOption.Optional for item in schema.inputs]
    assert [p.default is None for p in positional] == optional
    attributes = {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
    assert set(attributes) == set(schema.attributes)
    for name, default in attributes.items():
        declared = schema.attributes[name]
        if declared.required:
            assert default is inspect.Parameter.empty
        elif declared.default_value.type:
            value = onnx.helper.get_attribute_value(declared.default_value)
            assert default == (value.decode() if isinstance(value, bytes) else pytest.approx(value))
        else:
            assert default is None


def test_targets_cover_the_same_ops():
    assert set(TFLITE.lowerings) == set(COREML.lowerings)


def test_second_lowering_for_an_op_is_an_error():
    registry = Registry("test")
    registry.lowering("Relu")(lambda X: X)
    with pytest.raises(ValueError, match="Relu already has a lowering"):
        registry.lowering("Relu")(lambda X: X)


def test_attribute_that_a_lowering_does_not_take_is_named_with_its_value():
    registry = Registry("test")
    registry.lowering("Relu")(lambda X: X)
    node = ir.node("Relu", [ir.Value(name="x")], attributes={"slope": 2})
    with pytest.raises(UnsupportedError, match="slope=2"):
        registry.lower(node, ["x"])


def test_op_of_another_domain_is_missing():
    registry = Registry("test")
    registry.lowering("Relu")(lambda X: X)
    node = ir.node("Relu", [ir.Value(name="x")], domain="com.example", name="mine")
    assert [item.node for item in registry.missing([node])] == ["mine"]


def test_require_names_value_and_choices():
    with pytest.raises(UnsupportedError, match=r"mode=cubic; supported: linear, nearest"):
        require("mode", "cubic", ("linear", "nearest"))


def test_error_fits_one_screen_however_many_nodes_it_has():
    error = UnsupportedModelError("TFLite", [UnsupportedNode("Foo", f"n{i}", "no") for i in range(500)])
    assert len(str(error).splitlines()) < 25
    assert "480 more" in str(error)
