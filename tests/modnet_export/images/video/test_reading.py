from __future__ import annotations

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from converters.errors import ExportError, ExportWarning
from modnet_export.images.video.reading import count_frames, open_clip, read_frames
from tests.modnet_export.images.video.clips import decoded, number, write

VARIABLE_MS = (0, 40, 47, 120, 133, 250, 400, 401)


def times_ms(path) -> list[float]:
    return [float(frame.time_s * 1000) for frame in open_clip(path).frames()]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "size"),
    [
        ("a.mp4", "libx264", "yuv420p", (48, 64)),
        ("a.mp4", "libx265", "yuv420p", (64, 96)),
        ("a.mkv", "libx264", "yuv444p", (48, 64)),
        ("a.webm", "libvpx-vp9", "yuv420p", (47, 63)),
        ("a.mov", "prores_ks", "yuv422p10le", (48, 64)),
        ("a.ts", "libx264", "yuv420p", (48, 64)),
        ("a.avi", "ffv1", "bgr0", (47, 63)),
        ("a.avi", "mpeg4", "yuv420p", (48, 64)),
        ("a.avi", "mjpeg", "yuvj420p", (45, 61)),
        ("a.nut", "ffv1", "gray", (31, 33)),
    ],
)
@pytest.mark.filterwarnings("ignore:.*10 bits:converters.errors.ExportWarning")
def test_containers_and_codecs(tmp_path, name, codec, pixel_format, size):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    steady = range(0, 800, 40)

    path = write(tmp_path / name, codec, pixel_format, size=size, options=options, times_ms=steady)
    clip = open_clip(path)
    frames = list(clip.frames())
    assert (clip.height, clip.width) == size
    assert [number(frame.rgb) for frame in frames] == list(range(20))
    np.testing.assert_allclose([float(frame.time_s * 1000) for frame in frames], steady, atol=0.01)
    if pixel_format != "gray":
        np.testing.assert_allclose(frames[3].rgb[3, 3], (200, 40, 40), atol=12)
        np.testing.assert_allclose(frames[3].rgb[-3, -3], (40, 40, 200), atol=12)


def test_variable_rate_is_kept(tmp_path):
    assert times_ms(write(tmp_path / "a.mkv", times_ms=VARIABLE_MS)) == list(VARIABLE_MS)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied_as_opencv_does(tmp_path, degrees):
    path = write(tmp_path / "a.mov", rotation=(degrees, False))
    ours = next(open_clip(path).frames()).rgb
    theirs = cv2.VideoCapture(str(path)).read()[1][:, :, ::-1]
    assert ours.shape == theirs.shape == ((64, 48, 3) if degrees % 180 else (48, 64, 3))
    assert np.abs(ours.astype(int) - theirs).mean() < 2
    assert (open_clip(path).height, open_clip(path).width) == ours.shape[:2]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_corners_lie_where_the_display_matrix_puts_them(tmp_path, degrees, mirrored):
    path = write(tmp_path / "a.mov", rotation=(degrees, mirrored))
    stored = decoded(path)[0]
    matrix = (
        np.frombuffer(bytes(stored.side_data["DISPLAYMATRIX"]), np.int32).reshape(3, 3)[:2, :2]
        if stored.rotation or mirrored
        else np.eye(2)
    )
    shown = next(open_clip(path).frames()).rgb
    for corner, colour in (((-1, -1), (200, 40, 40)), ((1, 1), (40, 40, 200))):
        x, y = np.sign(np.array(corner) @ matrix)  # (x, y) as a row times ((a, b), (c, d))
        np.testing.assert_allclose(shown[3 if y < 0 else -3, 3 if x < 0 else -3], colour, atol=10)


@pytest.mark.parametrize(("matrix", "weights"), [(1, (0.2126, 0.0722)), (5, (0.299, 0.114)), (6, (0.299, 0.114))])
@pytest.mark.parametrize("full", [False, True])
def test_matrix_and_range_by_their_formula(tmp_path, matrix, weights, full):
    """ITU-R BT.601 and BT.709, written out."""
    colours = np.array([[[200, 40, 40], [40, 40, 200], [128, 128, 128], [0, 255, 0]]], np.float64).repeat(4, axis=0)
    (red, blue), rgb = weights, colours / 255
    luma = rgb @ (red, 1 - red - blue, blue)
    chroma = [(rgb[..., 2] - luma) / (2 * (1 - blue)), (rgb[..., 0] - luma) / (2 * (1 - red))]
    low, span, swing = (0, 255, 255) if full else (16, 219, 224)
    planes = np.rint([low + span * luma, *(128 + swing * item for item in chroma)]).clip(0, 255).astype(np.uint8)

    def picture(index, height, width):
        frame = av.VideoFrame.from_ndarray(planes, "yuv444p")
        frame.colorspace, frame.color_range = matrix, 2 if full else 1
        return frame

    ways = {"colorspace": matrix, "color_range": 2 if full else 1}
    write(tmp_path / "a.mkv", "ffv1", "yuv444p", size=(4, 4), times_ms=[0, 40], picture=picture, **ways)
    clip = open_clip(tmp_path / "a.mkv")
    assert (clip.colour.matrix, clip.colour.full_range) == (matrix, full)
    np.testing.assert_allclose(next(clip.frames()).rgb, colours, atol=2.5)


@pytest.mark.parametrize(("size", "expected"), [((48, 64), 6), ((576, 720), 6), ((720, 1280), 1)])
def test_a_video_that_does_not_say_its_matrix_is_guessed_as_players_do(tmp_path, size, expected):
    path = write(tmp_path / "a.mp4", size=size, times_ms=[0], options={"preset": "ultrafast"})
    assert open_clip(path).colour.matrix == expected


def test_every_start_gives_what_lies_after_it(tmp_path):
    path = write(tmp_path / "a.mp4", options={"g": "5"})
    whole = list(open_clip(path).frames())
    for start in (Fraction(1, 100), Fraction(2, 25), Fraction(1, 2), Fraction(78, 100)):
        for end in (None, Fraction(3, 5)):
            found = list(open_clip(path).frames(start, end))
            expected = [item for item in whole if start <= item.time_s and (end is None or item.time_s < end)]
            assert [item.time_s for item in found] == [item.time_s for item in expected]
            assert [number(item.rgb) for item in found] == [number(item.rgb) for item in expected]


def test_alpha_is_shown_on_white_and_said(tmp_path):
    def picture(index, height, width):
        shown = np.zeros((height, width, 4), np.uint8)
        shown[..., 0], shown[..., 3] = 255, 51
        return shown

    path = write(tmp_path / "a.mkv", "ffv1", "bgra", picture=picture, times_ms=[0, 40])
    with pytest.warns(ExportWarning, match="has alpha: it is shown on white"):
        clip = open_clip(path)
    np.testing.assert_allclose(next(clip.frames()).rgb[5, 5], (255, 204, 204), atol=1)


def test_ten_bits_are_converted_and_said(tmp_path):
    path = write(tmp_path / "a.mkv", pixel_format="yuv420p10le")
    with pytest.warns(ExportWarning, match=r"a\.mkv has 10 bits"):
        assert number(next(open_clip(path).frames()).rgb) == 0


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:.*10 bits:converters.errors.ExportWarning")
@pytest.mark.parametrize(
    ("code", "name", "codec", "expected"),
    # Levels of black, half, BT.2408's white of graphics (203 nits) and 1000 nits: their least and most.
    [
        (16, "PQ", "libx265", ((0, 2), (40, 80), (160, 230), (225, 255))),
        (18, "HLG", "ffv1", ((0, 2), (40, 100), (160, 230), (254, 255))),
    ],
)
def test_hdr_is_mapped_to_sdr_and_said(tmp_path, code, name, codec, expected):
    """Grey stays grey, and PQ's brightest is what the file's metadata says: 1000 nits."""
    codes = {"PQ": (0, 0.29, 0.5807, 0.7518), "HLG": (0, 0.375, 0.75, 1)}[name]
    levels = np.full((64, 64, 3), 512, np.uint16)
    levels[..., 0] = np.rint(64 + 876 * np.array(codes)).repeat(16)

    def picture(index, height, width):
        frame = av.VideoFrame.from_ndarray(levels << 6, "yuv444p16le")
        frame.colorspace, frame.color_range = 9, 1
        return frame.reformat(format="yuv444p10le")

    light = "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,1)"
    options = {"x265-params": f"log-level=none:{light}", "crf": "2"} if codec == "libx265" else {}
    ways = {"color_trc": code, "color_primaries": 9, "colorspace": 9, "color_range": 1, "options": options}
    path = write(tmp_path / "a.mkv", codec, "yuv444p10le", size=(64, 64), times_ms=[0, 40], picture=picture, **ways)
    with pytest.warns(ExportWarning, match=rf"HDR \({name}\): its tones are mapped to SDR"):
        clip = open_clip(path)
    assert (clip.colour.matrix, clip.colour.primaries, clip.colour.transfer) == (1, 1, 1)
    first, second = (frame.rgb[32, 8::16].astype(int) for frame in clip.frames())
    np.testing.assert_array_equal(first, second)
    assert np.ptp(first, axis=1).max() <= 2
    for level, (least, most) in zip(first[:, 1], expected, strict=True):
        assert least <= level <= most, first[:, 1]


def test_hdr_that_this_ffmpeg_cannot_convert_is_refused_with_the_way_out(tmp_path, monkeypatch):
    from modnet_export.images.video import hdr

    monkeypatch.setattr(hdr, "_MAPPING", "no_such_option=1")
    path = write(tmp_path / "a.mkv", pixel_format="yuv420p10le", color_trc=16, color_primaries=9, colorspace=9)
    with pytest.raises(ExportError, match=r"HDR \(PQ\), which this FFmpeg cannot convert(.|\n)*tonemap"):
        open_clip(path)


def only_sound(path, cover=False):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        stream.layout = "mono"
        if cover:
            picture = container.add_stream("mjpeg", rate=25)
            picture.height, picture.width, picture.pix_fmt = 48, 64, "yuvj420p"
            picture.disposition = Disposition.attached_pic
            shown = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
            shown.pts = 0
            container.mux([*picture.encode(shown), *picture.encode(None)])
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


BROKEN = {
    "only sound": (only_sound, "holds no frame: there is only sound"),
    "sound with a cover": (lambda path: only_sound(path, cover=True), "holds no frame: there is only sound"),
    "no video": (lambda path: path.write_bytes(b"no video"), "cannot read a.mp4 as a video"),
    "empty": (lambda path: path.write_bytes(b""), "cannot read a.mp4 as a video"),
    "a folder": (lambda path: path.mkdir(), "it is a folder"),
    "nothing": (lambda path: None, "no such file"),
    "zero frames": (lambda path: no_frames(path), "holds no frame|cannot read"),
    "without its index": (lambda path: cut(path, 0.6), "cannot read a.mp4 as a video"),
}


def no_frames(path):
    """A whole file whose stream of pictures has no packet."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = 48, 64
        container.start_encoding()


def cut(path, share):
    write(path)
    path.write_bytes(path.read_bytes()[: round(share * path.stat().st_size)])


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_video_is_one_clear_error(tmp_path, name):
    make, message = BROKEN[name]
    make(tmp_path / "a.mp4")
    with pytest.raises(ExportError, match=message) as caught:
        open_clip(tmp_path / "a.mp4")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.ts"])
def test_a_truncated_file_gives_what_is_there(tmp_path, name):
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = write(tmp_path / name, codec, times_ms=range(0, 8000, 40), options={"g": "10"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = open_clip(path)
    if clip.duration_s is not None and clip.duration_s > 6:
        with pytest.warns(ExportWarning, match="ends after|cannot be decoded to its end"):
            found = list(clip.frames())
    else:
        found = list(clip.frames())
    assert 40 < len(found) < 160


def test_a_file_above_4_gb_is_read_like_any_other(tmp_path):
    """The file is sparse: a box of 4.5 GB that players skip."""
    path = write(tmp_path / "a.mp4")
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        size = 4_500_000_000
        file.write(struct.pack(">I4sQ", 1, b"free", size))
        file.truncate(end + size)
    assert [number(frame.rgb) for frame in open_clip(path).frames()] == list(range(20))


def test_frames_by_their_indices(tmp_path):
    path = write(tmp_path / "a.mp4")
    assert count_frames(path) == 20
    found = list(read_frames(path, [0, 7, 19]))
    assert [number(item * 255) for item in found] == [0, 7, 19]
    with pytest.raises(ExportError, match="cannot decode frame 20"):
        list(read_frames(path, [19, 20]))
