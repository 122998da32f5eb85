"""``android_demo/app``: its models shipped into it, compiled with warnings as errors, its logic run on the JVM."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.android.app import AppResult
from modnet_export.ship.android.shipping import ShipRequest, ship
from modnet_export.ship.lint.run import LintRequest, lint
from tests.apps import kotlin, picture, toolchains

pytestmark = [pytest.mark.long]
TEST = kotlin.tests("app")


@pytest.fixture(scope="session")
def tests(shared, app_classes, matting):
    def make(folder):
        libraries = [app_classes, matting, *toolchains.junit()]
        done = kotlin.compiled(TEST, folder, libraries, f"-Xfriend-paths={app_classes}")
        assert not done.returncode, done.stderr

    return shared("app-test", make)


def test_shipping_into_the_demo_is_complete_and_passes_lint(demo, dist):
    ship(ShipRequest(demo, (dist / "modnet_fp16.tflite", dist / "modnet_fp32.tflite"))).require_current()
    shipment = ship(ShipRequest(demo, (dist / "modnet_fp16.tflite", dist / "modnet_fp32.tflite")))
    assert (shipment.edits, shipment.notes, shipment.changes) == ((), (), ())
    # The module has the sources.
    assert [path.name for path in (demo / "app/src/main/kotlin/io/modnet/matting").iterdir()] == ["ModnetModel.kt"]
    assert not [item for item in lint(LintRequest(demo, export=dist)).findings if item.verdict == "failed"]


def test_the_unit_tests_pass_on_the_jvm(app_classes, matting, tests):
    """They count what is allocated for each frame, too."""
    names = [f"io.modnet.demo.{path.stem}" for path in TEST if path.stem.endswith("Test")]
    done = kotlin.junit([app_classes, matting, tests], names)
    assert not done.returncode, done.stdout
    written = sum(len(re.findall(r"^    @Test$", path.read_text(), re.MULTILINE)) for path in TEST)
    assert f"OK ({written} tests)" in done.stdout


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_bench_reads_what_the_benchmark_activity_writes(app_classes, matting, tests, tmp_path, dtype):
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    given = image if dtype == "uint8" else (image / 255).astype(np.float32)
    (tmp_path / "image").write_bytes(given.tobytes())
    paths = kotlin.classpath([app_classes, matting, tests, *toolchains.junit(), kotlin.stdlib()])
    arguments = [tmp_path, dtype, tmp_path / "image"]
    done = kotlin.run([toolchains.java(), "-cp", paths, "io.modnet.demo.BenchmarkTestKt", *arguments])
    assert not done.returncode, done.stderr
    found = AppResult.model_validate_json((tmp_path / "bench.json").read_text())
    assert (len(found.samples_ms), len(found.end_to_end_ms)) == (3, 3)
    assert found.first_ms == found.warmup_ms[0]
    assert (found.cold_start_ms, found.pss_bytes, found.error) == (812.5, 123_456_789, None)
    assert found.after == {"thermal_status": 1, "scaling_cur_freq": "1800000, 2400000"}
    # The network's matte is the image's red.
    matte = np.frombuffer((tmp_path / str(found.matte)).read_bytes(), dtype)
    np.testing.assert_array_equal(matte, given[..., 0].ravel())
    failed = AppResult.model_validate_json((tmp_path / "error.json").read_text())
    assert failed.error == 'a "lost" \\ device\n'


def test_the_picture_of_the_docs_shows_each_background(app_classes, matting, tests, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    matte = np.zeros((32, 32), np.float32)
    matte[:, 16:] = 1
    made = picture.composited(image, matte, [app_classes, matting, tests, *toolchains.junit()], tmp_path)
    rgba = {name: np.asarray(item) for name, item in made.items()}
    for pixels in rgba.values():
        np.testing.assert_array_equal(pixels[:, 16:, :3], image[:, 16:])
    np.testing.assert_array_equal(rgba["transparent"][..., 3], matte * 255)
    assert (rgba["colour"][:, :16] == (0, 168, 107, 255)).all()
    assert rgba["blur"][:, :12, :3].std() < image[:, :12].std() / 2
    assert rgba["picture"][0, 0].tolist() == [40, 60, 130, 255]
    assert picture.sheet(made).size == (64, 16 + 20)
