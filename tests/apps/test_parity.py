"""The instrumented test that ``ship`` puts into an app: compiled for Android, run on a JVM that stands in for it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from converters.runtimes import open_runtime
from modnet_export.images.imaging import read_image
from tests.apps import api, kotlin, toolchains

pytestmark = [pytest.mark.long]
DEVICE = kotlin.ROOT / "tests/data/apps/device"
MODELS = ("modnet_fp16.tflite", "modnet_fp32.tflite")


@pytest.fixture(scope="session")
def classes(shared, demo, app_classes, matting):
    """Class path entries: what stands in for the device, and what the app and its test are."""

    def make(folder):
        stand_ins, test = folder / "device", folder / "test"
        done = kotlin.compiled(kotlin.sources(DEVICE), stand_ins, toolchains.junit())
        assert not done.returncode, done.stderr
        # Where both have a class, the test is compiled against Android's.
        libraries = [api.android_36(), app_classes, matting, stand_ins, *toolchains.junit()]
        done = kotlin.compiled(kotlin.sources(demo / "app/src/androidTest"), test, libraries, "-no-jdk")
        assert not done.returncode, done.stderr

    made = shared("parity", make)
    return [made / "device", made / "test", app_classes, matting]


@pytest.fixture
def run(demo, dist, classes, tmp_path):
    """Run the test with models whose mattes are the runtime's, changed; a model's file may be changed too."""

    def tested(change=lambda matte: matte, damaged=False):
        for name in MODELS:
            image_nhwc = read_image(dist / "golden_image.png")[None]
            change(open_runtime(dist / name).run(image_nhwc)).astype("<f4").tofile(tmp_path / f"{name}.matte")
        assets = shutil.copytree(demo / "app/src/main/assets", tmp_path / "assets")
        if damaged:
            (assets / MODELS[0]).write_bytes(b"another")
        folders = {"app": assets, "test": demo / "app/src/androidTest/assets", "mattes": tmp_path}
        return kotlin.junit(classes, ["io.modnet.matting.ModnetParityTest"], **folders)

    return tested


def test_the_mattes_of_the_exported_models_pass_and_a_gpu_that_is_not_there_is_skipped(run, dist, tmp_path):
    done = run()
    assert not done.returncode, done.stdout
    assert "OK (5 tests)" in done.stdout  # JUnit counts what was skipped: both models on the GPU
    image_nhwc = read_image(dist / "golden_image.png")[None]
    for name in MODELS:
        given = np.fromfile(tmp_path / f"{name}.image", "<f4").reshape(image_nhwc.shape)
        np.testing.assert_allclose(given, image_nhwc, atol=1e-6)


def test_another_matte_or_another_file_fails(run):
    done = run(change=lambda matte: 1 - matte, damaged=True)
    assert "Tests run: 5,  Failures: 3" in done.stdout
    assert f"{MODELS[1]}: mean difference 0." in done.stdout
    assert f"{MODELS[0]} has SHA-256" in done.stdout
