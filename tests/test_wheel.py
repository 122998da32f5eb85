"""The wheel holds all that the code reads, and does the main job outside the repository, without any extra."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo
from tests.modnet_export.ship.exports import export
from tests.modnet_export.ship.ios_projects import project as ios_project
from tests.modnet_export.ship.projects import project
from tests.test_extras import EXTRAS, HIDING

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.long

PACKAGES = ("modnet_export", "converters", "benchmarks")
KOTLIN = "android_demo/matting/src/main/kotlin/io/modnet/matting"
SWIFT = "ios_demo/MattingKit/Sources/MattingKit"
ONLY_TESTS = {"pymatting", "numba", "llvmlite", "skimage"}
"""What only tests import: no extra brings it."""
PEERS = (
    "executorch", "litert-quantizer", "litert-torch", "mnn", "ncnn", "oldest-litert", "onnx2tf", "onnx2tf-1",
    "tflite-runtime",
)  # fmt: skip

# What the code opens that is not Python, or is run as a file.
READ = (
    "modnet_export/data/modnet_demo.safetensors",
    "modnet_export/data/replay.py",
    "modnet_export/data/replay.sh",
    *(f"modnet_export/report/page.{kind}.j2" for kind in ("css", "html", "js")),
    "modnet_export/report/summary.md.j2",
    *(f"modnet_export/preview/page/{name}" for name in ("index.html", "style.css", "icon.svg", "js/app.js")),
    "modnet_export/ship/android/model.kt.j2",
    "modnet_export/ship/android/parity_test.kt.j2",
    "modnet_export/ship/android/matting/ModelSpec.kt",
    "modnet_export/ship/ios/model.swift.j2",
    "modnet_export/ship/ios/parity_test.swift.j2",
    "modnet_export/ship/ios/mattingkit/MattingEngine.swift",
    *(f"benchmarks/peers/requirements-{peer}.txt" for peer in PEERS),
    *(f"benchmarks/peers/convert_{peer}.py" for peer in ("executorch", "litert_torch", "mnn", "ncnn", "onnx2tf")),
    *(f"benchmarks/peers/run_{peer}.py" for peer in ("costed", "executorch", "mnn", "model", "ncnn", "product")),
    *(f"{package}/py.typed" for package in PACKAGES),
)

EXPORT = """
import sys
from pathlib import Path
from modnet_export.cli import main
try:
    main(["export", "--size", "64x96", "--precisions", "fp32", "--out", "models"])
finally:
    Path("imported").write_text(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a source distribution, that from a copy; by what is installed, without a network."""
    copy, out = tmp_path_factory.mktemp("source") / "copy", tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (KOTLIN, SWIFT):
        shutil.copytree(ROOT / name, copy / name)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy / name)
    _build("sdist", copy, out)
    (packed,) = out.glob("*.tar.gz")
    shutil.unpack_archive(packed, out / "unpacked")
    (unpacked,) = (out / "unpacked").iterdir()
    _build("wheel", unpacked, out)
    (found,) = out.glob("*.whl")
    return found


def _build(kind: str, source: Path, out: Path) -> None:
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, env=_environment(), check=True, capture_output=True)


@pytest.fixture(scope="module")
def scripts(wheel, tmp_path_factory) -> Path:
    """The programs of an environment with the wheel, the present dependencies, and no extra."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    programs = folder / "bin"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-deps", "--no-index",
         "--disable-pip-version-check", wheel],
        env=_environment(), check=True,
    )  # fmt: skip
    (site,) = folder.glob("lib/python*/site-packages")
    # A line with a path brings the packages there, but not the links to editable installs that lie beside them.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\nimport hiding\n")
    hidden = {name for packages in EXTRAS.values() for name in packages} | ONLY_TESTS
    (site / "hiding.py").write_text(HIDING.format(hidden=hidden))
    return programs


@pytest.fixture(scope="module")
def call(scripts, tmp_path_factory):
    """Runs a program of the environment in a folder outside the repository; returns what it prints."""
    folder = tmp_path_factory.mktemp("elsewhere")
    save_image(folder / "photo.png", demo_photo())

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [scripts / program, *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.folder = folder
    return run


@pytest.fixture(scope="module")
def exported(call) -> str:
    call("python", "-c", EXPORT)
    return "models"


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def test_the_wheel_holds_every_file_of_the_packages_and_no_other(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    present = {
        item.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for item in (ROOT / package).rglob("*")
        if item.is_file() and "__pycache__" not in item.parts
    }
    present |= {f"modnet_export/ship/android/matting/{item.name}" for item in (ROOT / KOTLIN).iterdir()}
    present |= {f"modnet_export/ship/ios/mattingkit/{item.name}" for item in (ROOT / SWIFT).iterdir()}
    assert packed == present


@pytest.mark.parametrize("name", READ)
def test_what_the_code_reads_is_in_the_wheel(wheel, name):
    assert name in zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_come_from_the_wheel(call, scripts, package):
    assert Path(call("python", "-c", f"import {package}; print({package}.__file__)").strip()).is_relative_to(
        scripts.parent
    )


def test_the_help_lists_the_commands(call):
    assert "export" in call("modnet-export", "--help")
    assert "export" in call("python", "-m", "modnet_export", "--help")


def test_it_exports_and_verifies(call, exported):
    result = json.loads(call("modnet-export", "verify", exported, "--json"))
    assert {item["artefact"] for item in result["links"]} >= {"modnet_fp32.onnx", "modnet_fp32.tflite"}


def test_an_export_imports_nothing_that_it_does_not_need(call, exported):
    """What only reports, downloads and phones need costs memory and seconds; PyTorch works in another process."""
    imported = set((call.folder / "imported").read_text().split())
    assert {"onnxruntime", "ai_edge_litert"} <= imported
    assert not {"torch", "matplotlib", "jinja2", "huggingface_hub", "requests", "yaml"} & imported


def test_it_cuts_a_portrait_out(call, exported):
    call("modnet-export", "matte", f"{exported}/modnet_fp32.tflite", "photo.png", "-o", "cutout.png", "--background",
         "transparent")  # fmt: skip
    assert (call.folder / "cutout.png").stat().st_size > 1000


def test_it_looks_into_models(call, exported):
    assert "XNNPACK" in call("modnet-export", "inspect", f"{exported}/modnet_fp32.tflite")


def test_it_ships_the_very_sources_of_the_demo_into_an_app(call, exported):
    app = project(call.folder / "an app")
    call("modnet-export", "ship", "android", "an app", "--model", f"{exported}/modnet_fp32.tflite", "--apply")
    shipped = app / "app/src/main/kotlin/io/modnet/matting"
    assert {path.name: path.read_bytes() for path in shipped.iterdir() if path.name != "ModnetModel.kt"} == {
        path.name: path.read_bytes() for path in (ROOT / KOTLIN).iterdir()
    }
    call("modnet-export", "ship", "android", "an app", "--model", f"{exported}/modnet_fp32.tflite", "--check")


def test_it_ships_the_very_sources_of_the_kit_into_a_swift_package(call):
    """No extra is needed: what edits Xcode's projects is not asked for."""
    app = ios_project(call.folder / "a package", "Swift package")
    export(call.folder / "packages")
    model = ("--model", "packages/modnet_fp16.mlpackage")
    call("modnet-export", "ship", "ios", "a package", *model, "--apply")
    shipped = app / "Sources/My App/Modnet/MattingKit"
    assert {path.name: path.read_bytes() for path in shipped.iterdir()} == {
        path.name: path.read_bytes() for path in (ROOT / SWIFT).iterdir()
    }
    call("modnet-export", "ship", "ios", "a package", *model, "--check")
    call("modnet-export", "lint", "a package")


def test_it_writes_the_report(call, exported):
    call("modnet-export", "report", exported, "-o", "report.html")
    assert "<svg" in (call.folder / "report.html").read_text()


def test_it_measures(call, exported):
    call("modnet-export", "bench", exported, "--artefact", "modnet_fp32.tflite", "--runs", "3", "-o", "bench.json")
    assert json.loads((call.folder / "bench.json").read_text())


def test_the_doctor_says_how_to_get_the_rest(call):
    assert "modnet-export[coreml]" in call("modnet-export", "doctor", "--json")


@pytest.mark.parametrize(
    "module", ["benchmarks.qemu", "benchmarks.peers.__main__", "converters.runtimes.software_vulkan"]
)
def test_its_other_programs_can_be_imported(call, module):
    call("python", "-c", f"import {module}")


def test_the_peers_find_their_requirements(call):
    code = (
        "from importlib.resources import files;"
        "print(sum(item.name.startswith('requirements-') for item in files('benchmarks.peers').iterdir()))"
    )
    assert call("python", "-c", code).strip() == str(len(PEERS))
