from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import pytest
from PIL import Image

from modnet_export.cli import main
from tests.modnet_export.images.video.clips import Model, decoded, full_disk, write

ROOT = Path(__file__).parents[3]


@pytest.fixture
def matte(monkeypatch, capsys):
    """``matte(...)``: the command with a model that costs nothing; its exit code, and what it printed."""
    from modnet_export.images import matting

    monkeypatch.setattr(matting, "open_matting", lambda request: Model())

    def run(*arguments) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["matte", "model.tflite", *map(str, arguments)])
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return run


def test_a_clip_is_written_and_said(matte, tmp_path):
    path = write(tmp_path / "a.mkv")
    code, out, _ = matte(path, "-o", tmp_path / "out.mp4", "--background", "white")
    assert code == 0
    assert re.search(r"Wrote 20 frames, [\d.]+ frames/s to .*out\.mp4", out)
    assert len(decoded(tmp_path / "out.mp4")) == 20


def test_several_clips_and_folders_one_of_which_fails(matte, tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("a.mkv", "more/a.mp4"):
        write(tmp_path / name, times_ms=[0, 40])
    (tmp_path / "b.mp4").write_bytes(b"no video")
    given = (tmp_path / "a.mkv", tmp_path / "b.mp4", tmp_path / "more")
    code, out, err = matte(*given, "-o", tmp_path / "out", "--background", "white", "--json")
    assert code == 2
    assert "1 of 3 clip(s) failed" in err
    assert "cannot read b.mp4" in err
    rows = json.loads(out)["clips"]
    assert [row.get("frames") for row in rows] == [2, None, 2]
    assert len({row["out"] for row in rows}) == 3
    assert [len(decoded(Path(row["out"]))) for row in rows if row["out"]] == [2, 2]


@pytest.mark.parametrize(
    ("more", "suffix"),
    [
        ((), "a.mp4"),
        (("--background", "transparent"), "a.webm"),
        (("--codec", "prores"), "a.mov"),
        (("--codec", "png"), "000000.png"),
    ],
)
def test_a_folder_gets_what_suits_the_background(matte, tmp_path, more, suffix):
    path = write(tmp_path / "a.mkv", times_ms=[0])
    assert matte(path, "-o", tmp_path / "out", *more)[0] == 0
    assert [item.name for item in (tmp_path / "out").iterdir()] == [suffix]


def test_start_duration_and_size(matte, tmp_path):
    path = write(tmp_path / "a.mp4")
    more = ("--start", "0.2", "--duration", "0.12", "--size", "24", "--background", "white", "--temporal", "none")
    assert matte(path, "-o", tmp_path / "out.mp4", *more)[0] == 0
    frames = decoded(tmp_path / "out.mp4")
    assert [float(frame.time) for frame in frames] == pytest.approx([0, 0.04, 0.08])
    assert (frames[0].height, frames[0].width) == (18, 24)


REFUSED = {
    "no alpha in h264": (("a.mkv", "-o", "out.mp4", "--background", "transparent"), "h264 has no alpha"),
    "another name": (("a.mkv", "-o", "out.gif"), "is not a name for a clip"),
    "name and codec": (("a.mkv", "-o", "out.mp4", "--codec", "vp9"), "holds h264 or hevc, not vp9"),
    "frames to a file": (("a.mkv", "-o", "out.mp4", "--codec", "png"), "numbered PNGs"),
    "two to one": (("a.mkv", "b.mkv", "-o", "out.mp4"), "2 clips cannot be written to one file"),
    "onto itself": (("a.mp4", "-o", "a.mp4"), "would be replaced"),
    "a mixture": (("a.mkv", "photo.png", "-o", "out"), "only images, or only clips"),
    "no size": (("a.mkv", "-o", "out.mp4", "--size", "0x12"), "is not the size of a clip"),
    "frames of another clip": (("a.mkv", "-o", "old", "--codec", "png"), "already has numbered frames"),
    "a clip's setting of images": (("photo.png", "-o", "new.png", "--start", "1"), "no use here"),
    "nothing": (("-o", "out.mp4"), "nothing to work on"),
    "camera and files": (("a.mkv", "-o", "out.mp4", "--camera", "0"), "no use here"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_any_work(matte, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    for name in ("a.mkv", "a.mp4", "b.mkv"):
        write(tmp_path / name, times_ms=[0])
    Image.new("RGB", (9, 9)).save("photo.png")
    Path("old").mkdir()
    Image.new("L", (9, 9)).save("old/000003.png")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    arguments, message = REFUSED[case]
    code, out, err = matte(*arguments)
    assert (code, out, err.count("error:")) == (2, "", 1)
    assert message in err
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["out.mp4", "out.webm", "frames"])
def test_a_full_disk_is_one_clear_error(matte, tmp_path, name):
    codec = ("--codec", "png") if name == "frames" else ()
    with full_disk(tmp_path) as path:
        code, out, err = matte(path, "-o", tmp_path / name, "--background", "white", *codec)
    assert (code, out, err.count("error:")) == (2, "", 1)
    assert "cannot read or write a file: File too large" in err
    assert [item for item in tmp_path.rglob("*") if item.is_file()] == [path]


class TestCamera:
    def test_is_a_clip_of_so_many_seconds(self, matte, tmp_path, monkeypatch):
        """A file stands for the camera: it is read by the same class of OpenCV."""
        capture = cv2.VideoCapture
        path = write(tmp_path / "a.mkv")
        monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture(str(path)))
        more = ("--background", "white", "--temporal", "none")
        assert matte("--camera", "3", "-o", tmp_path / "out.mp4", *more)[0] == 0
        frames = decoded(tmp_path / "out.mp4")
        assert len(frames) == 19  # the first is read to see that there is one
        times = [float(frame.time) for frame in frames]
        assert all(one < other for one, other in pairwise(times))

    def test_that_is_not_there_is_one_clear_error(self, matte, tmp_path):
        code, _, err = matte("--camera", "97", "-o", tmp_path / "out.mp4")
        assert code == 2
        assert "camera 97 gives no picture: there is no /dev/video97" in err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(("allowed", "why"), [(True, "it is in use"), (False, "you may not read")])
    def test_that_is_busy_or_denied_says_so(self, monkeypatch, allowed, why):
        from modnet_export.images.video import camera

        monkeypatch.setattr(camera.Path, "exists", lambda path: True)
        monkeypatch.setattr(camera.os, "access", lambda *_: allowed)
        assert why in camera._why(0)


SLOW = """
import sys, time
from modnet_export.images import matting
from tests.modnet_export.images.video.clips import Model
class Slow(Model):
    def run(self, image_nhwc):
        time.sleep(0.1)
        return super().run(image_nhwc)
matting.open_matting = lambda request: Slow()
from modnet_export.cli import main
main(["matte", "model.tflite", "a.mp4", "-o", "out.mp4", "--background", "white"])
"""


def test_ctrl_c_leaves_a_file_that_plays(tmp_path):
    write(tmp_path / "a.mp4", times_ms=range(0, 8000, 40))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen([sys.executable, "-c", SLOW], cwd=tmp_path, env=environment, **pipes)
    scratch = None
    while running.poll() is None and scratch is None:
        scratch = next((item for item in tmp_path.iterdir() if item.name.startswith(".")), None)
        time.sleep(0.05)
    time.sleep(1.5)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    found = re.search(r"Wrote the first (\d+) frames", out)
    assert found is not None
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]
    frames = decoded(tmp_path / "out.mp4")
    assert 0 < len(frames) == int(found[1]) < 200
