"""Ports, layout, range, output and scale of files without a manifest are read, or found by behaviour and said."""

from __future__ import annotations

import onnx
import pytest

from converters.errors import ExportError
from converters.tflite import builder as fb
from modnet_export import Size
from modnet_export.verifying.foreign.reading import IMAGENET_DEVIATION, IMAGENET_MEAN
from modnet_export.verifying.foreign.run import ForeignRequest, verify_foreign
from tests.modnet_export.verifying.foreign import faulty
from tests.modnet_export.verifying.foreign.test_hypotheses import spoiled, verified
from tests.official import official

# What a file does to its image first, so that it takes another range: the inverse of that range.
RANGES = {
    "0 to 1": (1, 0),
    "-1 to 1": (0.5, 0.5),
    "0 to 255": (1 / 255, 0),
    "ImageNet's mean and deviation": (IMAGENET_DEVIATION, IMAGENET_MEAN),
}


@pytest.mark.parametrize("words", RANGES)
def test_a_range_is_found_by_behaviour_and_said(words, small_onnx, tmp_path):
    result = verified(spoiled(small_onnx, faulty.affine(*RANGES[words])), tmp_path)
    assert result.passed
    (read,) = result.assumed
    assert f"RGB from {words}" in read.image
    assert words in read.found[0] and "built-in portrait" in read.found[0]


def test_a_range_by_the_users_word_is_not_looked_for(small_onnx, tmp_path):
    result = verified(small_onnx, tmp_path, input_range="-1..1")
    assert not result.passed
    assert result.diagnoses[0].hypotheses == ("normalised twice",)
    assert result.assumed[0].found == ()


def test_an_nhwc_image_is_read_from_the_shape(small_onnx, tmp_path):
    result = verified(spoiled(small_onnx, faulty.nhwc), tmp_path)
    assert result.passed
    assert "1x96x128x3), NHWC" in result.assumed[0].image


def test_of_several_outputs_the_matte_is_found(small_onnx, tmp_path):
    result = verified(spoiled(small_onnx, faulty.three_outputs), tmp_path)
    assert result.passed
    assert result.assumed[0].matte.startswith("1012 ")
    assert any("output 2 is the matte" in item for item in result.assumed[0].found)


def test_a_matte_of_0_to_255_is_read_as_one(small_onnx, tmp_path):
    result = verified(spoiled(small_onnx, faulty.elementwise("Mul", 255)), tmp_path)
    assert result.passed
    assert result.assumed[0].matte.endswith("from 0 to 255")


def test_free_sizes_take_the_asked_one(small_onnx, tmp_path):
    model = spoiled(small_onnx)
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[2].dim_param, port.type.tensor_type.shape.dim[3].dim_param = "h", "w"
    result = verified(model, tmp_path, size=Size(height=96, width=128))
    assert result.passed and str(result.size) == "96x128"


def quantized_ports(tree, kind, scale, zero_point):
    """Integers at both ports of a float TFLite model."""
    changed = fb.Builder(tree)
    (taken,), (given,) = list(changed.graph.inputs), list(changed.graph.outputs)
    first = changed.add_like(int(taken), b"_stored", kind, fb.quantization(scale, zero_point))
    last = changed.add_like(int(given), b"_stored", kind, fb.quantization(scale, zero_point))
    changed.graph.operators.insert(0, changed.op("DEQUANTIZE", [first], int(taken)))
    changed.graph.operators.append(changed.op("QUANTIZE", [int(given)], last))
    changed.replace_port("inputs", int(taken), first)
    changed.replace_port("outputs", int(given), last)
    return changed.write()


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point"),
    [("UINT8", 1 / 255, 0), ("INT8", 1 / 255, -128), ("INT8", 1 / 127, 0)],
)
def test_quantization_of_tflite_ports_is_used(kind, scale, zero_point, dist, tmp_path):
    tree = fb.read((dist / "modnet_fp32.tflite").read_bytes())
    symmetric = kind == "INT8" and zero_point == 0  # it holds -1 to 1, and its steps are twice as coarse
    path = tmp_path / "theirs.tflite"
    path.write_bytes(quantized_ports(tree, getattr(fb.TensorType, kind), scale, zero_point))
    result = verify_foreign(ForeignRequest((path,), "demo"))
    (read,) = result.assumed
    assert kind.lower() in read.image
    assert "RGB from 0 to 1" in read.image
    (link,) = result.links
    assert link.summary("mad") < (1e-2 if symmetric else 3e-3)


def test_a_wrong_int8_range_within_a_tflite_is_found_with_its_op(dist, tmp_path):
    tree = fb.read((dist / "modnet_fp32.tflite").read_bytes())
    changed = fb.Builder(tree)
    op = next(op for op in changed.graph.operators if fb.op_name(tree, op) == "DEPTHWISE_CONV_2D")
    made = int(op.outputs[0])
    stored = changed.add_like(made, b"_poor", fb.TensorType.INT8, fb.quantization(0.0005, -128))
    again = changed.add_like(made, b"_again", fb.TensorType.FLOAT32)
    for other in changed.graph.operators:
        other.inputs = [again if int(index) == made else int(index) for index in other.inputs]
    place = changed.graph.operators.index(op) + 1
    changed.graph.operators[place:place] = [
        changed.op("QUANTIZE", [made], stored),
        changed.op("DEQUANTIZE", [stored], again),
    ]
    path = tmp_path / "theirs.tflite"
    path.write_bytes(changed.write())
    (found,) = verify_foreign(ForeignRequest((path,), "demo")).diagnoses
    assert found.hypotheses == ("collapsed int8 range",)
    assert "_poor holds 0 to 0.128" in found.cause and "clipped" in found.cause
    assert found.left < 1e-5 < found.without


def test_what_cannot_be_read_is_refused_with_its_ports(small_onnx, tmp_path):
    model = spoiled(small_onnx)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    with pytest.raises(ExportError, match=r"takes image \(float32 1x4x96x128\)"):
        verified(model, tmp_path)


def test_a_model_that_gives_no_picture_is_refused(small_onnx, tmp_path):
    from onnx import helper

    def pooled(model):
        faulty.behind(model, helper.make_node("GlobalAveragePool", ["made"], ["matte"]))
        for dim in model.graph.output[0].type.tensor_type.shape.dim[2:]:
            dim.dim_value = 1

    with pytest.raises(ExportError, match="gives 1 x 1 x 1 x 1 for an image of 96 x 128"):
        verified(spoiled(small_onnx, pooled), tmp_path)


@pytest.mark.parametrize(
    ("names", "checkpoint", "message"),
    [
        (("theirs.onnx",), None, "does not say what it was converted from"),
        (("theirs.onnx", "theirs.onnx"), "demo", "is given twice"),
        (("theirs.onnx", "notes.txt"), "demo", "cannot be verified without a manifest"),
        (("missing.onnx",), "demo", "cannot load missing.onnx: no such file"),
    ],
)
def test_mistakes_are_refused(names, checkpoint, message, small_onnx, tmp_path):
    onnx.save(small_onnx, tmp_path / "theirs.onnx")
    with pytest.raises(ExportError, match=message):
        verify_foreign(ForeignRequest(tuple(tmp_path / name for name in names), checkpoint))


def test_models_of_different_sizes_are_refused(small_onnx, modnet, tmp_path):
    onnx.save(small_onnx, tmp_path / "one.onnx")
    onnx.save(official("opset9", modnet), tmp_path / "other.onnx")
    with pytest.raises(ExportError, match="different sizes"):
        verify_foreign(ForeignRequest((tmp_path / "one.onnx", tmp_path / "other.onnx"), "demo"))


@pytest.mark.parametrize("name", ["opset11_three_unfolded", "opset12_initializers_are_inputs"])
def test_files_of_the_official_script_pass(name, brighter, brighter_file, tmp_path):
    result = verified(official(name, brighter), tmp_path, brighter_file)
    assert result.passed
    assert "RGB from -1 to 1" in result.assumed[0].image


@pytest.mark.parametrize("name", ["opset9", "opset10"])
def test_the_official_script_at_old_opsets_resizes_asymmetrically(name, brighter, brighter_file, tmp_path):
    """PyTorch 1.7.1 could not write half-pixel before opset 11: these files are wrong, and nobody is told."""
    (found,) = verified(official(name, brighter), tmp_path, brighter_file).diagnoses
    assert found.hypotheses == ("resize: asymmetric",)
    assert "opset_version=11" in found.mend
    assert found.left < 1e-6 < found.without
