"""What a verification runs on: photos with a ground truth, and videos."""

from __future__ import annotations

import re
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from converters.errors import ExportError, ExportWarning
from converters.runtimes import open_runtime
from modnet_export import VerifyRequest, verify
from modnet_export.cli.inputs import chosen
from modnet_export.cli.tables import say_verification
from modnet_export.images import inputs
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo
from modnet_export.images.video import reading
from modnet_export.images.video.reading import open_clip
from modnet_export.report import render
from modnet_export.terminal.console import number
from modnet_export.verifying import tasks
from modnet_export.verifying.result import Verification
from modnet_export.verifying.tolerances import ToleranceChanges


class TestGroundTruth:
    def test_every_artefact_is_measured_against_it_too(self, dist, dataset):
        result = verify(VerifyRequest(dist, inputs.ground_truth(dataset)))
        assert result.truth is not None
        assert result.truth.images == 3
        assert 0 < result.truth.mad < 0.25
        for link in result.links:
            assert link.truth is not None
            assert link.truth.mad == pytest.approx(result.truth.mad, abs=1e-3)
            assert link.truth.grad > 0 < link.truth.conn

    def test_convention_of_the_matting_errors_is_measured_kept_and_shown(self, dist, dataset, tmp_path, capsys):
        asked = VerifyRequest(dist, tuple(inputs.ground_truth(dataset)), state=tmp_path)
        plain = verify(asked)
        with pytest.warns(ExportWarning, match="metrics convention changed: everything is measured again"):
            result = verify(replace(asked, metrics_convention="gfm"))
        again = Verification.model_validate_json(result.model_dump_json())
        assert (plain.metrics_convention, again.metrics_convention) == ("plain", "gfm")
        assert again.truth.sad == plain.truth.sad
        assert again.truth.grad == pytest.approx(plain.truth.grad, rel=0.2)
        assert again.truth.grad != plain.truth.grad
        assert result.links[3].measurements[0].grad != plain.links[3].measurements[0].grad
        say_verification(result)
        assert "Python evaluation of GFM" in capsys.readouterr().out
        assert "Python evaluation of GFM" in render.markdown(result)

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


def grey_video(path, frames):
    """A video of mattes of one level each, by OpenCV; the mattes."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (256, 192))
    levels = [22 * index for index in range(frames)]
    for level in levels:
        writer.write(np.full((192, 256, 3), level, np.uint8))
    writer.release()
    return [np.full((192, 256), level / 255, np.float32) for level in levels]


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

    def test_change_is_measured_between_consecutive_frames(self, dist, clip, capsys):
        result = verify(VerifyRequest(dist, inputs.video(clip)))
        assert len(result.inputs) == 11
        first, *following = result.links[3].measurements
        assert (first.flicker, first.dtssd, first.warped_flicker) == (None, None, None)
        assert all(0 <= abs(item.flicker) <= item.dtssd < 1e-2 for item in following)
        (name, reference, mad), *others = result.flickers
        assert (name, reference, mad) == ("reference", result.steadiness[0].flicker, None)
        assert [flicker for _, flicker, _ in others] == pytest.approx([reference] * len(result.links), rel=0.01)
        say_verification(result)
        printed = capsys.readouterr().out
        assert re.search(rf"along motion +MAD[^a-z]+reference +- +- +{number(reference)} +-", printed)
        assert re.search(
            rf"modnet_fp32.onnx +{number(result.links[0].summary('dtssd'))} .* {number(others[0][1])}", printed
        )
        assert "| dtSSD | flicker | flicker along motion |" in render.markdown(result)
        assert f"| reference | {render.number(reference)} | {render.number(None)} |" in render.markdown(result)

    def test_an_artefact_that_flickers_shows_it_beside_the_reference(self, dist, clip, monkeypatch):
        class Flickering:
            """Every second matte is too bright."""

            def __init__(self, path, **ways):
                self._runtime, self._ran = open_runtime(path, **ways), 0
                self.engine = self._runtime.engine

            def run(self, image_nhwc):
                self._ran += 1
                return self._runtime.run(image_nhwc) * np.float32(0.5) + np.float32(0.5 * (self._ran % 2))

        monkeypatch.setattr(tasks, "open_runtime", Flickering)
        result = verify(VerifyRequest(dist, tuple(inputs.video(clip)[:4])))
        (_, reference, _), *others = result.flickers
        assert reference < 0.2
        assert all(0.4 < flicker < 0.6 for _, flicker, _ in others)

    def test_frozen_matte_fails_a_limit_of_dtssd(self, dist, clip, monkeypatch):
        opened = tasks.open_runtime

        class Frozen:
            """A model that only looks at the first frame."""

            def __init__(self, path, **ways):
                self._runtime, self._first = opened(path, **ways), None
                self.engine = self._runtime.engine

            def run(self, image_nhwc):
                self._first = self._runtime.run(image_nhwc) if self._first is None else self._first
                return self._first

        limits = ToleranceChanges.parse(["dtssd=0.01", "mad=1", "noise_ratio=1e9"])
        request = VerifyRequest(dist, tuple(inputs.video(clip)[:4]), tolerances=limits)
        assert verify(request).passed
        monkeypatch.setattr(tasks, "open_runtime", Frozen)
        for link in verify(request).links:
            assert [item.missed for item in link.measurements] == [(), *[("dtssd",)] * 3]

    def test_folder_of_frames_is_the_same_as_the_file(self, dist, clip, tmp_path):
        capture = cv2.VideoCapture(str(clip))
        for index in range(11):
            cv2.imwrite(str(tmp_path / f"{index:03}.png"), capture.read()[1])
        of_file, of_folder = (verify(VerifyRequest(dist, inputs.video(path))) for path in (clip, tmp_path))
        for a, b in zip(of_file.links[3].measurements, of_folder.links[3].measurements, strict=True):
            assert (a.mad, a.flicker, a.dtssd) == (b.mad, b.flicker, b.dtssd)

    def test_true_mattes_one_for_each_frame_are_measured_against(self, dist, clip, tmp_path, capsys):
        for index in range(11):
            Image.new("L", (256, 192), 20 * index).save(tmp_path / f"{index:03}.png")
        frames = chosen(None, clip, tmp_path)
        assert [item.truth.name for item in frames] == [f"{index:03}.png" for index in range(11)]
        result = verify(VerifyRequest(dist, frames[:3]))
        assert result.truth.images == 3
        assert all(way.true and way.mad > 0.01 for way in result.steadiness)
        say_verification(result)
        assert "MAD is from the true mattes" in capsys.readouterr().out
        assert "MAD from the true mattes" in render.markdown(result)

    def test_true_mattes_may_be_a_grey_video(self, dist, clip, tmp_path, monkeypatch):
        """Of frames in a file or in a folder; it is decoded once."""
        mattes = grey_video(tmp_path / "mattes.avi", frames=11)
        frames = chosen(None, clip, tmp_path / "mattes.avi")
        opened = []
        monkeypatch.setattr(reading, "open_clip", lambda path: opened.append(path) or open_clip(path))
        truths = inputs.Truths()
        for item, matte in zip(frames, mattes, strict=True):
            np.testing.assert_allclose(truths.of(item, (192, 256)), matte, atol=3 / 255)
        assert len(opened) == 1
        with pytest.raises(ExportError, match=r"the ground truth mattes\.avi is 192x256, its image"):
            inputs.Truths().of(frames[0], (96, 128))
        (tmp_path / "folder").mkdir()
        for index, matte in enumerate(mattes):
            save_image(tmp_path / f"folder/{index:02}.png", matte)
        of_video, of_folder = (
            verify(VerifyRequest(dist, chosen(None, clip, tmp_path / name)[:3])) for name in ("mattes.avi", "folder")
        )
        assert of_video.truth.mad == pytest.approx(of_folder.truth.mad, abs=2 / 255)
        assert of_video.steadiness[0].mad == pytest.approx(of_folder.steadiness[0].mad, abs=2 / 255)
        assert [mad for *_, mad in of_video.flickers][1:] == [link.truth.mad for link in of_video.links]

    def test_true_mattes_of_another_number_are_one_clear_error(self, clip, tmp_path):
        Image.new("L", (256, 192)).save(tmp_path / "0.png")
        grey_video(tmp_path / "mattes.avi", frames=3)
        for truth, count in ((tmp_path, 1), (tmp_path / "mattes.avi", 3)):
            with pytest.raises(ExportError, match=f"has 11 frames, .* {count} true mattes"):
                inputs.video(clip, truth)

    def test_a_true_matte_that_is_not_there_is_one_clear_error(self, clip, tmp_path):
        with pytest.raises(ExportError, match="there is no such file"):
            inputs.video(clip, tmp_path / "mattes.mp4")

    def test_single_frame_is_the_one_that_was_asked_for(self, clip):
        frames = inputs.video(clip)
        one, (_, again) = frames[4].read(), list(inputs.read_frames_of(frames[3:5]))[1]
        np.testing.assert_array_equal(one, again)
        assert np.abs(one - frames[5].read()).max() > 0.1

    def test_file_that_is_no_video_is_one_clear_error(self, tmp_path):
        (tmp_path / "a.mp4").write_bytes(b"no video")
        with pytest.raises(ExportError, match=r"cannot read a\.mp4 as a video"):
            inputs.video(tmp_path / "a.mp4")


def test_no_image_is_refused(tmp_path):
    with pytest.raises(ExportError, match="there is no image"):
        inputs.images([tmp_path])


def test_photos_of_one_name_are_told_apart_by_their_paths(dist, tmp_path):
    for name in ("a/x.png", "b/x.png", "b/y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_image(tmp_path / name, demo_photo()[:100, :120])
    chosen = inputs.images([tmp_path / "a", tmp_path / "b", tmp_path / "b" / "y.png"])
    assert [item.name for item in chosen] == [f"{tmp_path}/a/x.png", f"{tmp_path}/b/x.png", "y.png"]
    assert len(verify(VerifyRequest(dist, tuple(chosen))).links[0].measurements) == 3


def test_inputs_of_one_name_are_refused(dist, photos):
    one = inputs.images([photos / "p0.png"])
    with pytest.raises(ExportError, match=r"two inputs are called 'p0\.png'"):
        VerifyRequest(dist, (*one, *one))
