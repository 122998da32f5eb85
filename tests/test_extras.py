"""What a plain install does without: each missing extra is one clear error.

That the main job does not need them is seen in ``test_wheel``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]

# The packages of every extra; hidden, as where they are not installed.
EXTRAS = {
    "coreml": ["coremltools"],
    "android": ["adbutils", "pooch"],
    "apps": ["pbxproj", "elftools"],
    "cluster": ["distributed", "dask"],
    "heic": ["pi_heif"],
    "tensorflow": ["tensorflow"],
    "video": ["av"],
}

# As where a package is not installed: importing it raises, and asking for it finds nothing.
HIDING = """
import sys

class Hiding:
    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, *others):
        return None if name.partition(".")[0] in {hidden!r} else self._finder.find_spec(name, *others)

    def __getattr__(self, name):
        return getattr(self._finder, name)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def hidden(names: list[str], code: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that cannot import some packages."""
    return subprocess.run(
        [sys.executable, "-c", HIDING.format(hidden=set(names)) + code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )


def command(*arguments: object) -> str:
    return f"from modnet_export.cli import main; main({[str(item) for item in arguments]!r})"


def assert_clear(text: str, extra: str, package: str) -> None:
    assert "Traceback" not in text
    assert f"the package {package} is not installed" in text
    assert f"pip install 'modnet-export[{extra}]'" in text


def assert_ends_clearly(done: subprocess.CompletedProcess[str], extra: str, package: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error:") == 1
    assert_clear(done.stderr, extra, package)


def test_a_heic_photo_says_which_extra_reads_it(tmp_path):
    photo = ROOT / "tests" / "data" / "corners.heic"
    code = f"from modnet_export.images.imaging import read_image, Path; read_image(Path({str(photo)!r}))"
    done = hidden(EXTRAS["heic"], code, tmp_path)
    assert "pip install 'modnet-export[heic]'" in done.stderr


def test_all_brings_every_extra_and_so_does_dev():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert extras["all"] == [f"modnet-export[{','.join(sorted(EXTRAS))}]"]
    assert "modnet-export[all]" in extras["dev"]
    names = [re.split(r"[<>=; ]", item)[0] for item in project["dependencies"]]
    assert not {name for packages in EXTRAS.values() for name in packages} & set(names)
    for extra, packages in EXTRAS.items():
        found = [re.split(r"[<>=; ]", item)[0].replace("-", "_") for item in extras[extra]]
        modules = {"pyelftools": "elftools", "tensorflow_cpu": "tensorflow"}
        assert {modules.get(name, name) for name in found} == set(packages) - {"dask"}


def test_an_apks_libraries_need_pyelftools(tmp_path):
    apk = ROOT / "tests" / "data" / "apps" / "signed.apk"
    assert_ends_clearly(hidden(EXTRAS["apps"], command("lint", apk), tmp_path), "apps", "elftools")


@pytest.mark.long
def test_core_ml_is_refused_before_any_work(tmp_path):
    done = hidden(EXTRAS["coreml"], command("export", "--formats", "coreml", "--out", "dist"), tmp_path)
    assert_ends_clearly(done, "coreml", "coremltools")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_second_converter_is_refused_before_any_work(tmp_path):
    done = hidden(EXTRAS["tensorflow"], command("export", "--converter", "tensorflow", "--out", "dist"), tmp_path)
    assert_ends_clearly(done, "tensorflow", "tensorflow")
    assert list(tmp_path.iterdir()) == []


def test_conversion_and_quantization_do_without_tensorflow(tmp_path, small_onnx):
    """So do export, verify and the help, as ``test_wheel`` sees, where every extra is hidden."""
    onnx.save(small_onnx, tmp_path / "modnet.onnx")
    code = """
import onnx_ir as ir
from converters.onnx.passes import optimise
from converters.tflite.convert import convert
from converters.tflite.int8 import graph, ranges
from converters.tflite.int8.write import mixed
from converters.tflite.interpreter import interpreter
from converters.tflite.rounding import Rounding
from converters.tflite.weights import fp16_weights, int8_weights
from converters.tflite import builder

data = convert(optimise(ir.load("modnet.onnx"), "cpu"))
chosen = graph.Graph(builder.read(data)).groups()[-1].tensors
models = [
    data,
    fp16_weights(data),
    int8_weights(data, {}, "float"),
    int8_weights(data, {}, "dynamic", bits=4),
    mixed(data, Rounding({}), dict.fromkeys(chosen, ranges.Parameters(0.1, 0)), bytes_in_and_out=True),
]
for model in models:
    loaded, _ = interpreter(model, 1)
    loaded.invoke()
    print(loaded.get_output_details()[0]["shape"])
"""
    done = hidden(EXTRAS["tensorflow"], code, tmp_path)
    assert done.stdout.splitlines() == ["[  1  96 128   1]"] * 5, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ["inspect", "matte", "explain"])
def test_a_package_cannot_be_read_without_coremltools(tmp_path, name):
    (tmp_path / "modnet_fp16.mlpackage").mkdir()
    (tmp_path / "modnet_fp32.mlpackage").mkdir()
    more = {"inspect": [], "explain": [], "matte": ["photos", "-o", "mattes"]}[name]
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "photos" / "grey.png")
    done = hidden(EXTRAS["coreml"], command(name, "modnet_fp16.mlpackage", *more), tmp_path)
    assert_ends_clearly(done, "coreml", "coremltools")


def test_a_download_of_benchmark_model_needs_pooch(tmp_path):
    code = f"""
from benchmarks.android.tool import find
from converters.errors import ExportError
try:
    find("https://localhost/benchmark_model#sha256={"0" * 64}")
except ExportError as error:
    print(error)
"""
    done = hidden(EXTRAS["android"], code, tmp_path, MODNET_EXPORT_CACHE=str(tmp_path))
    assert_clear(done.stdout, "android", "pooch")


def test_adb_is_named_with_both_ways_to_get_it(tmp_path):
    code = """
from benchmarks.android.adb import find_adb
from converters.errors import ExportError
try:
    find_adb()
except ExportError as error:
    print(error)
"""
    done = hidden(EXTRAS["android"], code, tmp_path, PATH="", HOME=str(tmp_path), ANDROID_HOME="", ANDROID_SDK_ROOT="")
    assert "there is no adb here" in done.stdout
    assert "platform-tools" in done.stdout
    assert "pip install 'modnet-export[android]'" in done.stdout


def test_dask_is_needed_only_where_it_is_asked_for(tmp_path, dist):
    done = hidden(EXTRAS["cluster"], command("verify", dist, "--engine", "dask"), tmp_path)
    assert_ends_clearly(done, "cluster", "distributed")


@pytest.mark.long
def test_clips_need_pyav(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    assert_ends_clearly(
        hidden(EXTRAS["video"], command("matte", "demo", "a.mp4", "-o", "b.mp4"), tmp_path), "video", "av"
    )
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]
