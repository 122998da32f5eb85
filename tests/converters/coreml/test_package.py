"""What is saved, and how a package that is not whole is refused."""

from __future__ import annotations

import json
from datetime import date, timedelta
from importlib.metadata import version

import numpy as np
import onnx_ir as ir
import pytest
from coremltools.converters import _converters_entry

from converters.coreml.convert import convert
from converters.coreml.functions import join
from converters.coreml.package import NEWEST_SPECIFICATION, Package
from converters.coreml.quiet import ct, quiet
from converters.coreml.tuned import for_ports
from converters.diagnose.inspection import inspect
from converters.errors import ExportError
from converters.runtimes import open_runtime
from modnet_export.record.files import sha256
from tests.converters.coreml.conftest import META
from tests.graphs import model, node, run


def test_metadata_and_ports_are_documented(packages):
    description = Package(packages("fp16", "image")).spec.description
    metadata = description.metadata
    assert (metadata.author, metadata.license, metadata.versionString) == ("an author", "a licence", "1.2")
    assert dict(metadata.userDefined) == {
        "com.github.apple.coremltools.source": "milinternal",
        "com.github.apple.coremltools.version": version("coremltools"),
        "io.key": "a value",
    }
    assert [port.shortDescription for port in (*description.input, *description.output)] == ["a photo", "its matte"]
    (image,), (matte,) = description.input, description.output
    assert image.type.imageType.ColorSpace.Name(image.type.imageType.colorSpace) == "RGB"
    assert matte.type.imageType.ColorSpace.Name(matte.type.imageType.colorSpace) == "GRAYSCALE"
    assert (matte.type.imageType.height, matte.type.imageType.width) == (96, 128)


@pytest.mark.parametrize(
    "precision", ["fp16", *(pytest.param(item, marks=pytest.mark.slow) for item in ("int8", "palettized6"))]
)
def test_same_model_gives_the_same_bytes_on_another_date(packages, graph, tmp_path, precision, monkeypatch):
    class Tomorrow(date):
        @classmethod
        def today(cls):
            return date.today() + timedelta(days=1)

    monkeypatch.setattr(_converters_entry, "date", Tomorrow)
    convert(
        for_ports(graph, "image"),
        precision=precision,
        target="iOS16",
        ports="image",
        metadata=META,
        package=tmp_path / "again.mlpackage",
    )
    first = packages(precision, "image")
    for item in (item for item in first.rglob("*") if item.is_file()):
        assert item.read_bytes() == (tmp_path / "again.mlpackage" / item.relative_to(first)).read_bytes(), item.name


def test_coremltools_reads_the_package(packages):
    with quiet():
        loaded = ct.models.MLModel(str(packages("fp16", "image")), skip_model_load=True)
    assert loaded.get_spec().description.output[0].name == "matte"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("Manifest.json", "cannot read broken.mlpackage"),
        ("Data/com.apple.CoreML/model.mlmodel", "cannot read broken.mlpackage"),
        ("Data/com.apple.CoreML/weights/weight.bin", "weight.bin cannot be read"),
    ],
)
def test_missing_part_is_named(copy, part, message):
    (copy / part).unlink()
    with pytest.raises(ExportError, match=message):
        open_runtime(copy)


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_damaged_weights_are_found(copy, damage):
    weights = copy / "Data/com.apple.CoreML/weights/weight.bin"
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2] if damage == "truncated" else b"\xff" * len(data))
    with pytest.raises(ExportError, match="weight file is damaged at byte"):
        open_runtime(copy)


def test_garbage_specification_is_one_clear_error(copy):
    (copy / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"not a specification" * 50)
    with pytest.raises(ExportError, match=r"broken\.mlpackage"):
        open_runtime(copy)


def test_newer_specification_is_refused_by_number(copy):
    path = copy / "Data/com.apple.CoreML/model.mlmodel"
    spec = Package(copy).spec
    spec.specificationVersion = NEWEST_SPECIFICATION + 1
    path.write_bytes(spec.SerializeToString())
    with pytest.raises(ExportError, match=f"specification version {NEWEST_SPECIFICATION + 1}"):
        open_runtime(copy)


def test_weight_file_outside_the_package_is_refused(copy):
    package = Package(copy)
    for item in package.operations:
        value = item.attributes["val"]
        if value.WhichOneof("value") == "blobFileValue":
            value.blobFileValue.fileName = "@model_path/../../../../../etc/passwd"
    (copy / "Data/com.apple.CoreML/model.mlmodel").write_bytes(package.spec.SerializeToString())
    with pytest.raises(ExportError, match="outside the package"):
        open_runtime(copy)


def test_manifest_of_something_else_is_refused(copy):
    (copy / "Manifest.json").write_text(json.dumps({"itemInfoEntries": []}))
    with pytest.raises(ExportError, match=r"cannot read broken\.mlpackage"):
        open_runtime(copy)


def test_functions_of_a_package_share_weights_and_each_gives_its_own_matte(tmp_path):
    """Packages of two sizes as one (iOS 18), read by its default function unless another is asked for."""
    rng = np.random.default_rng(0)
    weights = {"wide": rng.standard_normal((64, 3, 1, 1)), "last": rng.standard_normal((1, 64, 1, 1))}
    parts, wanted = {}, {}
    for height, width in ((64, 32), (32, 64)):
        nodes = [node("Conv", "image wide", "a"), node("Relu", "a", "b"), node("Conv", "b last", "matte")]
        shapes = {"inputs": {"image": [1, 3, height, width]}, "outputs": ["matte"]}
        each, single = model(nodes, **shapes, constants=weights), tmp_path / f"{height}.mlpackage"
        options = {"precision": "fp32", "target": "iOS18", "ports": "multiarray"}
        convert(ir.from_proto(each), metadata=META, package=single, **options)
        parts[f"size_{height}"], wanted[f"size_{height}"] = single, each
    several, again = tmp_path / "several.mlpackage", tmp_path / "again.mlpackage"
    join(parts, META, several)
    join(parts, META, again)
    assert sha256(several) == sha256(again)
    assert weight_bytes(several) == weight_bytes(single)
    for name, function in (("size_64", None), ("size_64", "size_64"), ("size_32", "size_32")):
        runtime = open_runtime(several, function=function)
        image = rng.random((1, *runtime.size, 3), np.float32)
        (matte,) = run(wanted[name], {"image": image.transpose(0, 3, 1, 2)})
        np.testing.assert_allclose(runtime.run(image)[..., 0], matte[:, 0], atol=1e-5)
    found = inspect(several)
    assert found.inputs == inspect(parts["size_64"]).inputs
    assert dict(found.functions) == {name: inspect(part).inputs for name, part in parts.items()}
    description = Package(several).spec.description
    assert (description.metadata.author, description.defaultFunctionName) == ("an author", "size_64")
    assert [item.input[0].shortDescription for item in description.functions] == ["a photo", "a photo"]
    with pytest.raises(ExportError, match="has no function size_9"):
        open_runtime(several, function="size_9")


def weight_bytes(package):
    return (package / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size


def test_package_without_the_function_that_it_names_is_refused(copy):
    path = copy / "Data/com.apple.CoreML/model.mlmodel"
    spec = Package(copy).spec
    spec.description.defaultFunctionName = "other"
    path.write_bytes(spec.SerializeToString())
    with pytest.raises(ExportError, match="has no function other"):
        Package(copy)
