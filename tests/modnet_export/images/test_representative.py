from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from PIL import Image

from converters.errors import ExportError, ExportWarning
from modnet_export import ExportRequest, Size, export
from modnet_export.images import representative
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo, fit_image
from modnet_export.images.matting import MattingRequest, open_matting
from modnet_export.record import manifest
from modnet_export.verifying import metrics

SIZE = Size(height=96, width=128)


def someone(image_nhwc):
    return np.full((*image_nhwc.shape[:3], 1), 0.4, np.float32)


def nobody(image_nhwc):
    return np.zeros((*image_nhwc.shape[:3], 1), np.float32)


class TestImages:
    def test_built_in_set_is_varied_and_the_same_again(self):
        first, again = (representative.images(None, SIZE, someone) for _ in range(2))
        assert len(first) == representative.COUNT
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        assert all(image.shape == (1, 96, 128, 3) and 0 <= image.min() < image.max() <= 1 for image in first)
        alike = [i for i, a in enumerate(first) if any(np.abs(a - b).mean() < 0.005 for b in first[:i])]
        # In two forms, one of which changes nothing.
        assert len(alike) <= 6

    def test_large_folder_is_sampled_evenly(self, tmp_path):
        for index in range(150):
            save_image(tmp_path / f"{index:03}.png", demo_photo()[:, index : index + 60])
        found = representative.images(tmp_path, SIZE, someone)
        assert len(found) == representative.COUNT
        last = fit_image(demo_photo()[:, 149:209], (96, 128), "letterbox")[0]
        assert np.abs(found[-1] - last).max() < 0.01

    @pytest.mark.parametrize(("count", "taken"), [(1, 1), (12, 12), (13, 7), (34, 12), (102, 12)])
    def test_some_are_twelve_at_most_from_all_over(self, count, taken):
        found = representative.some([np.float32(index) for index in range(count)])
        assert len(found) == taken
        assert found[0] == 0
        assert len({after - before for before, after in itertools.pairwise(found)}) <= 1

    def test_images_without_anybody_are_named_in_a_warning(self, tmp_path):
        save_image(tmp_path / "wall.png", demo_photo())
        with pytest.warns(ExportWarning, match=r"1 of 1 calibration images have an empty matte \(wall\.png\)"):
            representative.images(tmp_path, SIZE, nobody)

    def test_an_image_that_is_of_no_use_is_left_out_and_named(self, tmp_path):
        Image.new("RGB", (96, 128), "#808080").resize((128, 96)).save(tmp_path / "grey.png")
        (tmp_path / "broken.jpg").write_bytes(b"no image")
        with pytest.raises(ExportError, match=r"cannot read broken.jpg as an image: .*, grey\.png is one colour"):
            representative.images(tmp_path, SIZE, someone)
        save_image(tmp_path / "photo.png", demo_photo())
        with pytest.warns(ExportWarning, match=r"2 of 3 calibration images were left out: .*broken\.jpg.*grey\.png"):
            assert len(representative.images(tmp_path, SIZE, someone)) == 1

    @pytest.mark.parametrize("content", [None, b"no image"], ids=["empty", "unreadable"])
    def test_folder_without_images_is_refused(self, tmp_path, content):
        if content is not None:
            (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(ExportError, match=r"no image to work on|cannot read a\.jpg"):
            representative.images(tmp_path, SIZE, someone)


@pytest.fixture(scope="module")
def quantized(exported):
    """Large enough for hair, small enough for a test, and a size that another test exports too."""
    precisions = ("fp32", "int8-weights", "int8-dynamic")
    return exported(size=Size(height=160, width=192), formats=("tflite",), precisions=precisions)


def held_out():
    """A portrait that calibration has not seen (matplotlib's Grace Hopper, US Navy, public domain), and flipped."""
    from matplotlib import cbook

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        photo = np.asarray(Image.open(file).convert("RGB"), np.float32) / np.float32(255)
    return [photo, photo[:, ::-1], photo[60:, 40:]]


@pytest.mark.parametrize("name", ["modnet_int8_weights.tflite", "modnet_int8_dynamic.tflite"])
def test_int8_keeps_the_matte_of_photographs_it_was_not_calibrated_on(quantized, name, tmp_path):
    from converters.tflite.weights import int8_weights

    plain = tmp_path / name
    arithmetic = "dynamic" if "dynamic" in name else "float"
    fp32 = (quantized / "modnet_fp32.tflite").read_bytes()
    plain.write_bytes(int8_weights(fp32, {}, arithmetic, compensate=False, keep_small=False))
    reference, ours, default = (
        open_matting(MattingRequest(str(path))) for path in (quantized / "modnet_fp32.tflite", quantized / name, plain)
    )
    errors = np.array(
        [[metrics.mad(model.matte(photo), reference.matte(photo)) for model in (ours, default)] for photo in held_out()]
    )
    # Default rounding of all weights costs about ten times as much (docs/quantization.md).
    assert errors[:, 0].mean() < 0.003
    assert errors[:, 0].mean() < 0.35 * errors[:, 1].mean()
    assert (quantized / name).stat().st_size < 0.28 * len(fp32)


def test_manifest_says_what_it_was_calibrated_with(quantized, dist):
    assert manifest.load(quantized).calibration == representative.BUILT_IN
    assert manifest.load(dist).calibration is None


def test_int8_weights_that_need_no_calibration_claim_none(tmp_path):
    out = tmp_path / "dist"
    export(
        ExportRequest(size=Size(height=64, width=96), formats=("coreml",), precisions=("int8",), tune="cpu", out=out)
    )
    assert manifest.load(out).calibration is None


def test_wrong_scale_of_one_weight_is_caught_and_located(quantized, tmp_path):
    from converters.tflite import builder as fb
    from modnet_export import VerifyRequest, verify
    from modnet_export.images import inputs
    from modnet_export.record import files

    for path in quantized.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "modnet_int8_weights.tflite"
    model = fb.read(path.read_bytes())
    graph = model.subgraphs[0]
    stored = [tensor for tensor in graph.tensors if tensor.type == fb.TensorType.INT8][5]
    stored.quantization.scale = stored.quantization.scale * 3
    weight = next(op.outputs[0] for op in graph.operators if graph.tensors[op.inputs[0]] is stored)
    reader = next(op for op in graph.operators if weight in op.inputs)
    path.write_bytes(fb.write(model))
    content = json.loads((tmp_path / "manifest.json").read_text())
    for item in content["artefacts"]:
        item["sha256"] = files.sha256(tmp_path / item["file"])
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    result = verify(VerifyRequest(tmp_path, inputs.builtin()[:1], bisect=True))
    assert [link.artefact for link in result.links if link.verdict == "failed"] == ["modnet_int8_weights.tflite"]
    assert result.guilty is not None
    assert result.guilty.stage == "TFLite weight compression"
    (suspect,) = result.suspects
    assert suspect.tensor == graph.tensors[reader.outputs[0]].name.decode()


def test_calibration_folder_is_used_and_recorded(tmp_path, capsys):
    from modnet_export.cli import main

    (tmp_path / "photos").mkdir()
    for index in range(3):
        save_image(tmp_path / "photos" / f"{index}.png", demo_photo()[index * 30 :])
    arguments = ["--size", "160x192", "--formats", "tflite", "--precisions", "int8-weights", "--tune", "cpu", "--json"]
    arguments += ["--tolerance", "mad=0.05"]  # three pictures of one person
    with pytest.raises(SystemExit) as stop:
        main(["export", *arguments, "--calibration", str(tmp_path / "photos"), "--out", str(tmp_path / "dist")])
    assert not stop.value.code, capsys.readouterr().err
    assert manifest.load(tmp_path / "dist").calibration == str(tmp_path / "photos")


def test_explain_names_the_worst_ops_and_draws_them(quantized, tmp_path, capsys):
    from modnet_export.cli import main

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["explain", *map(str, arguments)])
        return int(stop.value.code or 0), capsys.readouterr()

    model = quantized / "modnet_int8_weights.tflite"
    code, printed = call(model, "-o", tmp_path / "snr.png")
    assert code == 0
    assert "CONV_2D" in printed.out
    assert Image.open(tmp_path / "snr.png").size[0] > 800
    found = json.loads(call(model, "--json")[1].out)
    assert len(found) > 200
    assert found[0]["snr_db"] == 120
    assert 30 < found[-1]["snr_db"] < 70
    code, printed = call(model, "--against", quantized / "nothing.tflite")
    assert code == 2
    assert "cannot load nothing.tflite" in printed.err
