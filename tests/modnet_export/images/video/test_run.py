from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from converters.errors import ExportError, ExportWarning
from converters.progress import silent
from modnet_export.images.compositing import Background
from modnet_export.images.video.reading import Frame, open_clip
from modnet_export.images.video.run import ClipRequest, matte_clip
from modnet_export.images.video.stages import DEPTH
from modnet_export.images.video.writing import ENCODINGS, require_encoder
from tests.modnet_export.images.video.clips import Model, clicks_s, decoded, full_disk, write

WHITE, CLEAR = Background(colour=(255, 255, 255)), Background()
VARIABLE_MS = (0, 40, 47, 120, 133, 250, 400, 401)


def opaque(index, height, width):
    """Green, so that the model's matte is 1, with its number in red."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 0], picture[..., 1] = 20 + 10 * index, 255
    return picture


def red(frame) -> int:
    rgb = frame.to_ndarray(format="rgb24") if isinstance(frame, av.VideoFrame) else frame
    return round((float(rgb[rgb.shape[0] // 2, rgb.shape[1] // 2, 0]) - 20) / 10)


def run(source, out, codec="h264", background=WHITE, progress=silent, model=None, **more):
    request = ClipRequest(codec, background, **{"temporal": "none", **more})
    return matte_clip(source, model or Model(), request, out, progress)


@pytest.mark.parametrize("temporal", ["none", "one-frame-delay", "flow"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "prores"])
def test_no_frame_is_lost_or_doubled_and_times_are_kept(tmp_path, codec, temporal):
    path = write(tmp_path / "a.mkv", size=(64, 96), times_ms=VARIABLE_MS, picture=opaque, options={"qp": "1"})
    out = tmp_path / f"out{ENCODINGS[codec].suffix}"
    done = run(open_clip(path), out, codec, temporal=temporal)
    frames = decoded(out)
    assert done.frames == len(frames) == len(VARIABLE_MS)
    assert [red(frame) for frame in frames] == list(range(len(VARIABLE_MS)))
    np.testing.assert_allclose([float(frame.time) * 1000 for frame in frames], VARIABLE_MS, atol=0.6)
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == []


def shaded(index, height, width):
    """Alpha from 0 to 1, left to right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[..., 1] = np.linspace(0, 255, width).round()
    return picture


@pytest.fixture
def soft(tmp_path):
    """A clip whose mattes are known: one for each column, as the model gives it."""
    path = write(tmp_path / "soft.mkv", "ffv1", "bgr0", times_ms=[0, 40, 80], picture=shaded, size=(64, 96))
    return path, np.linspace(0, 255, 96).round()


@pytest.mark.parametrize(("codec", "decoder"), [("vp9", "libvpx-vp9"), ("prores", None)])
def test_alpha_arrives(tmp_path, soft, codec, decoder):
    path, alpha = soft
    out = tmp_path / f"out{ENCODINGS[codec].suffix}"
    run(open_clip(path), out, codec, CLEAR)
    frames = decoded(out, decoder)
    assert len(frames) == 3
    found = frames[1].to_ndarray(format="rgba")[16, :, 3].astype(float)
    np.testing.assert_allclose(found, alpha, atol=6)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "prores"])
def test_a_matte_is_grey_in_a_video_that_any_player_shows_right(tmp_path, soft, codec):
    path, alpha = soft
    out = tmp_path / f"out{ENCODINGS[codec].suffix}"
    run(open_clip(path), out, codec, None)
    with pytest.warns(ExportWarning, match="bits") if codec == "prores" else nullcontext():
        clip = open_clip(out)
    shown = next(clip.frames()).rgb
    assert (clip.colour.matrix, clip.colour.full_range) == (1, False)
    np.testing.assert_allclose(shown[16].astype(float), alpha[:, None].repeat(3, axis=1), atol=8)


def test_numbered_pngs_are_exact(tmp_path, soft):
    path, alpha = soft
    run(open_clip(path), tmp_path / "frames", "png", None)
    files = sorted((tmp_path / "frames").iterdir())
    assert [item.name for item in files] == ["000000.png", "000001.png", "000002.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(files[1]))[16], alpha)


@pytest.mark.parametrize("size", [(47, 63), (48, 63), (1, 1)])
def test_odd_sides_gain_a_row_or_a_column(tmp_path, size):
    path = write(tmp_path / "a.mkv", "ffv1", "bgr0", size=size, picture=opaque)
    run(open_clip(path), tmp_path / "out.mp4")
    frames = decoded(tmp_path / "out.mp4")
    assert (frames[0].height, frames[0].width) == tuple(side + side % 2 for side in size)
    assert [red(item) for item in frames] == list(range(20))


@pytest.mark.parametrize(("asked", "expected"), [((24, 64), (24, 32)), ((96, 96), (72, 96)), (None, (48, 64))])
def test_size_is_what_frames_fit_into(tmp_path, asked, expected):
    run(open_clip(write(tmp_path / "a.mp4")), tmp_path / "out.mp4", size=asked)
    frame = decoded(tmp_path / "out.mp4")[0]
    assert (frame.height, frame.width) == expected


@pytest.mark.parametrize("matrix", [1, 5])
@pytest.mark.parametrize("full", [False, True])
def test_matrix_and_range_are_kept_and_colours_with_them(tmp_path, matrix, full):
    ways = {"colorspace": matrix, "color_range": 2 if full else 1}

    def picture(index, height, width):
        frame = av.VideoFrame.from_ndarray(opaque(6, height, width), "rgb24")
        return frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=ways["color_range"])

    path = write(tmp_path / "a.mp4", picture=picture, options={"qp": "1"}, **ways)
    run(open_clip(path), tmp_path / "out.mp4")
    clip = open_clip(tmp_path / "out.mp4")
    assert clip.colour == open_clip(path).colour
    assert (clip.colour.matrix, clip.colour.full_range) == (matrix, full)
    np.testing.assert_allclose(next(clip.frames()).rgb[20, 20], (80, 255, 0), atol=6)


class TestSound:
    def test_is_copied_packet_by_packet(self, tmp_path):
        path = write(tmp_path / "a.mp4", sound="aac", picture=opaque)
        run(open_clip(path), tmp_path / "out.mp4")
        found = [packets(item) for item in (path, tmp_path / "out.mp4")]
        assert found[0] == found[1]
        assert len(found[0]) > 20

    @pytest.mark.parametrize(
        ("name", "codec", "sound", "encoder"),
        [("a.mkv", "h264", "pcm_s16le", "aac"), ("a.mp4", "vp9", "aac", "libopus"), ("a.mkv", "prores", "flac", "aac")],
    )
    def test_is_encoded_where_the_file_cannot_hold_it(self, tmp_path, name, codec, sound, encoder):
        path = write(tmp_path / name, sound=sound, picture=opaque)
        out = tmp_path / f"out{ENCODINGS[codec].suffix}"
        with pytest.warns(ExportWarning, match=f"sound of {name} is encoded again, as {encoder}"):
            run(open_clip(path), out, codec)
        np.testing.assert_allclose(clicks_s(out), clicks_s(path), atol=0.02)

    @pytest.mark.parametrize("start", [Fraction(0), Fraction(21, 100), Fraction(2, 5)])
    @pytest.mark.parametrize("codec", ["h264", "vp9"])
    @pytest.mark.filterwarnings("ignore:the sound of:converters.errors.ExportWarning")
    def test_cuts_keep_pictures_and_sound_together(self, tmp_path, codec, start):
        """Pictures and clicks of a long clip lie as far from the cut as before, to a frame."""
        path = write(tmp_path / "a.mp4", sound="aac", picture=opaque, options={"g": "6"})
        out = tmp_path / f"out{ENCODINGS[codec].suffix}"
        run(open_clip(path), out, codec, start_s=start, duration_s=Fraction(3, 10))
        frames = decoded(out)
        kept = [index for index in range(20) if start <= Fraction(index, 25) < start + Fraction(3, 10)]
        assert [red(item) for item in frames] == kept
        shown = [float(item.time) + float(start) - 0.04 * index for item, index in zip(frames, kept, strict=True)]
        np.testing.assert_allclose(shown, 0, atol=1e-3)
        heard = [time for time in clicks_s(path) if start + 0.05 < time < start + 0.25]
        found = [time + float(start) for time in clicks_s(out)]
        for time in heard:
            assert min(abs(item - time) for item in found) < 0.04

    def test_is_left_out_of_a_matte(self, tmp_path):
        run(open_clip(write(tmp_path / "a.mp4", sound="aac")), tmp_path / "out.mp4", background=None)
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert not container.streams.audio


def packets(path) -> list[tuple[int, bytes]]:
    with av.open(str(path)) as container:
        return [(packet.pts, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


def test_times_beyond_the_clip_are_one_clear_error(tmp_path):
    with pytest.raises(ExportError, match=r"no frame within these times(.|\n)*0\.80 s long"):
        run(open_clip(write(tmp_path / "a.mp4")), tmp_path / "out.mp4", start_s=Fraction(5))
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]


class Endless:
    """A source that counts how many frames have been asked for."""

    shape = Fraction(1)
    height, width, rate, time_base, duration_s = 48, 64, Fraction(25), Fraction(1, 1000), None

    def __init__(self, path, fail_at=None):
        self.path, self.given, self._fail_at = path, 0, fail_at

    def frames(self, start_s, end_s):
        while True:
            if self.given == self._fail_at:
                raise ExportError("the reader fails")
            self.given += 1
            yield Frame(np.full((48, 64, 3), 128, np.uint8), Fraction(self.given, 25))


def test_few_frames_are_under_way_however_long_the_clip(tmp_path):
    """What waits is bounded: two queues, and one frame in each of the three stages."""
    source, model, most = Endless(tmp_path), Model(), 0

    class EnoughError(Exception):
        pass

    def progress(stage, done=0, total=0):
        nonlocal most
        most = max(most, source.given - done)
        if done == 300:
            raise EnoughError

    with pytest.raises(EnoughError):
        run(source, tmp_path / "out.mp4", background=None, model=model, progress=progress)
    assert 1 <= most <= DEPTH + 2
    assert model.runs - 300 <= 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["reading", "network", "writing"])
def test_a_fault_in_any_stage_ends_all_and_leaves_nothing(tmp_path, stage, monkeypatch):
    def fail(*_):
        raise ExportError(f"the {stage} fails")

    source, model = Endless(tmp_path, fail_at=9 if stage == "reading" else None), Model()
    if stage == "reading":
        fail_message = "the reader fails"
    else:
        fail_message = f"the {stage} fails"
        monkeypatch.setattr(model, {"network": "run", "writing": "restored"}[stage], fail)
    with pytest.raises(ExportError, match=fail_message):
        run(source, tmp_path / "out.mp4", background=None, model=model)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_the_frames_that_are_done(tmp_path):
    def progress(stage, done=0, total=0):
        if done == 7:
            raise KeyboardInterrupt

    path = write(tmp_path / "a.mp4", sound="aac", picture=opaque)
    done = run(open_clip(path), tmp_path / "out.mp4", progress=progress, temporal="one-frame-delay")
    assert done.interrupted
    assert [red(item) for item in decoded(tmp_path / "out.mp4")] == list(range(7))
    assert done.frames == 7


def test_a_second_ctrl_c_leaves_nothing(tmp_path, monkeypatch):
    from modnet_export.images.video import run as running

    def progress(stage, done=0, total=0):
        if done == 7:
            raise KeyboardInterrupt

    def again(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(running.Behind, "finish", again)
    with pytest.raises(KeyboardInterrupt):
        run(open_clip(write(tmp_path / "a.mp4")), tmp_path / "out.mp4", progress=progress)
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    with full_disk(tmp_path) as path, pytest.raises(OSError, match="File too large"):
        run(open_clip(path), tmp_path / "out.mp4", codec="h264")
    assert [item.name for item in tmp_path.iterdir()] == ["a.mkv"]


def test_pictures_that_would_break_x265_are_refused(tmp_path):
    with pytest.raises(ExportError, match="libx265 refuses pictures of 48x64: sides under 64 pixels"):
        run(open_clip(write(tmp_path / "a.mp4")), tmp_path / "out.mp4", "hevc")
    assert [item.name for item in tmp_path.iterdir()] == ["a.mp4"]


def test_a_missing_encoder_is_named(monkeypatch):
    from dataclasses import replace

    from modnet_export.images.video import writing

    lacking = {**ENCODINGS, "hevc": replace(ENCODINGS["hevc"], encoder="libnothing")}
    monkeypatch.setattr(writing, "ENCODINGS", lacking)
    with pytest.raises(ExportError, match="no encoder libnothing"):
        require_encoder("hevc")
    for codec in ("h264", "vp9", "prores", "png"):
        require_encoder(codec)


def test_pictures_that_an_encoder_refuses_are_one_clear_error(tmp_path):
    source = Endless(tmp_path)
    source.height, source.width = 2, 40_000
    with pytest.raises(ExportError, match="refuses pictures of 2x40000"):
        run(source, tmp_path / "out.mp4", background=None)
    assert list(tmp_path.iterdir()) == []
