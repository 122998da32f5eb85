"""What Core ML's compiler would refuse, and where it might run what it takes."""

from __future__ import annotations

import pytest

from converters.coreml.package import Package
from converters.coreml.placement import estimate
from converters.coreml.quiet import MIL_pb2
from converters.coreml.typed import check_types
from converters.errors import ExportError

HALF, FLOAT, INT = (MIL_pb2.DataType.Value(name) for name in ("FLOAT16", "FLOAT32", "INT32"))


def changed(path, change):
    """The package at ``path`` after ``change(its operations)``."""
    package = Package(path)
    function = package.spec.mlProgram.functions["main"]
    change(function.block_specializations[function.opset].operations)
    (path / "Data" / "com.apple.CoreML" / "model.mlmodel").write_bytes(package.spec.SerializeToString())
    return path


def first(operations, name):
    return next(item for item in operations if item.type == name)


def test_what_was_converted_has_sound_types(packages):
    check_types(packages())


def test_declared_result_of_another_type_is_refused(copy):
    def declare(operations):
        first(operations, "sigmoid").outputs[0].type.tensorType.dataType = HALF

    with pytest.raises(
        ExportError, match=r"(?s)Core ML would not compile broken\.mlpackage.*Mismatch between var types"
    ):
        check_types(changed(copy, declare))


def test_declared_result_of_another_shape_is_refused(copy):
    def declare(operations):
        first(operations, "sigmoid").outputs[0].type.tensorType.dimensions[2].constant.size += 1

    with pytest.raises(ExportError, match="Core ML would not compile"):
        check_types(changed(copy, declare))


def test_inputs_of_mixed_types_are_refused(copy):
    """A constant of fp16 beside an activation of fp32."""

    def mix(operations):
        name = first(operations, "sub").inputs["y"].arguments[0].name
        constant = next(item for item in operations if item.outputs[0].name == name)
        for kind in (constant.outputs[0].type, constant.attributes["val"].type):
            kind.tensorType.dataType = HALF
        tensor = constant.attributes["val"].immediateValue.tensor
        tensor.Clear()
        tensor.bytes.values = b"\x00\x38"

    with pytest.raises(ExportError, match="Core ML would not compile"):
        check_types(changed(copy, mix))


def test_float32_is_not_for_the_neural_engine(packages):
    found = estimate(Package(packages()))
    assert found.possible == 0
    assert found.excluded == {"computes in float32 (apple/coremltools#2585)": found.ops}


@pytest.mark.parametrize(
    ("size", "why"),
    [((1, 4, 16385, 8), "a height or width above 16384"), ((1, 65537, 2, 2), "more than 65536 channels")],
)
def test_ops_beyond_a_published_limit_are_excluded(packages, tmp_path, size, why):
    import shutil

    path = tmp_path / "m.mlpackage"
    shutil.copytree(packages("fp16"), path)
    before = estimate(Package(path))

    def grow(operations):
        for length, dimension in zip(
            size, first(operations, "sigmoid").outputs[0].type.tensorType.dimensions, strict=True
        ):
            dimension.constant.size = length

    found = estimate(Package(changed(path, grow)))
    assert found.possible < before.possible
    assert any(why in reason and "ane-guide" in reason for reason in found.excluded)
    assert "an estimate by published rules" in str(found)
