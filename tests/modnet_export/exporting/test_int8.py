"""int8 and int8-mixed as their users get them: exported, judged on photographs that nothing was calibrated on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
from PIL import Image

from converters.budget import Budget
from converters.errors import ExportWarning
from converters.tflite import builder as fb
from modnet_export import ExportRequest, Size, VerifyRequest, export, verify
from modnet_export.cli import main
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo
from modnet_export.images.inputs import builtin
from modnet_export.images.matting import MattingRequest, open_matting
from modnet_export.record import manifest
from modnet_export.record.recipes import RECIPES
from modnet_export.verifying import metrics
from modnet_export.verifying.tolerances import ToleranceChanges
from tests.modnet_export.conftest import BUDGET
from tests.modnet_export.images.test_representative import held_out


def call(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(map(str, arguments)))
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def exported(integer):
    """``dist``, its searches in ``cache``, and the plot. Read only."""
    return integer


# That of ``small_onnx``: each search builds and measures some ten models.
SMALL = Size(height=96, width=128)


@pytest.fixture
def searched(shared, small_onnx, tmp_path, monkeypatch):
    """``int8-mixed`` at a size and with photographs that suit a second search; its state for that one to go on with."""

    loose = ["--tolerance", "mad=0.1"]  # it is judged on another image than the three

    def make(folder):
        onnx.save(small_onnx, folder / "modnet.onnx")
        (folder / "photos").mkdir()
        for number, photo in enumerate(held_out()):
            save_image(folder / "photos" / f"{number}.png", photo)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MODNET_EXPORT_CACHE", str(folder / "cache"))
            assert call("export", *again(folder), "--out", folder / "dist", "--budget", "mad<=0.003", *loose) == 0

    folder = shared("searched", make)
    shutil.copytree(folder / "cache", tmp_path / "cache")
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
    return folder


def again(searched):
    wanted = ["--formats", "tflite", "--precisions", "int8-mixed", "--size", str(SMALL)]
    return ["--checkpoint", searched / "modnet.onnx", *wanted, "--calibration", searched / "photos"]


MIXED = "modnet_int8_mixed.tflite"


def artefact(exported, precision, kind="tflite"):
    recorded = manifest.load(exported / "dist")
    return next(item for item in recorded.artefacts if item.precision == precision and item.format == kind)


@pytest.mark.parametrize(
    ("kind", "precision", "limit", "size"),
    [
        ("tflite", "int8", 0.012, 0.285),
        ("tflite", "int8-mixed", 0.012, 0.285),
        ("tflite", "int4-weights", 0.04, 0.165),
        ("onnx", "int8", 0.012, 0.31),
    ],
)
def test_the_matte_of_held_out_photographs_stays(exported, kind, precision, limit, size):
    """At a size that suits a test; what 512x512 has is in docs/quantization.md."""
    item = artefact(exported, precision, kind)
    ours, reference = (
        open_matting(MattingRequest(str(exported / "dist" / name))) for name in (item.file, "modnet_fp32.tflite")
    )
    errors = [metrics.mad(ours.matte(photo), reference.matte(photo)) for photo in held_out()]
    assert np.mean(errors) < limit
    assert item.bytes < size * artefact(exported, "fp32").bytes


def test_onnx_has_integer_convolutions_and_byte_weights(exported):
    graph = onnx.load(exported / "dist" / "modnet_int8.onnx").graph
    made = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    pairs = [tuple(made[name].op_type if name in made else "" for name in node.input[:2]) for node in convolutions]
    # Both inputs dequantized: ONNX Runtime fuses those to integer convolutions. The weight only: float arithmetic.
    assert pairs.count(("DequantizeLinear", "DequantizeLinear")) >= 15
    stored = {item.name: item for item in graph.initializer}
    large = [item for item in stored.values() if np.prod(item.dims) > 16384 and len(item.dims) == 4]
    assert large
    assert {item.data_type for item in large} <= {onnx.TensorProto.INT8, onnx.TensorProto.FLOAT}
    whole = sum(np.prod(item.dims) for item in large)
    assert sum(np.prod(i.dims) for i in large if i.data_type == onnx.TensorProto.INT8) > 0.95 * whole


def test_coverage_names_ranges_that_other_images_exceed(exported, tmp_path, capsys):
    """Photographs like those of calibration exceed nothing; noise, which no photograph is like, does."""

    def beyond(folder):
        assert call("explain", exported / "dist" / "modnet_int8.tflite", "--images", folder, "--json") == 0
        return [row["beyond_calibration"] for row in json.loads(capsys.readouterr().out)]

    (tmp_path / "usual").mkdir()
    (tmp_path / "odd").mkdir()
    save_image(tmp_path / "usual" / "photo.png", demo_photo())
    noise = np.random.default_rng(0).integers(0, 2, (300, 300, 3)).astype(np.uint8) * 255
    Image.fromarray(noise).save(tmp_path / "odd" / "noise.png")
    usual, odd = beyond(tmp_path / "usual"), beyond(tmp_path / "odd")
    assert len(usual) > 10
    assert max(usual) < 0.002
    assert max(odd) > 2 * max(usual)
    assert call("explain", exported / "dist" / "modnet_int8.tflite", "--images", tmp_path / "odd") == 0
    assert "int8 ranges are exceeded on these images" in capsys.readouterr().out
    assert call("explain", exported / "dist" / "modnet_fp32.tflite", "--images", tmp_path / "odd") == 2
    assert "has no int8 activations" in capsys.readouterr().err


def test_explain_finds_its_way_through_an_int8_graph(exported, capsys):
    assert call("explain", exported / "dist" / "modnet_int8.tflite", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) > 200
    assert 15 < found[-1]["snr_db"] < 70
    # Equalised channels are compared at their parents' scale: no tensor is unlike its parent's.
    assert min(item["snr_db"] for item in found) > 0


def test_bisect_blames_no_op_where_rounding_is_the_cause(exported, tmp_path):
    """Neither an intended scale nor an op that does what its parent's does."""
    gate = tmp_path / "gate.toml"
    gate.write_text("".join(f"[{precision}]\nmad = 1e-9\n" for precision in ("int8", "int8-mixed", "int4-weights")))
    request = VerifyRequest(
        exported / "dist", builtin()[:1], tolerances=ToleranceChanges.parse([str(gate)]), bisect=True
    )
    found = verify(request).suspects
    assert len(found) == 4
    assert all(item.rounding for item in found), found


def test_most_multiplications_are_int8_and_the_manifest_says_how_that_came(exported):
    for precision in ("int8", "int8-mixed"):
        found = artefact(exported, precision).search
        assert found.budget == f"mad<={BUDGET:g}"
        assert found.held
        assert found.chosen.mad <= BUDGET
        assert found.chosen.integer_macs > 0.5
        assert found.chosen in found.points
        # The ends and what the bisection looked at.
        assert len(found.points) >= 9


def test_int8_takes_and_gives_bytes(exported):
    item = artefact(exported, "int8")
    for port, channels in ((item.contract.image, 3), (item.contract.matte, 1)):
        assert (port.dtype, port.layout, port.maximum) == ("uint8", "NHWC", 255)
        assert port.shape == (1, 160, 192, channels)
    assert artefact(exported, "int8-mixed").contract.image.dtype == "float32"


def test_verify_passes_them(exported):
    result = verify(VerifyRequest(exported / "dist"))
    assert all(link.verdict == "passed" for link in result.links), list(result.problems())


def test_pareto_is_a_picture_and_numbers(exported):
    assert Image.open(exported / "pareto.png").size[0] > 1000
    numbers = json.loads((exported / "pareto.json").read_text())
    assert set(numbers) == {"modnet_int8.onnx", "modnet_int8.tflite", "modnet_int8_mixed.tflite"}
    assert numbers["modnet_int8.tflite"]["chosen"]["integer_macs"] > 0.5


def test_a_search_goes_on_with_what_it_had_found(searched, tmp_path):
    (state,) = (tmp_path / "cache" / "search").glob("*.json")
    before = json.loads(state.read_text())
    out = tmp_path / "dist"
    assert call("export", *again(searched), "--out", out, "--budget", "mad<=0.01", "--tolerance", "mad=0.1") == 0
    after = json.loads(state.read_text())
    assert after["sensitivities"] == before["sensitivities"]
    assert after["points"][MIXED][: len(before["points"][MIXED])] == before["points"][MIXED]
    (item,) = manifest.load(out).artefacts
    assert (item.search.budget, item.tolerance.mad) == ("mad<=0.01", 0.1)
    assert item.search.chosen.integer_macs > artefact(searched, "int8-mixed").search.chosen.integer_macs


def test_a_budget_that_cannot_be_held_fails_and_writes_nothing(searched, tmp_path, capsys):
    out = tmp_path / "dist"
    assert call("export", *again(searched), "--out", out, "--budget", "mad<=1e-7") == 1
    assert "no choice of int8 holds mad<=1e-07" in (text := capsys.readouterr().err)
    assert "the nearest: mad" in text
    assert not out.exists()


def test_the_usual_budget_is_widened_with_a_warning_where_8_bit_weights_alone_break_it(searched, tmp_path, monkeypatch):
    tight = [replace(row, budget="mad<=1e-7") if row.precision == "int8" and row.budget else row for row in RECIPES]
    monkeypatch.setattr("modnet_export.exporting.request.RECIPES", tight)
    request = ExportRequest(
        checkpoint=str(searched / "modnet.onnx"),
        size=SMALL,
        formats=("tflite",),
        precisions=("int8",),
        calibration=searched / "photos",
        keep_failing=True,
    )
    with pytest.warns(ExportWarning, match="does not hold its usual mad<=1e-07"):
        found = export(replace(request, out=tmp_path / "dist")).artefacts[0].search
    in_float = max(found.points, key=lambda point: point.left_in_float)
    assert Budget.parse(found.budget).limits["mad"] == pytest.approx(1.5 * in_float.mad, rel=0.05)
    assert found.held


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precisions", "int8-mixed", "--budget", "mad=0.1"], "'mad=0.1' is not a bound"),
        (["--precisions", "fp32", "--budget", "mad<=0.1"], "there is nothing to search for"),
        (["--precisions", "int8-weights", "--pareto", "x.png"], "there is nothing to search for"),
        (["--precisions", "fp32", "--cpu-fp16"], "there is no file that could ask for fp16"),
    ],
)
def test_mistakes_are_one_clear_error(arguments, message, capsys, tmp_path):
    assert call("export", "--formats", "tflite", *arguments, "--out", tmp_path / "dist") == 2
    assert message in capsys.readouterr().err


def test_norms_stay_float_and_no_convolution_is_left_out(exported):
    found = fb.read((exported / "dist" / "modnet_int8.tflite").read_bytes())
    (graph,) = found.subgraphs
    names = [fb.operator_name(fb.builtin(found, op)) for op in graph.operators]
    whole = fb.read((exported / "dist" / "modnet_fp32.tflite").read_bytes())
    expected = [fb.operator_name(fb.builtin(whole, op)) for op in whole.subgraphs[0].operators]
    for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "SQRT", "LOGISTIC"):
        assert names.count(name) == expected.count(name)
