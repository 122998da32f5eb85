"""What would end a command after minutes ends it at once; what people expect of any command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from converters.errors import ExportWarning
from modnet_export.record import files, manifest
from modnet_export.terminal import progress

ROOT = Path(__file__).parents[3]

EARLY = {
    "a folder of photographs that is not there": (
        ("export", "--precisions", "int8", "--formats", "tflite", "--calibration", "nowhere", "--out", "OUT"),
        "--calibration",
    ),
    "a folder without a photograph": (
        ("export", "--precisions", "int8", "--formats", "tflite", "--calibration", "EMPTY", "--out", "OUT"),
        "EMPTY",
    ),
    "a plot in no folder": (
        ("export", "--precisions", "int8", "--formats", "tflite", "--pareto", "nowhere/p.png", "--out", "OUT"),
        "--pareto",
    ),
    "a tolerance for nothing": (("export", "--tolerance", "TOML", "--out", "OUT"), "--tolerance"),
    "a page in no folder": (("report", "DIST", "-o", "nowhere/r.html"), "--out"),
    "a page that is a folder": (("report", "DIST", "-o", "EMPTY.html"), "--out"),
    "a JUnit file in no folder": (("verify", "DIST", "--junit", "nowhere/j.xml"), "--junit"),
    "a bundle in no folder": (("verify", "DIST", "--bundle", "nowhere/b.zip"), "--bundle"),
    "a result in no folder": (("bench", "DIST", "-o", "nowhere/b.json"), "--out"),
    "numbers over a photograph": (("bench", "DIST", "-o", "photo.png"), "--out"),
    "a page over a document": (("report", "DIST", "-o", "r.pdf"), "--out"),
    "a plot over a page": (("explain", "DIST/modnet_fp16.tflite", "-o", "r.html"), "--plot"),
    "a plot of a search over numbers": (
        ("export", "--precisions", "int8", "--formats", "tflite", "--pareto", "p.json", "--out", "OUT"),
        "--pareto",
    ),
    "XML over a photograph": (("verify", "DIST", "--junit", "photo.png"), "--junit"),
    "a bundle over a photograph": (("verify", "DIST", "--bundle", "photo.png"), "--bundle"),
    "a plot of drift in no folder": (("explain", "DIST/modnet_fp16.tflite", "-o", "nowhere/p.png"), "--plot"),
}


@pytest.mark.parametrize("case", EARLY)
def test_it_ends_before_anything_long(run, dist, tmp_path, monkeypatch, case):
    from modnet_export.exporting import run as exporting
    from modnet_export.model import reference

    def long(*_):
        raise AssertionError("the network was loaded")

    monkeypatch.setattr(reference, "load", long)
    monkeypatch.setattr(exporting, "beside", long)
    monkeypatch.chdir(tmp_path)
    Path("EMPTY").mkdir()
    Path("EMPTY.html").mkdir()
    Path("t.toml").write_text("[int3]\nmad = 1\n")
    arguments, named = EARLY[case]
    code, _, err = run(*(item.replace("DIST", str(dist)).replace("TOML", "t.toml") for item in arguments))
    assert code == 2, err
    assert f"where:    {named}" in err
    assert {path.name for path in tmp_path.iterdir()} == {"EMPTY", "EMPTY.html", "t.toml"}


def test_a_home_that_cannot_be_written_is_said_and_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(ExportWarning, match=r"work that is stopped starts again.*MODNET_EXPORT_CACHE"):
        assert files.kept_in_cache("search") is None
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
    assert files.kept_in_cache("search") == tmp_path / "cache" / "search"


def test_what_misses_its_limits_is_kept_and_marked(run, tmp_path):
    options = (
        "--size",
        "64x96",
        "--formats",
        "onnx",
        "--precisions",
        "fp32",
        "--tolerance",
        "max_abs_difference=1e-12",
    )
    out = tmp_path / "dist"
    code, table, err = run("export", *options, "--keep-failing", "--out", out)
    assert code == 1
    assert "modnet_fp32.onnx" in err
    assert "with 0 verified models" in table
    assert not manifest.load(out).passed
    photo = tmp_path / "photo.png"
    Image.new("RGB", (96, 64)).save(photo)
    asked = ("matte", out / "modnet_fp32.onnx", photo, "-o", tmp_path / "matte.png")
    code, _, err = run(*asked)
    assert (code, "missed its limits" in err, "--force" in err) == (1, True, True)
    assert run(*asked, "--force")[0] == 0


@pytest.mark.parametrize(("limit", "code"), [("max_abs_difference=1e-12", 1), ("mad=0.5", 0)])
def test_a_tolerance_for_the_export_is_held_and_recorded(run, tmp_path, limit, code):
    options = ("--size", "64x96", "--formats", "onnx", "--tolerance", limit)
    found, _, err = run("export", *options, "--out", tmp_path / "dist")
    assert found == code, err
    assert (tmp_path / "dist").exists() == (code == 0)
    if code == 0:
        artefacts = json.loads((tmp_path / "dist" / "manifest.json").read_text())["artefacts"]
        assert artefacts[0]["tolerance"] == {"noise_ratio": 8, "mad": 0.5}


def test_a_checkpoint_that_moved_is_asked_for(run, dist, tmp_path, monkeypatch):
    shutil.copytree(dist, tmp_path / "dist")
    manifest = json.loads((dist / "manifest.json").read_text())
    manifest["source"]["name"] = "weights/mine.ckpt"
    (tmp_path / "dist" / "manifest.json").write_text(json.dumps(manifest))
    for command in ("verify", "report"):
        code, _, err = run(command, tmp_path / "dist", *(["-o", tmp_path / "r.html"] if command == "report" else []))
        assert code == 2
        assert "name its new place: --checkpoint PATH" in err


def test_version(run):
    from importlib.metadata import version

    assert run("--version") == (0, f"modnet-export {version('modnet-export')}\n", "")


@pytest.mark.parametrize(("shell", "words"), [("bash", "modnet-export ex"), ("zsh", "modnet-export ex")])
def test_the_shell_completes_commands(shell, words):
    done = subprocess.run(
        [sys.executable, "-c", "from modnet_export.cli import main; main()"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "_MODNET_EXPORT_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": words,
            "COMP_CWORD": "1",
            "_TYPER_COMPLETE_ARGS": words,
        },
        capture_output=True,
        text=True,
    )
    assert {"export", "explain"} <= set(done.stdout.replace('"', " ").split()), done


def test_matte_prints_json(run, dist, tmp_path):
    Image.new("RGB", (40, 40), "teal").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    model = dist / "modnet_fp32.onnx"
    code, out, _ = run("matte", model, tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "out", "--json")
    assert code == 2
    good, bad = json.loads(out)["images"]
    assert good == {"image": str(tmp_path / "a.png"), "out": str(tmp_path / "out" / "a.png"), "error": None}
    assert bad["out"] is None
    assert "cannot read b.png" in bad["error"]


def test_report_prints_the_result_as_json(run, dist, tmp_path):
    code, out, err = run("verify", dist, "--json")
    assert code == 0, err
    (tmp_path / "r.json").write_text(out)
    page = tmp_path / "r.md"
    assert run("report", dist, "--results", tmp_path / "r.json", "-o", page, "--json")[1] == out
    assert page.is_file()


def test_an_interrupt_that_a_library_drops_is_raised_again(monkeypatch):
    import signal

    monkeypatch.setattr(progress, "_interrupted", False)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        progress.heed_interrupts()
        with progress.stages() as tell:
            tell("working")
            with suppress(KeyboardInterrupt):  # as Python does with one that comes in a callback
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                tell("working on")
        progress.heed_interrupts()  # the next run of the command line, in the same process
        with progress.stages() as tell:
            tell("working")
    finally:
        signal.signal(signal.SIGINT, before)
