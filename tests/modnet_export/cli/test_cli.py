from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.runtimes import open_runtime
from modnet_export.record.contract import Size

MODELS = ["modnet_fp32.onnx", "modnet_opt_fp32.onnx", "modnet_fp32.tflite", "modnet_fp16.tflite"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    from modnet_export.images.imaging import demo_photo

    folder = tmp_path_factory.mktemp("photos")
    photo = (demo_photo() * 255).astype(np.uint8)
    Image.fromarray(photo[:400]).save(folder / "wide.jpg")
    Image.fromarray(photo[:, 100:420]).save(folder / "tall.png")
    return folder


def assert_one_screen(text: str) -> None:
    assert "Traceback" not in text
    assert 0 < len(text.splitlines()) < 40


def test_help_imports_no_heavy_library():
    """What makes --help answer at once."""
    code = (
        "import sys; from modnet_export.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print(sorted({'torch', 'tensorflow', 'onnx', 'numpy', 'cv2', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("export", "verify", "report", "explain", "inspect", "matte", "demo", "doctor"):
        assert command in done.stdout


def test_installed_command_answers():
    command = Path(sys.executable).with_name("modnet-export")
    done = subprocess.run([command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "modnet-export" in done.stdout


def test_export_prints_a_table_and_what_to_do_next(run, tmp_path):
    code, out, _ = run("export", "--size", "64x96", "--formats", "onnx", "--out", tmp_path / "dist")
    assert code == 0
    for part in ("modnet_opt_fp32.onnx", "passed", "max / noise <= 8", "Next: modnet-export matte"):
        assert part in out
    assert max(len(line) for line in out.splitlines() if "passed" in line or "verdict" in line) <= 80


def test_export_prints_json_for_machines(run, tmp_path):
    code, out, _ = run("export", "--size", "64", "--formats", "onnx", "--out", tmp_path / "dist", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "dist" / "manifest.json").read_text())


def test_verify_passes_and_fails_by_exit_code(run, dist):
    assert run("verify", dist)[0] == 0
    code, out, err = run("verify", dist, "--tolerance", "max_abs_difference=1e-12")
    assert code == 1
    assert "FAILED" in out
    assert "4 check(s) failed" in err
    assert "modnet_fp32.onnx is the first in the chain that differs: look at ONNX export" in err
    assert_one_screen(err)


def test_verify_refuses_a_changed_file(run, dist, tmp_path):
    (tmp_path / "manifest.json").write_bytes((dist / "manifest.json").read_bytes())
    code, _, err = run("verify", tmp_path)
    assert code == 1
    assert "6 file(s) are not what was exported" in err
    assert_one_screen(err)


@pytest.mark.parametrize("name", MODELS)
def test_inspect_shows_the_model(run, dist, name):
    code, out, _ = run("inspect", dist / name)
    assert code == 0
    assert "MACs" in out
    assert ("XNNPACK runs" in out and "(100%)" in out) == name.endswith(".tflite")
    code, out, _ = run("inspect", dist / name, "--json")
    assert json.loads(out)["parameters"] > 6e6


@pytest.mark.parametrize("model", [*MODELS, "demo"])
def test_matte_of_one_image(run, dist, photos, tmp_path, model):
    path = model if model == "demo" else dist / model
    code, out, _ = run("matte", path, photos / "wide.jpg", "-o", tmp_path / "alpha.png")
    assert code == 0, out
    matte = np.asarray(Image.open(tmp_path / "alpha.png"))
    assert matte.shape == (400, 512)
    assert matte[200:350, 200:240].mean() > 200 > 100 > matte[:30, 330:380].mean()


@pytest.mark.parametrize("fit", ["letterbox", "stretch", "released"])
@pytest.mark.parametrize("background", ["transparent", "#336699", "blur", "image"])
def test_matte_of_a_folder_onto_a_background(run, dist, photos, tmp_path, fit, background):
    behind = photos / "tall.png" if background == "image" else background
    arguments = ("matte", dist / "modnet_fp32.tflite", photos, "-o", tmp_path, "--fit", fit, "--background", behind)
    code, out, _ = run(*arguments)
    assert code == 0
    assert "Wrote 2 image(s)" in out
    for name, size in {"wide.png": (512, 400), "tall.png": (320, 512)}.items():
        image = Image.open(tmp_path / name)
        assert image.size == size
        assert image.mode == ("RGBA" if background == "transparent" else "RGB")


def test_matte_of_names_that_differ_only_in_their_suffix_are_both_kept(run, dist, photos, tmp_path):
    for suffix in ("jpg", "png"):
        Image.open(photos / "tall.png").save(tmp_path / f"same.{suffix}")
    assert run("matte", dist / "modnet_fp32.onnx", tmp_path, "-o", tmp_path / "out")[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"same_jpg.png", "same_png.png"}


def test_corrupt_image_in_a_folder_is_reported_and_the_rest_goes_on(run, dist, photos, tmp_path):
    (tmp_path / "in").mkdir()
    for path in photos.iterdir():
        (tmp_path / "in" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    code, out, err = run("matte", dist / "modnet_fp32.onnx", tmp_path / "in", "-o", tmp_path / "out")
    assert code == 2
    assert "Wrote 2 image(s)" in out
    assert "broken.jpg" in err
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_doctor_says_what_there_is_and_how_to_get_the_rest(run):
    code, out, _ = run("doctor", "--json")
    findings = {item["capability"]: item for item in json.loads(out)}
    assert code == 0
    assert findings["LiteRT"]["found"].startswith("ai-edge-litert")
    assert all(item["found"] or item["get_it"] for item in findings.values())
    assert run("doctor")[0] == 0


def test_doctor_finds_tools_by_running_them(run, tmp_path, monkeypatch):
    tool = tmp_path / "adb"
    tool.write_text("#!/bin/sh\necho 'Android Debug Bridge version 1.0.41'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    findings = {item["capability"]: item for item in json.loads(run("doctor", "--json")[1])}
    assert findings["adb"]["found"] == "Android Debug Bridge version 1.0.41"
    tool.write_text("#!/bin/sh\nexit 1\n")
    findings = {item["capability"]: item for item in json.loads(run("doctor", "--json")[1])}
    # One that fails is passed over for the one in the wheel.
    assert findings["adb"]["found"].startswith("the one that comes with adbutils")


BAD_INPUT = {
    "missing_checkpoint": (("export", "--checkpoint", "nope.ckpt"), "there is no checkpoint"),
    "bad_size": (("export", "--size", "100x100"), "multiples of 32"),
    "one_function": (("export", "--size", "64", "--coreml-multifunction"), "there is one size"),
    "unknown_format": (("export", "--formats", "onnx,caffe"), "'caffe' is not a choice"),
    "unknown_precision": (("export", "--precisions", "int3"), "'int3' is not a choice"),
    "empty_list": (("export", "--formats", ","), "is not a choice"),
    "format_without_precision": (("export", "--formats", "onnx", "--precisions", "fp16"), "onnx comes in fp32"),
    "unwritable_folder": (("export", "--out", "/proc/nope/dist"), "cannot write to"),
    "no_manifest": (("verify", "."), "holds no manifest.json"),
    "inspect_text": (("inspect", "README.md"), "a .onnx, .tflite or .mlpackage"),
    "missing_model": (("matte", "nope.tflite", "photo.png", "-o", "x.png"), "cannot load nope.tflite"),
    "bad_background": (("matte", "demo", "photo.png", "-o", "x.png", "--background", "??"), "is not a background"),
    "no_images": (("matte", "demo", ".", "-o", "x.png"), "there is no image"),
    "fit_for_checkpoint": (
        ("matte", "demo", "photo.png", "-o", "x.png", "--fit", "stretch"),
        "nothing to stretch",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_clear_message(run, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD_INPUT[case]
    code, _, err = run(*arguments)
    assert code == 2
    assert message in " ".join(err.split())
    assert_one_screen(err)
    assert list(tmp_path.iterdir()) == []


def test_many_images_into_one_file_is_refused(run, dist, photos, tmp_path):
    code, _, err = run("matte", dist / "modnet_fp32.onnx", photos, "-o", tmp_path / "one.png")
    assert code == 2
    assert "a folder" in err


@pytest.mark.long
def test_full_disk_is_one_clear_message(tmp_path):
    """A real one: a file-size limit of 5 MB that the kernel enforces."""
    code = (
        "import resource, signal; from modnet_export.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))\n"
        f"main(['export', '--size', '64', '--formats', 'onnx', '--out', {str(tmp_path / 'dist')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot read or write a file: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_interruption_leaves_nothing_behind(tmp_path):
    import signal

    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "modnet_export",
            "export",
            "--size",
            "64",
            "--formats",
            "onnx",
            "--out",
            tmp_path / "dist",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "writing modnet_opt_fp32.onnx" in line:
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    # A shell shows 130 for both. CPython ends itself by the signal, for all that the exception was handled,
    # when it arrived within an exec() of text, as dataclasses do while they are imported.
    assert process.wait() in (130, -signal.SIGINT)
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_explaining_models_of_two_sizes_is_refused(run, dist, exported):
    other = exported(size=Size(height=64, width=96), formats=("onnx",))
    code, _, err = run("explain", dist / "modnet_fp32.onnx", "--against", other / "modnet_fp32.onnx")
    assert code == 2
    assert "takes 96x128 images, modnet_fp32.onnx 64x96" in err


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_name_that_the_terminal_has_no_characters_for(dist, photos, tmp_path, encoding):
    name = "портрет-🙂" + os.fsdecode(b"\xff")
    (tmp_path / f"{name}.png").write_bytes((photos / "tall.png").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "modnet_export", "matte", dist / "modnet_fp32.onnx", f"{name}.png", "-o", name],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(__file__).parents[3])},
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name / f"{name}.png").is_file()
    assert done.stdout.startswith(b"Wrote 1 image(s) to ")


def test_json_stays_json_where_the_terminal_lacks_a_character(dist, tmp_path):
    target = tmp_path / "модель🙂.onnx"
    target.write_bytes((dist / "modnet_fp32.onnx").read_bytes())
    done = subprocess.run(
        [sys.executable, "-m", "modnet_export", "inspect", target, "--json"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
    )
    assert json.loads(done.stdout)["file"] == target.name


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("report", "DIST", "--results", "x.json", "--tolerance", "mad=1"), "--tolerance"),
        (("verify", "DIST", "--cluster", "tcp://host:1"), "--cluster"),
        (("explain", "DIST/modnet_fp32.tflite", "--images", "DIST", "--against", "y.tflite"), "--against"),
        (("explain", "DIST/modnet_fp32.tflite", "--images", "DIST", "-o", "y.png"), "--plot"),
        (("explain", "DIST/modnet_fp32.tflite", "--images", "DIST", "--image", "y.png"), "--image"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(run, dist, arguments, named):
    code, _, err = run(*(argument.replace("DIST", str(dist)) for argument in arguments))
    assert code == 2
    assert f"where:    {named}\n" in err


def test_the_size_is_the_only_one_that_a_users_own_model_takes(dist, modnet, tmp_path):
    import onnx

    from modnet_export.cli.export import ExportOptions
    from tests.official import official

    dynamic_onnx = tmp_path / "dynamic.onnx"
    onnx.save(official("opset11_official", modnet), dynamic_onnx)
    sizes = [ExportOptions(str(path)).requests()[0].size for path in (dist / "modnet_fp32.onnx", dynamic_onnx)]
    assert sizes == [Size(height=96, width=128), Size(height=512, width=512)]
    assert ExportOptions(str(dynamic_onnx), size=["96x128"]).requests()[0].size == sizes[0]


def test_each_size_gets_a_folder_of_its_own(run, tmp_path):
    """Whole exports: what takes a folder takes each of them."""
    out = tmp_path / "dist"
    arguments = ("export", "--formats", "onnx", "--precisions", "fp32", "--out", str(out), "--json")
    code, stdout, _ = run(*arguments, "--size", "64x32", "--size", "32x64", "--size", "64x32")
    assert code == 0
    assert [(item["size"]["height"], item["size"]["width"]) for item in json.loads(stdout)] == [(64, 32), (32, 64)]
    assert {path.name for path in out.iterdir()} == {"64x32", "32x64"}
    for folder in out.iterdir():
        assert "x".join(map(str, open_runtime(folder / "modnet_fp32.onnx").size)) == folder.name


def test_wrong_second_size_is_refused_before_the_first_is_exported(run, tmp_path):
    out = tmp_path / "dist"
    (out / "64x32").mkdir(parents=True)
    (out / "64x32/mine").touch()
    code, _, err = run("export", "--out", str(out), "--size", "32x64", "--size", "64x33")
    assert (code, list(out.iterdir())) == (2, [out / "64x32"])
    assert "'64x33' is not a size" in err
    code, _, err = run("export", "--out", str(out), "--size", "32x64", "--size", "64x32", "--pareto", "a.png")
    assert code == 2
    assert "--pareto" in err


def test_a_budget_is_taken_where_a_search_runs_for_onnx():
    from modnet_export.cli.export import ExportOptions

    request = ExportOptions(formats="onnx", precisions="int8", budget="mad<=0.002").requests()[0]
    assert [row.file for row in request.searched] == ["modnet_int8.onnx"]


def test_demo_lists_everything_that_it_leaves(run, tmp_path, monkeypatch):
    from modnet_export import Size
    from modnet_export.exporting import run as exporting

    export = exporting.export
    small = Size(height=64, width=96)
    monkeypatch.setattr(exporting, "export", lambda request, progress: export(replace(request, size=small), progress))
    code, out, _ = run("demo", "--out", tmp_path / "dist")
    assert code == 0
    listed = out[out.index("now holds") : out.index("Next, ")].splitlines()[1:]
    assert {line.split()[0] for line in listed if line.strip()} == {path.name for path in (tmp_path / "dist").iterdir()}
