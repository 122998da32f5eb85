"""Files that MODNet's own exporter wrote, and what else becomes of them on their way to a user."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import version_converter
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from converters.errors import ExportError, ExportWarning
from converters.onnx.passes import optimise
from modnet_export import ExportRequest, export
from modnet_export.exporting.onnx import from_onnx
from modnet_export.images.imaging import demo_photo, resize
from modnet_export.model import checkpoint
from modnet_export.model.reference import TorchReference, open_reference
from modnet_export.record.contract import Size
from tests.graphs import matte_of
from tests.official import NAMES, official

SIZE = Size(height=64, width=96)
# Half-pixel could not be written then.
ASYMMETRIC = ("opset10", "opset9")


@pytest.fixture(scope="module")
def image_nhwc():
    return resize(demo_photo(), SIZE.height, SIZE.width)[None]


@pytest.fixture(scope="module")
def sound(demo_source, image_nhwc):
    return TorchReference(demo_source).run(image_nhwc)


@pytest.fixture
def save(modnet, tmp_path):
    def get(name, change=lambda model: model, **options):
        path = tmp_path / f"{name}.onnx"
        onnx.save(change(official(name, modnet)), path, **options)
        return checkpoint.resolve(str(path), "-1..1")

    return get


def test_the_released_structure_is_kept(modnet):
    """As the issue tracker of this project describes the released file."""
    model = official("opset11_official", modnet)
    counted = Counter(node.op_type for node in model.graph.node)
    assert (model.ir_version, len(model.graph.initializer)) == (6, 215)
    assert (counted["Conv"], counted["Constant"], counted["Clip"], counted["Slice"]) == (69, 241, 35, 32)
    assert [model.graph.node[index].name for index in (0, -1)] == ["Conv_0", "Sigmoid_486"]


def assert_converts(source, image_nhwc, sound):
    """The same matte as ONNX Runtime computes from the file as it came, in ops that every format has."""
    found = from_onnx(source, SIZE)
    reference = open_reference(source).run(image_nhwc)
    np.testing.assert_allclose(matte_of(found, image_nhwc), reference, atol=1e-4)
    assert (np.abs(reference - sound).max() < 1e-4) == (source.path.stem not in ASYMMETRIC)
    graph = optimise(ir.from_proto(found), "cpu")
    np.testing.assert_allclose(matte_of(ir.to_proto(graph), image_nhwc), reference, atol=1e-4)
    assert Counter(node.op_type for node in graph.graph)["Constant"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_brought_to_the_contract(save, sound, image_nhwc, name):
    assert_converts(save(name), image_nhwc, sound)


@pytest.mark.parametrize("version", [13, 17, 26])
def test_newer_opsets_are(save, sound, image_nhwc, version):
    source = save("opset11_official", lambda model: version_converter.convert_version(model, version))
    assert_converts(source, image_nhwc, sound)


def test_weights_beside_the_file_are(save, sound, image_nhwc):
    source = save("opset11_official", save_as_external_data=True, location="weights.bin")
    assert source.path.stat().st_size < 1e6
    assert_converts(source, image_nhwc, sound)


@pytest.mark.parametrize("ports", [False, True], ids=["float16", "float32"])
def test_16_bit_floats_are_taken_as_float32(save, sound, image_nhwc, ports):
    """That converter leaves the nodes unsorted where it keeps the ports."""
    source = save("opset11_official", lambda model: convert_float_to_float16(model, keep_io_types=ports))
    with pytest.warns(ExportWarning, match="16-bit floats"):
        found = from_onnx(source, SIZE)
    reference = open_reference(source)
    assert "in float32" in reference.engine
    np.testing.assert_allclose(matte_of(found, image_nhwc), reference.run(image_nhwc), atol=1e-4)
    assert np.abs(reference.run(image_nhwc) - sound).mean() < 1e-3


def test_a_quantized_file_is_refused_by_name(save, tmp_path):
    source = save("opset11_official")
    quantize_dynamic(source.path, tmp_path / "dynamic.onnx")
    with pytest.raises(ExportError, match="is quantized already: it has ConvInteger, DynamicQuantizeLinear"):
        from_onnx(checkpoint.resolve(str(tmp_path / "dynamic.onnx")), SIZE)


@pytest.mark.parametrize(
    "name",
    [pytest.param(item, marks=() if item in ("opset11_official", "opset9") else pytest.mark.slow) for item in NAMES],
)
def test_export_of_every_format(save, tmp_path, name):
    out = tmp_path / "dist"
    made = export(
        ExportRequest(
            checkpoint=save(name).name,
            input_range="-1..1",
            out=out,
            size=SIZE,
            formats=("onnx", "tflite", "coreml"),
            precisions=("fp32",),
        )
    )
    assert {item.format for item in made.artefacts} == {"onnx", "tflite", "coreml"}
