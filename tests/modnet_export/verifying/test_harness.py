"""The harness and its verdicts, on the small exported chain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import psutil
import pytest
from PIL import Image

from converters.errors import CheckFailedError, ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo
from modnet_export.record import manifest
from modnet_export.record.contract import Size
from modnet_export.record.measures import Tolerance
from modnet_export.verifying import gates, harness, junit
from modnet_export.verifying import result as result_of
from modnet_export.verifying.harness import Workers
from modnet_export.verifying.tolerances import Overrides

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Ten crops of the built-in portrait, of different sizes."""
    folder = tmp_path_factory.mktemp("photos")
    for index in range(10):
        save_image(folder / f"p{index}.png", demo_photo()[index * 5 : 300 + index * 20, index * 10 : 260 + index * 25])
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """P3M's layout, with the reference's own mattes (blurred) as the truth."""
    from modnet_export.images.matting import MattingRequest, open_matting

    folder = tmp_path_factory.mktemp("p3m")
    (folder / "original_image").mkdir()
    (folder / "mask").mkdir()
    matting = open_matting(MattingRequest("demo"))
    for index in range(3):
        photo = demo_photo()[: 400 - 40 * index, index * 20 :]
        save_image(folder / "original_image" / f"{index}.jpg.png", photo)
        matte = cv2.GaussianBlur(matting.matte(photo), (9, 9), 2)
        save_image(folder / "mask" / f"{index}.jpg.png", matte)
    return folder


def measured(result):
    return {link.name: link.measurements for link in result.links}


class TestHarness:
    def test_every_artefact_is_measured_on_every_image(self, dist, photos):
        result = verify(VerifyRequest(dist, inputs.images([photos]), workers=Workers(1)))
        assert result.passed
        assert len(result.inputs) == 10
        assert all([item.input for item in link.measurements] == list(result.inputs) for link in result.links)
        assert all(item.ssim is not None and item.edge_mad is not None for item in result.links[0].measurements)

    @pytest.mark.parametrize("workers", [Workers(2), Workers(2, "dask")], ids=["processes", "dask"])
    def test_several_workers_measure_the_same(self, dist, photos, workers):
        """But for the order of float sums, which depends on the number of threads."""
        one = verify(VerifyRequest(dist, inputs.images([photos]), workers=Workers(1)))
        several = verify(VerifyRequest(dist, inputs.images([photos]), workers=workers))
        assert several.passed
        for first, second in zip(one.links, several.links, strict=True):
            assert [item.input for item in first.measurements] == [item.input for item in second.measurements]
            for a, b in zip(first.measurements, second.measurements, strict=True):
                assert b.mad == pytest.approx(a.mad, abs=2e-6)

    def test_stopped_run_goes_on_where_it_was(self, dist, photos, tmp_path, monkeypatch):
        chosen = inputs.images([photos])
        whole = verify(VerifyRequest(dist, chosen, workers=Workers(1), state=tmp_path / "whole"))
        rows = (tmp_path / "whole" / "rows.jsonl").read_text().splitlines()
        calls = 0
        real = harness._run_candidate

        def stops_at_the_third(candidate, chunk):
            nonlocal calls
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt
            return real(candidate, chunk)

        monkeypatch.setattr(harness, "_run_candidate", stops_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            verify(VerifyRequest(dist, chosen, workers=Workers(1), state=tmp_path / "state"))
        done = (tmp_path / "state" / "rows.jsonl").read_text().splitlines()
        assert 10 < len(done) < len(rows)
        monkeypatch.setattr(harness, "_run_candidate", real)
        seen = []
        monkeypatch.setattr(harness, "_run_reference", lambda *_: seen.append("reference") or [])
        resumed = verify(VerifyRequest(dist, chosen, workers=Workers(1), state=tmp_path / "state"))
        assert seen == []
        assert measured(resumed) == measured(whole)
        assert (tmp_path / "state" / "rows.jsonl").read_text().splitlines()[: len(done)] == done

    def test_line_that_a_killed_run_was_writing_is_ignored(self, dist, tmp_path):
        whole = verify(VerifyRequest(dist, state=tmp_path))
        with (tmp_path / "rows.jsonl").open("a") as file:
            file.write('{"candidate": "x", "ke')
        assert measured(verify(VerifyRequest(dist, state=tmp_path))) == measured(whole)

    def test_state_of_another_verification_is_refused(self, dist, tmp_path):
        verify(VerifyRequest(dist, state=tmp_path))
        (tmp_path / "state.json").write_text('"something else"')
        with pytest.raises(ExportError, match="state of another verification"):
            verify(VerifyRequest(dist, state=tmp_path))

    def test_memory_does_not_grow_with_the_number_of_images(self, dist, photos, demo_source, tmp_path):
        """The same process, forty images after ten: nothing of an image is kept."""
        recorded = manifest.load(dist)
        artefact = recorded.artefacts[1]
        candidate = harness.Candidate(artefact.file, dist / artefact.file, artefact.sha256)
        process = psutil.Process()
        used = []
        for repeat in range(4):
            copies = tmp_path / str(repeat)
            copies.mkdir()
            for path in photos.iterdir():
                (copies / path.name).write_bytes(path.read_bytes())
            run = harness.run(
                demo_source, recorded.size, inputs.images([copies]), [candidate], state=tmp_path / "state", jobs=1
            )
            used.append(process.memory_info().rss)
        assert len(run.rows) == 80
        # Ten images at this size are 12 MB of pixels and mattes, and 400 MB of activations.
        assert used[-1] - used[0] < 60e6

    def test_corrupt_image_is_reported_and_the_rest_goes_on(self, dist, photos, tmp_path):
        for path in sorted(photos.iterdir())[:3]:
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
        result = verify(VerifyRequest(dist, inputs.images([tmp_path])))
        assert result.passed
        assert len(result.inputs) == 3
        assert "cannot read broken.png" in result.unreadable["broken.png"]
        with pytest.raises(ExportError, match=r"(?s)1 input\(s\) could not be read; the rest passed.*broken\.png"):
            gates.require(result)

    def test_killed_worker_leaves_finished_rows(self, dist, photos, tmp_path):
        code = (
            "import os, signal; from pathlib import Path; from modnet_export import harness, inputs, verify\n"
            "from modnet_export.exporting.run import Checks\n"
            "def progress(stage, done=0, total=0, /):\n"
            "    if stage.startswith('running 4') and done > 10: os.kill(os.getpid(), signal.SIGKILL)\n"
            f"verify(VerifyRequest(Path({str(dist)!r}), inputs.images([Path({str(photos)!r})]),"
            f" workers=Workers(1), state=Path({str(tmp_path)!r})), progress)"
        )
        done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert done.returncode == -signal.SIGKILL
        rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        assert sum(row["candidate"] != "reference" for row in rows) > 10
        assert verify(VerifyRequest(dist, inputs.images([photos]), workers=Workers(1), state=tmp_path)).passed


class TestGroundTruth:
    def test_every_artefact_is_measured_against_it_too(self, dist, dataset):
        result = verify(VerifyRequest(dist, inputs.ground_truth(dataset)))
        assert result.truth is not None
        assert result.truth.images == 3
        assert 0 < result.truth.mad < 0.2
        for link in result.links:
            assert link.truth is not None
            assert link.truth.mad == pytest.approx(result.truth.mad, abs=1e-3)
            assert link.truth.grad > 0 < link.truth.conn

    def test_folders_may_be_named_apart(self, dataset):
        both = inputs.ground_truth(dataset / "mask", dataset / "original_image")
        assert both == inputs.ground_truth(dataset)

    @pytest.mark.parametrize(("gone", "missing"), [("original_image", "photo"), ("mask", "ground truth")])
    def test_file_without_its_partner_is_named(self, dataset, tmp_path, gone, missing):
        for name in ("original_image", "mask"):
            (tmp_path / name).mkdir()
            for path in (dataset / name).iterdir():
                (tmp_path / name / path.name).write_bytes(path.read_bytes())
        (tmp_path / gone / "1.jpg.png").unlink()
        with pytest.raises(ExportError, match=rf"1\.jpg\.png has no {missing}"):
            inputs.ground_truth(tmp_path)

    def test_truth_of_another_size_is_reported_and_the_rest_goes_on(self, dist, dataset, tmp_path):
        for name in ("original_image", "mask"):
            (tmp_path / name).mkdir()
            for path in (dataset / name).iterdir():
                (tmp_path / name / path.name).write_bytes(path.read_bytes())
        Image.new("L", (30, 40)).save(tmp_path / "mask" / "0.jpg.png")
        result = verify(VerifyRequest(dist, inputs.ground_truth(tmp_path)))
        assert result.truth is not None
        assert result.truth.images == 2
        assert "is 40x30, its image" in result.unreadable["0.jpg.png"]

    def test_folder_that_is_no_dataset_is_refused(self, tmp_path):
        with pytest.raises(ExportError, match="not laid out as a matting dataset"):
            inputs.ground_truth(tmp_path)


class TestVideo:
    @pytest.fixture(scope="class")
    def clip(self, tmp_path_factory):
        path = tmp_path_factory.mktemp("clip") / "clip.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (256, 192))
        for index in range(11):
            frame = (demo_photo()[index * 4 : index * 4 + 384, :512] * 255).astype(np.uint8)
            writer.write(cv2.resize(frame, (256, 192))[:, :, ::-1])
        writer.release()
        return path

    def test_flicker_is_measured_between_consecutive_frames(self, dist, clip):
        result = verify(VerifyRequest(dist, inputs.video(clip)))
        assert len(result.inputs) == 11
        flickers = [item.flicker for item in result.links[3].measurements]
        assert flickers[0] is None
        assert all(value is not None and abs(value) < 1e-3 for value in flickers[1:])

    def test_folder_of_frames_is_the_same_as_the_file(self, dist, clip, tmp_path):
        capture = cv2.VideoCapture(str(clip))
        for index in range(11):
            cv2.imwrite(str(tmp_path / f"{index:03}.png"), capture.read()[1])
        of_file, of_folder = (verify(VerifyRequest(dist, inputs.video(path))) for path in (clip, tmp_path))
        for a, b in zip(of_file.links[3].measurements, of_folder.links[3].measurements, strict=True):
            assert (a.mad, a.flicker) == (b.mad, b.flicker)

    def test_file_that_is_no_video_is_one_clear_error(self, tmp_path):
        (tmp_path / "a.mp4").write_bytes(b"no video")
        with pytest.raises(ExportError, match=r"cannot read a\.mp4 as a video"):
            inputs.video(tmp_path / "a.mp4")


def test_no_image_is_refused(tmp_path):
    with pytest.raises(ExportError, match="there is no image"):
        inputs.images([tmp_path])


class TestTolerances:
    def test_option_and_file_change_what_is_allowed(self, dist, tmp_path):
        (tmp_path / "gate.toml").write_text('ssim = 0.99\n[fp16]\nmad = 1e-9\n["modnet_fp32.onnx"]\nmad = 1e-12\n')
        overrides = Overrides(["p999=0.5", str(tmp_path / "gate.toml")])
        first, _, third, fourth = manifest.load(dist).artefacts
        common = {"p999": 0.5, "ssim": 0.99}
        assert overrides.of(first).limits == {"max_abs_difference": 1e-4, "mad": 1e-12, **common}
        assert overrides.of(third).limits == {"max_abs_difference": 1e-4, **common}
        assert overrides.of(fourth).limits == {"mad": 1e-9, **common}

    def test_changed_tolerance_gates(self, dist):
        result = verify(VerifyRequest(dist, tolerances=Overrides(["psnr_db=100"])))
        failed = {link.artefact: link.reason for link in result.links if link.verdict == "failed"}
        assert list(failed) == ["modnet_fp16.tflite"]
        assert "psnr_db 6" in failed["modnet_fp16.tflite"]
        assert result.guilty is not None
        assert result.guilty.stage == "TFLite weight compression"

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ("mda=0.1", "'mda' is not a tolerance"),
            ("mad=lots", "'mad' is not a tolerance"),
            ("nope.toml", r"cannot read tolerances from 'nope\.toml'"),
        ],
    )
    def test_mistake_is_one_clear_error(self, option, message):
        with pytest.raises(ExportError, match=message):
            Overrides([option])

    def test_section_about_nothing_is_refused(self, dist, tmp_path):
        (tmp_path / "gate.toml").write_text("[int7]\nmad = 1\n")
        with pytest.raises(ExportError, match="nothing called int7"):
            verify(VerifyRequest(dist, tolerances=Overrides([str(tmp_path / "gate.toml")])))

    def test_matte_that_is_not_finite_misses_every_limit(self):
        limits = Tolerance(mad=1, ssim=0)
        assert limits.missed({"max_abs_difference": float("nan"), "mad": 0}) == ("max_abs_difference", "mad", "ssim")
        assert limits.missed({"max_abs_difference": 0.1, "mad": 0.5, "ssim": -0.1}) == ("ssim",)


class TestMachines:
    def test_junit_has_a_case_for_every_check(self, dist):
        result = verify(VerifyRequest(dist, tolerances=Overrides(["psnr_db=100"]), fp16_safety=True))
        suite = ElementTree.fromstring(junit.junit(result))
        cases = {(case.get("classname"), case.get("name")): case for case in suite}
        assert suite.get("tests") == str(len(cases)) == "13"
        failed = {key for key, case in cases.items() if case.find("failure") is not None}
        assert failed == {("modnet_fp16.tflite", "photo"), ("modnet_fp16.tflite", "noise")}
        assert suite.get("failures") == "2"

    def test_result_round_trips_and_is_its_own_baseline(self, dist, tmp_path):
        result = verify(VerifyRequest(dist))
        (tmp_path / "base.json").write_text(result.model_dump_json())
        baseline = result_of.load(tmp_path / "base.json")
        assert baseline == result
        assert verify(VerifyRequest(dist, baseline=baseline)).passed

    def test_what_is_worse_than_the_baseline_fails(self, dist):
        result = verify(VerifyRequest(dist))
        link = result.links[3]
        better = [item.model_copy(update={"mad": item.mad / 2}) for item in link.measurements if item.mad]
        links = (*result.links[:3], link.model_copy(update={"measurements": tuple(better)}))
        again = verify(VerifyRequest(dist, baseline=result.model_copy(update={"links": links})))
        assert [(item.link, item.measure) for item in again.regressions] == [("modnet_fp16.tflite", "mad")]
        with pytest.raises(CheckFailedError, match=r"mad was .* in the baseline"):
            gates.require(again)

    def test_baseline_of_something_else_is_refused(self, dist, photos):
        result = verify(VerifyRequest(dist))
        with pytest.raises(ExportError, match="no artefact and input in common"):
            verify(VerifyRequest(dist, inputs.images([photos / "p0.png"]), baseline=result))

    def test_file_that_is_no_result_is_one_clear_error(self, tmp_path):
        (tmp_path / "base.json").write_text("{}")
        with pytest.raises(ExportError, match=r"cannot read base\.json"):
            result_of.load(tmp_path / "base.json")


class TestEngines:
    def test_ways_to_run_a_tflite_model_agree(self, dist):
        result = verify(VerifyRequest(dist))
        assert {item.artefact for item in result.agreements} == {"modnet_fp32.tflite", "modnet_fp16.tflite"}
        assert all(item.passed for item in result.agreements)

    def test_ways_that_differ_fail_the_verification(self, dist, monkeypatch):
        from converters.runtimes import litert

        real = litert.LiteRt.run
        monkeypatch.setattr(
            litert.LiteRt, "run", lambda self, x: real(self, x) + (0.01 if "without XNNPACK" in self.engine else 0)
        )
        result = verify(VerifyRequest(dist))
        assert [item.ways for item in result.agreements if not item.passed] == ["XNNPACK and built-in kernels"] * 2
        assert not result.passed

    def test_artefact_that_cannot_be_opened_is_not_run_and_fails(self, dist, monkeypatch):
        def refuse(path, **options):
            if path.suffix == ".onnx":
                raise ExportError("no engine today")
            return real(path, **options)

        real = harness.open_runtime
        harness._runtime.cache_clear()
        monkeypatch.setattr(harness, "open_runtime", refuse)
        result = verify(VerifyRequest(dist))
        assert [link.verdict for link in result.links] == ["not run", "not run", "passed", "passed"]
        assert "no engine today" in result.links[0].reason
        assert not result.passed


class TestFp16Safety:
    def test_gpu_tuned_model_survives(self, dist):
        (half,) = verify(VerifyRequest(dist, fp16_safety=True)).half
        assert half.passed
        assert half.overflows == ()
        assert half.mad is not None
        assert half.mad < 1e-3
        assert half.largest[0].largest >= half.largest[-1].largest > 0

    def test_cpu_tuned_sums_are_named_as_overflowing(self, dist):
        from modnet_export.verifying.agreement import half_safety

        artefact = manifest.load(dist).artefacts[2]
        found = half_safety(dist / artefact.file, artefact, [inputs.builtin()[0].load(Size(height=96, width=128))[0]])
        assert not found.passed
        assert {item.op for item in found.overflows} == {"MEAN"}
        assert all(item.what == "sum" and item.largest > 65504 for item in found.overflows)


@pytest.mark.gpu
class TestGpu:
    @pytest.fixture(autouse=True)
    def device(self):
        from converters.runtimes import software_vulkan

        if software_vulkan.find() is None and not list(Path("/usr/share/vulkan/icd.d").glob("*.json")):
            pytest.skip("no Vulkan device: make setup-gpu-emulation")

    def test_gpu_accelerator_gives_the_references_matte(self, dist):
        result = verify(VerifyRequest(dist, delegates=("cpu", "gpu")))
        gpu = [link for link in result.links if link.delegate == "gpu"]
        assert [link.verdict for link in gpu] == ["passed", "passed"]
        assert all("GPU" in link.engine and "partly" not in link.engine for link in gpu)
        # It is not the CPU that answered.
        assert all(harness.FALLBACK not in link.reason for link in gpu)

    def test_silent_fallback_to_the_cpu_fails(self, dist, monkeypatch):
        from converters.runtimes import litert

        class Pretends(litert.LiteRt):
            fully_accelerated = True

        harness._runtime.cache_clear()
        monkeypatch.setattr(litert, "LiteRtGpu", Pretends)
        result = verify(VerifyRequest(dist, delegates=("gpu",)))
        gpu = [link for link in result.links if link.delegate == "gpu"]
        assert [link.verdict for link in gpu] == ["failed", "failed"]
        assert all(harness.FALLBACK in link.reason for link in gpu)


def test_gpu_without_a_device_is_not_run_and_says_how_to_get_one(dist, monkeypatch, tmp_path):
    from converters.runtimes import litert, software_vulkan

    harness._runtime.cache_clear()
    monkeypatch.setattr(software_vulkan, "active", False)
    monkeypatch.setenv("MODNET_EXPORT_GPU_EMULATION", str(tmp_path))
    for name in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(litert, "_DRIVERS", (tmp_path,))
    result = verify(VerifyRequest(dist, delegates=("gpu",)))
    assert [link.verdict for link in result.links if link.delegate == "gpu"] == ["not run", "not run"]
    assert "make setup-gpu-emulation" in result.links[0].reason
