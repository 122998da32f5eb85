"""verify, report, bench and explain on models without a manifest, as a user calls them."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import onnx
import pytest

from modnet_export import Size
from tests.modnet_export.verifying.foreign import faulty


@pytest.fixture
def sound(small_onnx, tmp_path):
    onnx.save(small_onnx, tmp_path / "sound.onnx")
    return tmp_path / "sound.onnx"


@pytest.fixture
def swapped(small_onnx, tmp_path):
    """A file that reads BGR."""
    model = onnx.ModelProto()
    model.CopyFrom(small_onnx)
    faulty.bgr(model)
    onnx.save(model, tmp_path / "swapped.onnx")
    return tmp_path / "swapped.onnx"


def test_a_sound_file_passes_and_says_how_it_was_read(run, sound):
    code, out, _ = run("verify", sound, "--checkpoint", "demo")
    assert code == 0
    words = " ".join(out.split())
    assert "sound.onnx, held to the limits of fp32, was read as" in words
    assert "RGB from 0 to 1: x = rgb / 255.0" in words and "found by its behaviour" in words


def test_a_wrong_file_fails_with_the_cause_the_effect_and_the_mend(run, swapped, sound, tmp_path):
    found = tmp_path / "verify.xml"
    code, out, err = run("verify", sound, swapped, "--checkpoint", "demo", "--bisect", "--junit", found, "--json")
    assert code == 1
    result = json.loads(out)
    (diagnosis,) = result["diagnoses"]
    assert (diagnosis["artefact"], diagnosis["hypotheses"]) == ("swapped.onnx", ["BGR"])
    assert diagnosis["left"] < 1e-4 < diagnosis["without"]
    (suspect,) = result["suspects"]
    assert suspect["op"].startswith("Gather")
    assert {item["artefact"] for item in result["assumed"]} == {"sound.onnx", "swapped.onnx"}
    assert "swapped.onnx is the first that differs: cv2.cvtColor" in err
    failures = {case.get("classname") for case in ElementTree.parse(found).iter("testcase") if len(case)}
    assert failures == {"swapped.onnx"}


def test_a_result_is_a_baseline_and_a_report(run, sound, swapped, tmp_path):
    code, out, _ = run("verify", sound, "--checkpoint", "demo", "--json")
    earlier = tmp_path / "earlier.json"
    earlier.write_text(out, encoding="utf-8")
    assert code == 0
    assert run("verify", sound, "--checkpoint", "demo", "--baseline", earlier)[0] == 0
    assert run("verify", swapped, "--checkpoint", "demo", "--baseline", earlier)[0] == 2
    page = tmp_path / "page.html"
    assert run("report", sound, "--checkpoint", "demo", "--results", earlier, "-o", page)[0] == 0
    assert "rgb / 255.0" in page.read_text(encoding="utf-8")
    assert run("report", swapped, "--checkpoint", "demo", "-o", tmp_path / "page.md")[0] == 1
    assert "`swapped.onnx`, BGR" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_the_reference_may_be_an_onnx_model(run, sound, swapped):
    assert run("verify", sound, "--checkpoint", sound)[0] == 0
    code, out, _ = run("verify", swapped, "--checkpoint", sound, "--json")
    assert code == 1
    assert json.loads(out)["diagnoses"][0]["hypotheses"] == ["BGR"]


def test_a_tolerance_is_for_a_file_its_format_or_its_precision(run, swapped):
    code, *_ = run("verify", swapped, "--checkpoint", "demo", "--tolerance", "noise_ratio=1e9")
    assert code == 0
    code, _, err = run("verify", swapped, "--checkpoint", "demo", "--tolerance", "nonsense=1")
    assert code == 2 and "nonsense" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--checkpoint PATH"),
        (("--checkpoint", "demo", "--fp16-safety"), "leave --fp16-safety out"),
        (("--checkpoint", "demo", "--bundle", "replay.zip"), "leave --bundle out"),
        (("--checkpoint", "demo", "--size", "64x64"), "leave --size out"),
        (("--checkpoint", "demo", "--delegate", "gpu"), "cpu, which runs every file"),
    ],
)
def test_mistakes_are_one_clear_error(run, sound, arguments, message):
    code, out, err = run("verify", sound, *arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert not out and "Traceback" not in err


def test_options_for_other_peoples_models_are_refused_with_a_folder(run, dist):
    for command, option in (("verify", "--size"), ("report", "--size"), ("bench", "--size")):
        code, _, err = run(command, dist, option, "64x64")
        assert code == 2 and "--size" in err


def test_bench_times_it_on_its_own_type_and_judges_it_where_its_checkpoint_is_known(run, swapped, dist, tmp_path):
    theirs = tmp_path / "theirs.tflite"
    theirs.write_bytes((dist / "modnet_fp32.tflite").read_bytes())
    code, out, _ = run("bench", theirs, "--runs", 2, "--json")
    assert code == 0
    (measured,) = json.loads(out)["runs"]
    assert measured["name"] == "theirs.tflite 1T" and len(measured["samples_ms"]) == 2
    code, out, err = run("bench", theirs, swapped, "--checkpoint", "demo", "--runs", 2)
    assert code == 1
    words = " ".join(out.split())
    assert "theirs.tflite 1T: gives the reference's matte" in words and "swapped.onnx 1T: DIFFERS" in words
    assert "swapped.onnx 1T: its matte is off by" in " ".join(err.split())


@pytest.mark.parametrize("option", [("--target", "qemu-arm64"), ("--profile",), ("--artefact", "sound.onnx")])
def test_bench_of_a_file_is_of_latency_on_this_machine(run, sound, option):
    code, _, err = run("bench", sound, *option)
    assert code == 2 and option[0] in err


def test_explain_compares_it_with_its_checkpoint(run, swapped, sound):
    code, _, err = run("explain", sound)
    assert code == 2 and "--checkpoint PATH" in err
    code, out, _ = run("explain", sound, "--checkpoint", "demo", "--json")
    assert code == 0
    rows = json.loads(out)
    assert len(rows) > 100
    assert rows[-1]["op"] == "Sigmoid" and rows[-1]["snr_db"] > 90
    code, _, err = run("explain", swapped, "--checkpoint", "demo")
    assert code == 2 and "verify says what is wrong" in " ".join(err.split())


def test_fp16_safety_of_a_float_tflite(run, exported, tmp_path):
    made = exported(size=Size(height=160, width=192), formats=("tflite",), precisions=("fp16",))
    theirs = tmp_path / "theirs.tflite"
    theirs.write_bytes((made / "modnet_fp16.tflite").read_bytes())
    code, out, _ = run("verify", theirs, "--checkpoint", "demo", "--fp16-safety", "--json")
    assert code == 0
    (safety,) = json.loads(out)["half"]
    assert safety["artefact"] == "theirs.tflite" and safety["passed"]
