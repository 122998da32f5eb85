"""``android_demo/app``: its models shipped into it, compiled with warnings as errors, its logic run on the JVM."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks import session
from benchmarks.android.settings import Activity, AndroidSettings
from benchmarks.android.target import AdbTarget
from benchmarks.choices import Delegate
from benchmarks.plan import Plan, Subject
from benchmarks.record import Record
from modnet_export import Size
from modnet_export.record.contract import Contract
from modnet_export.record.files import sha256
from modnet_export.record.measures import Tolerance
from modnet_export.ship.android.shipping import ShipRequest, ship
from modnet_export.ship.lint.run import LintRequest, lint
from modnet_export.verifying.parity import Sample
from tests.apps import kotlin, picture, toolchains
from tests.fakes import phone

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


@pytest.fixture
def benched(phones, app_classes, matting, tests, tmp_path):
    """A benchmark of the app, whose logic runs on a JVM behind adb. Its network's matte is the image's red."""
    device = phones()
    files = "$FAKE_DEVICE/sdcard/Android/data/io.modnet.demo/files"
    paths = kotlin.classpath([app_classes, matting, tests, *toolchains.junit(), kotlin.stdlib()])
    activity = f'{toolchains.java()} -cp {paths} io.modnet.demo.BenchmarkTestKt {files} "$@"'
    phone.program(device.folder, "am", f'[ "$1" = force-stop ] && exit 0\nmkdir -p {files}\n{activity}')
    (tmp_path / "m.tflite").write_bytes(b"the network is another")
    app = Activity.parse("io.modnet.demo/.BenchmarkActivity")
    target = AdbTarget(device.serial, AndroidSettings(app=app, blocks=5, cool_timeout_s=0))

    def measured(dtype: str, delegate: Delegate = "cpu"):
        contract = Contract.of("tflite", Size(height=96, width=128), eight_bit=dtype == "uint8")
        path = tmp_path / "m.tflite"
        subject = Subject(path, "tflite", sha256(path), contract, Tolerance(mad=1e-6), delegate=delegate)
        image_nhwc = np.random.default_rng(0).integers(0, 256, (1, 96, 128, 3)).astype(np.float32) / 255
        samples = (Sample("photo", image_nhwc, image_nhwc[..., :1]),)
        return session.measure([target], Plan((subject,), image_nhwc, runs=2, samples=samples), Record())

    return measured


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_bench_drives_the_benchmark_activity(benched, dtype):
    result = benched(dtype)
    assert [item.passed for item in result.parity] == [True]
    (run,) = result.runs
    starts = len(set(run.at_s))  # each is a block of 2 s of a network that takes 2 ms
    assert starts == len(run.end_to_end_ms) == 5
    assert 10 * starts < len(run.samples_ms) == len(run.at_s) <= 1000 * starts
    assert run.first_ms == run.warmup_ms[0]
    assert (run.cold_start_ms, run.pss_bytes) == ((812.5,) * starts, (123_456_789,) * starts)
    assert {(moment.thermal_status, moment.scaling_cur_freq) for moment in run.trace} == {(1, "1800000, 2400000")}
    assert run.after["scaling_cur_freq in the app"] == "1800000, 2400000"


def test_what_the_activity_refuses_is_reported(benched):
    reasons = {item.reason for item in benched("float32", "nnapi").failures}
    assert reasons == {"io.modnet.demo/.BenchmarkActivity failed: an app runs models on cpu or gpu, not on nnapi"}


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
