from __future__ import annotations

import inspect

import onnx
import onnx_ir as ir
import pytest

from converters.coreml.ops import COREML
from converters.errors import UnsupportedError, UnsupportedModelError, UnsupportedNode
from converters.onnx.registry import Operator, Registry, require
from converters.tflite.ops import TFLITE
from converters.tflite.tensorflow.ops import TENSORFLOW

REGISTRIES = {"tflite": TFLITE, "tensorflow": TENSORFLOW, "coreml": COREML}
OPTIONAL = onnx.defs.OpSchema.FormalParameterOption.Optional


def covered(registry, key):
    """The schemas of every version of an operator that one lowering covers, oldest first."""
    later = [item.since for item in registry.lowerings if item[::2] == key[::2] and item.since > key.since]
    schemas = [
        schema
        for schema in onnx.defs.get_all_schemas_with_history()
        if (schema.name, schema.domain) == (key.op_type, key.domain)
        and key.since <= schema.since_version < min(later, default=1000)
    ]
    return sorted(schemas, key=lambda schema: schema.since_version)


CASES = [
    pytest.param(function, covered(registry, key), id=f"{name}-{key.op_type}-{key.since}")
    for name, registry in REGISTRIES.items()
    for key, function in registry.lowerings.items()
]


def _parameters(function, *, keyword_only):
    return [
        each
        for each in inspect.signature(function).parameters.values()
        if (each.kind is inspect.Parameter.KEYWORD_ONLY) == keyword_only
    ]


def _assert_default(default, declared):
    if declared.required:
        assert default is inspect.Parameter.empty
    elif declared.default_value.type:
        value = onnx.helper.get_attribute_value(declared.default_value)
        assert default == (value.decode() if isinstance(value, bytes) else pytest.approx(value))
    else:
        assert default is None


@pytest.mark.parametrize(("function", "schemas"), CASES)
def test_lowering_reads_like_its_newest_schema(function, schemas):
    """Inputs in the schema's order; attributes keyword-only with the schema's names and defaults."""
    positional = _parameters(function, keyword_only=False)
    assert [p.name for p in positional] == [item.name for item in schemas[-1].inputs]
    assert [p.default is None for p in positional] == [item.option == OPTIONAL for item in schemas[-1].inputs]
    attributes = {p.name: p.default for p in _parameters(function, keyword_only=True)}
    assert set(attributes) == set(schemas[-1].attributes)
    for name, default in attributes.items():
        _assert_default(default, schemas[-1].attributes[name])


@pytest.mark.parametrize(("function", "schemas"), CASES)
def test_lowering_takes_what_every_older_version_that_it_covers_takes(function, schemas):
    """An older version may lack inputs and attributes; those that it has mean the same."""
    positional = _parameters(function, keyword_only=False)
    attributes = {p.name: p.default for p in _parameters(function, keyword_only=True)}
    for schema in schemas:
        assert len(schema.inputs) <= len(positional)
        # BatchNormalization's mean was renamed input_mean.
        assert all(p.name.endswith(item.name) for p, item in zip(positional, schema.inputs, strict=False))
        assert all(p.default is None for p in positional[len(schema.inputs) :])
        assert set(schema.attributes) <= set(attributes)
        for name, declared in schema.attributes.items():
            _assert_default(attributes[name], declared)


def test_targets_cover_the_same_ops_from_the_same_versions():
    """Core ML has what portrait matting networks use, and refuses the rest by name."""
    assert set(TFLITE.lowerings) == set(TENSORFLOW.lowerings)
    assert set(COREML.lowerings) <= set(TFLITE.lowerings)


def registry(*keys):
    """Lowerings that give their own key."""
    made = Registry("test")
    for key in keys:
        made.lowering(key.op_type, since=key.since, domain=key.domain)(lambda *inputs, _key=key: [_key])
    return made


def lower(registry, op_type, version, domain="", **attributes):
    node = ir.node(op_type, [ir.Value(name="x")], attributes=attributes, domain=domain)
    return registry.lower(node, ["x"], {domain: version})[0]


@pytest.mark.parametrize(("version", "since"), [(10, 10), (11, 11), (12, 11), (17, 13), (18, 18), (22, 18)])
def test_newest_lowering_that_is_not_newer_than_the_model_is_chosen(version, since):
    known = registry(*(Operator("Resize", each) for each in (13, 10, 18, 11)))
    assert lower(known, "Resize", version)[:2] == ("Resize", since)


@pytest.mark.parametrize("version", [10, 9])
def test_form_older_than_every_lowering_is_refused_with_its_version(version):
    with pytest.raises(UnsupportedError, match=f"opset {version}; supported: opset 11 and newer"):
        lower(registry(Operator("Resize", 11), Operator("Resize", 13)), "Resize", version)


def test_refusal_names_the_form_not_the_models_opset():
    """ReduceMean has kept its form of opset 13 until opset 17."""
    with pytest.raises(UnsupportedError, match="form of opset 13; supported: opset 18"):
        lower(registry(Operator("ReduceMean", 18)), "ReduceMean", 17)


def test_ops_of_another_domain_do_not_stand_in_for_each_other():
    known = registry(Operator("Relu", 6), Operator("Relu", 2, "com.example"))
    assert lower(known, "Relu", 3, "com.example") == Operator("Relu", 2, "com.example")
    assert lower(known, "Relu", 18) == Operator("Relu", 6)
    with pytest.raises(UnsupportedError, match=r"no lowering for this op of the domain com\.other"):
        lower(known, "Relu", 18, "com.other")


@pytest.mark.parametrize("imports", [{"": 18}, {"ai.onnx": 18}], ids=str)
def test_both_names_of_onnx_own_domain_count(imports):
    node = ir.node("ReduceMean", [ir.Value(name="x")])
    assert registry(Operator("ReduceMean", 18)).lower(node, ["x"], imports)[0] == Operator("ReduceMean", 18)


def test_second_lowering_for_an_op_is_an_error():
    known = registry(Operator("Relu", 6))
    with pytest.raises(ValueError, match="already has a lowering"):
        known.lowering("Relu", since=6)(lambda X: X)


def test_version_that_onnx_does_not_define_is_an_error():
    with pytest.raises(ValueError, match="no version 12 of Resize"):
        Registry("test").lowering("Resize", since=12)(lambda X: X)


def test_attribute_that_a_lowering_does_not_take_is_named_with_its_value():
    with pytest.raises(UnsupportedError, match="slope=2"):
        lower(registry(Operator("Relu", 6)), "Relu", 18, slope=2)


def test_input_that_a_lowering_does_not_take_is_refused():
    """What a version newer than the installed onnx might bring."""
    known = Registry("test")
    known.lowering("Relu", since=6)(lambda X: X)
    node = ir.node("Relu", [ir.Value(name="x"), ir.Value(name="slope")])
    with pytest.raises(UnsupportedError, match="has 2 inputs; supported: 1"):
        known.lower(node, ["x", "slope"], {"": 18})


def test_require_names_value_and_choices():
    with pytest.raises(UnsupportedError, match=r"mode=cubic; supported: linear, nearest"):
        require("mode", "cubic", ("linear", "nearest"))


def test_error_fits_one_screen_however_many_nodes_it_has():
    error = UnsupportedModelError("TFLite", [UnsupportedNode("Foo", f"n{i}", "no") for i in range(500)])
    assert len(str(error).splitlines()) < 25
    assert "480 more" in str(error)
