"""One reading of a user's ONNX model: ``matte`` and ``export`` give it the values that it takes."""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from converters.errors import ExportError, ExportWarning
from converters.onnx.graph import opset
from modnet_export import MattingRequest, Size, open_matting
from modnet_export.exporting.onnx import from_onnx, require_modnet
from modnet_export.images.imaging import demo_photo
from modnet_export.images.matting import settled
from modnet_export.model import checkpoint
from tests.graphs import model, node, run

PHOTO = demo_photo()


@pytest.fixture(scope="module")
def users(small_onnx, tmp_path_factory):
    """The demo network as others would have exported it, by where its normalisation is."""
    folder = tmp_path_factory.mktemp("users")

    def make(name: str, begin: list[onnx.NodeProto], constants: dict[str, np.ndarray], port: str = "input"):
        proto = onnx.ModelProto.FromString(small_onnx.SerializeToString())
        sub, mul, *rest = proto.graph.node
        assert [sub.op_type, mul.op_type] == ["Sub", "Mul"]
        begin = begin or [helper.make_node("Identity", [port], mul.output)]
        del proto.graph.node[:]
        proto.graph.node.extend([*begin, *rest])
        begin[-1].output[0] = proto.graph.node[len(begin) - 1].output[0] = mul.output[0]
        proto.graph.input[0].name = port
        proto.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
        onnx.save(proto, folder / f"{name}.onnx")

    make("released", [], {})
    make("contract's names", [], {}, "image")
    half = np.array(0.5, np.float32)
    make("inside", [node("Sub", "input h", "a"), node("Div", "a h", "b")], {"h": half})
    hidden = {"w": 2 * np.eye(3, dtype=np.float32)[:, :, None, None], "b": -np.ones(3, np.float32)}
    make("hidden", [node("Conv", "input w b", "c")], hidden)
    onnx.save(small_onnx, folder / "ours.onnx")
    return folder


@pytest.mark.long
@pytest.mark.parametrize("name", ["released", "contract's names", "inside", "hidden"])
def test_every_model_is_given_what_it_takes(users, small_onnx, name):
    path = users / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExportWarning)
        expected = open_matting(MattingRequest(str(users / "ours.onnx"))).matte(PHOTO)
        np.testing.assert_allclose(open_matting(MattingRequest(str(path))).matte(PHOTO), expected, atol=1e-4)
        source = settled(checkpoint.resolve(str(path)), None)
    assert source.input_range == ("-1..1" if name in ("released", "contract's names") else "0..1")
    image_nchw = np.random.default_rng(0).random((1, 3, 96, 128), np.float32)
    found, ours = (
        run(proto, {"image": image_nchw}) for proto in (from_onnx(source, Size(height=96, width=128)), small_onnx)
    )
    np.testing.assert_allclose(found[0], ours[0], atol=1e-4)


def test_a_range_that_only_the_portrait_tells_is_said(users):
    with pytest.warns(ExportWarning, match=r"hidden.onnx is assumed to take an image of 0..1: .*`input_range`"):
        settled(checkpoint.resolve(str(users / "hidden.onnx")), None)


def test_a_range_that_is_asked_for_stands(users):
    path = str(users / "released.onnx")
    asked, found = (open_matting(MattingRequest(path, input_range=word)).matte(PHOTO) for word in ("0..1", None))
    assert np.abs(asked - found).mean() > 0.01


@pytest.mark.parametrize("name", ["demo", "modnet_fp32.tflite"])
def test_a_range_is_an_onnx_models(dist, name):
    path = name if name == "demo" else str(dist / name)
    with pytest.raises(ExportError, match="is known"):
        open_matting(MattingRequest(path, input_range="0..1"))


def test_a_model_of_any_size_runs_as_released(tmp_path):
    """Named by the last of its outputs, as the training code has them."""
    proto = model(
        [node("ReduceMean", "x axes", "s"), node("Sigmoid", "s", "y")],
        inputs={"x": [1, 3, "h", "w"]},
        outputs=["s", "y"],
        constants={"axes": np.array([1])},
    )
    onnx.save(proto, tmp_path / "any.onnx")
    matting = open_matting(MattingRequest(str(tmp_path / "any.onnx"), input_range="-1..1"))
    assert matting.matte(PHOTO[:300, :200]).shape == (300, 200)
    with pytest.raises(ExportError, match="nothing to stretch"):
        open_matting(MattingRequest(str(tmp_path / "any.onnx"), fit="stretch", input_range="-1..1"))


def test_half_precision_ports_are_fed_halves(users, tmp_path):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(users / "inside.onnx")), tmp_path / "half.onnx")
    found, expected = (
        open_matting(MattingRequest(str(path))).matte(PHOTO) for path in (tmp_path / "half.onnx", users / "inside.onnx")
    )
    assert np.abs(found - expected).mean() < 1e-2


def test_what_is_no_matte_is_refused(tmp_path):
    weight = {"w": np.full((1, 3, 3, 3), 1.0)}
    proto = model(
        [node("Conv", "x w", "y", pads=[1] * 4)], inputs={"x": [1, 3, 64, 64]}, outputs=["y"], constants=weight
    )
    onnx.save(proto, tmp_path / "conv.onnx")
    with pytest.raises(ExportError, match=r"gives values from .* to 2\d"):
        open_matting(MattingRequest(str(tmp_path / "conv.onnx"), input_range="0..1")).matte(PHOTO)
    with pytest.raises(ExportError, match="is not MODNet: it has 27 parameters"):
        require_modnet(proto, tmp_path / "conv.onnx")


def test_modnet_is_told_by_its_size(small_onnx, tmp_path):
    require_modnet(small_onnx, tmp_path)
    assert opset({item.domain: item.version for item in small_onnx.opset_import}) == 18


@pytest.mark.parametrize("change", ["ir_version", "opset"])
def test_what_onnx_runtime_cannot_load_is_one_clear_error(users, tmp_path, change):
    proto = onnx.load(users / "ours.onnx")
    if change == "ir_version":
        proto.ir_version = 99
    else:
        proto.opset_import[0].version = 99
    onnx.save(proto, tmp_path / "new.onnx")
    with pytest.raises(ExportError, match=r"ONNX Runtime .* cannot load new.onnx: \w") as error:
        open_matting(MattingRequest(str(tmp_path / "new.onnx")))
    assert "/onnxruntime_src" not in str(error.value)


def test_an_op_that_does_not_run_is_one_clear_error(tmp_path):
    proto = model(
        [node("Reshape", "x shape", "y")],
        inputs={"x": [1, 3, "h", "w"]},
        outputs={"y": [1, 1, 7, 7]},
        constants={"shape": np.array([1, 1, 7, 7])},
    )
    onnx.save(proto, tmp_path / "odd.onnx")
    with pytest.raises(ExportError, match=r"odd.onnx gives no matte of 512x512: .*Reshape"):
        open_matting(MattingRequest(str(tmp_path / "odd.onnx"), input_range="0..1")).matte(PHOTO)


class TestArrays:
    @pytest.fixture(scope="class")
    def matting(self, users):
        return open_matting(MattingRequest(str(users / "ours.onnx")))

    def test_bytes_and_floats_of_one_image_give_one_matte(self, matting):
        as_bytes = (PHOTO * 255).round().astype(np.uint8)
        np.testing.assert_array_equal(matting.matte(as_bytes), matting.matte(PHOTO))
        np.testing.assert_array_equal(matting.matte(PHOTO.astype(np.float64)), matting.matte(PHOTO))

    @pytest.mark.parametrize(
        "image",
        [PHOTO * 255, PHOTO * 2 - 1, PHOTO[..., 0], PHOTO.transpose(2, 0, 1), PHOTO[:0], PHOTO * np.nan, PHOTO > 0.5],
        ids=["0 to 255", "-1 to 1", "grey", "channels first", "empty", "nan", "booleans"],
    )
    def test_any_other_array_is_refused(self, matting, image):
        with pytest.raises(ExportError, match="this array is not an image"):
            matting.matte(image)
