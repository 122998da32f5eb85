"""Writing clips: H.264 and HEVC, VP9 and ProRes 4444 with alpha, and numbered PNGs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from converters.errors import ExportError, needs, reason
from modnet_export.images.compositing import save_png
from modnet_export.images.frames import Bytes
from modnet_export.images.video.reading import Colour
from modnet_export.images.video.sound import Sound
from modnet_export.record.choices import VideoCodec
from modnet_export.record.files import replaced_file

_OF_MP4 = frozenset({"aac", "ac3", "alac", "eac3", "mp3"})


@dataclass(frozen=True)
class Encoding:
    """One way to write pictures: FFmpeg's encoder, the file that holds them, and the pixel formats."""

    encoder: str
    suffix: str
    container: str
    opaque: str
    alpha: str | None
    options: Mapping[str, str] = field(default_factory=dict)
    least_side: int = 1
    copied_sound: frozenset[str] = _OF_MP4
    sound_encoder: str = "aac"


_APPLES_TAG = {"tag": "hvc1"}  # by another one, Apple's players do not know HEVC
ENCODINGS: Mapping[VideoCodec, Encoding] = {
    "h264": Encoding("libx264", ".mp4", "mp4", "yuv420p", None, {"crf": "18", "preset": "veryfast"}),
    "hevc": Encoding(
        encoder="libx265",
        suffix=".mp4",
        container="mp4",
        opaque="yuv420p",
        alpha=None,
        least_side=64,  # x265 writes beyond its memory where a picture is smaller than its largest block
        options={"crf": "20", "preset": "veryfast", "x265-params": "log-level=none", **_APPLES_TAG},
    ),
    "vp9": Encoding(
        encoder="libvpx-vp9",
        suffix=".webm",
        container="webm",
        opaque="yuv420p",
        alpha="yuva420p",
        # With alpha, libvpx refuses frames that are only referred to.
        options={"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "auto-alt-ref": "0"},
        copied_sound=frozenset({"opus", "vorbis"}),
        sound_encoder="libopus",
    ),
    "prores": Encoding(
        encoder="prores_ks",
        suffix=".mov",
        container="mov",
        opaque="yuv444p10le",
        alpha="yuva444p10le",
        options={"profile": "4444"},
        copied_sound=_OF_MP4 | {"pcm_s16be", "pcm_s16le", "pcm_s24be", "pcm_s24le"},
    ),
}
"""Every codec but ``png``, which is none of FFmpeg's here."""
SUFFIXES: Mapping[str, tuple[VideoCodec, ...]] = {".mp4": ("h264", "hevc"), ".webm": ("vp9",), ".mov": ("prores",)}
"""What a file of a name may hold; the first is the default."""


@dataclass(frozen=True)
class Look:
    """What the pictures of a clip have in common: their size, whether they have alpha, and how they are timed.

    ``shape`` is the width of a pixel over its height, ``time_base`` the unit of time in seconds.
    """

    height: int
    width: int
    alpha: bool
    rate: Fraction
    time_base: Fraction
    shape: Fraction = Fraction(1)
    colour: Colour = field(default_factory=Colour)


Write = Callable[[Bytes, Fraction], None]
"""Takes a picture (H x W, H x W x 3 or H x W x 4) and its time in seconds; times increase."""


@contextmanager
def writing(out: Path, codec: VideoCodec, look: Look, sound: Callable[[Encoding], Sound] | None) -> Iterator[Write]:
    """Where to write pictures to. The file appears when the context ends, and never half-written.

    ``png``: into the folder ``out``, each as soon as it is whole. Sides that 4:2:0 cannot have, odd ones, gain a row or
    a column that repeats the last. Raises ExportError for an encoder that this FFmpeg lacks or that refuses.
    """
    if codec == "png":
        out.mkdir(parents=True, exist_ok=True)
        number = iter(range(1_000_000_000))
        yield lambda picture, _: save_png(out / f"{next(number):06d}.png", picture)
        return
    needs("av", extra="video")
    encoding = ENCODINGS[codec]
    out.parent.mkdir(parents=True, exist_ok=True)
    with replaced_file(out) as temporary, _file(temporary, encoding, look, sound) as write:
        yield write


def require_encoder(codec: VideoCodec) -> None:
    """Raise ExportError where this machine's FFmpeg cannot write a codec."""
    if codec == "png":
        return
    needs("av", extra="video")
    import av

    name = ENCODINGS[codec].encoder
    try:
        av.Codec(name, "w")
    except (ValueError, av.FFmpegError) as error:
        raise ExportError(
            f"this FFmpeg has no encoder {name}",
            where="`codec`",
            expected="PyAV as its wheels are, with x264, x265 and libvpx",
            next_step="install the wheel that PyPI has of av, or choose another `codec`",
        ) from error


@contextmanager
def _file(path: Path, encoding: Encoding, look: Look, sound: Callable[[Encoding], Sound] | None) -> Iterator[Write]:
    import av

    container = av.open(str(path), "w", format=encoding.container)
    heard = None if sound is None else sound(encoding)
    try:
        stream = _stream(container, encoding, look)
        if heard is not None:
            heard.add_to(container)
        yield lambda picture, time_s: _write(container, stream, look, heard, picture, time_s)
        container.mux(stream.encode(None))
        for packet in () if heard is None else heard.until(None):
            container.mux(packet)
        container.close()
    except BaseException:
        with suppress(Exception):  # the first fault is the one to tell
            container.close()
        raise
    finally:
        if heard is not None:
            heard.close()


def _stream(container: Any, encoding: Encoding, look: Look) -> Any:
    if min(look.height, look.width) < encoding.least_side:
        raise _refused(encoding, look, f"sides under {encoding.least_side} pixels")
    options = dict(encoding.options)
    tag = options.pop("tag", None)
    stream = container.add_stream(encoding.encoder, rate=look.rate, options=options)
    even = encoding.opaque == "yuv420p" and not look.alpha
    stream.height, stream.width = (side + side % 2 if even else side for side in (look.height, look.width))
    stream.pix_fmt = encoding.alpha if look.alpha else encoding.opaque
    context = stream.codec_context
    context.time_base = look.time_base
    context.sample_aspect_ratio = look.shape
    context.colorspace, context.color_range = look.colour.matrix, look.colour.range
    context.color_primaries, context.color_trc = look.colour.primaries, look.colour.transfer
    if tag is not None:
        context.codec_tag = tag
    try:
        context.open()
    except Exception as error:
        raise _refused(encoding, look, reason(error)) from error
    return stream


def _refused(encoding: Encoding, look: Look, why: str) -> ExportError:
    return ExportError(
        f"{encoding.encoder} refuses pictures of {look.height}x{look.width}: {why}",
        expected="pictures that it can encode",
        next_step="choose another `size`, or another `codec`",
    )


def _write(container: Any, stream: Any, look: Look, sound: Sound | None, picture: Bytes, time_s: Fraction) -> None:
    import av

    if picture.ndim == 2:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB), np.uint8)
    down, right = stream.height - picture.shape[0], stream.width - picture.shape[1]
    if down or right:
        picture = np.pad(picture, ((0, down), (0, right), (0, 0)), "edge")
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgba" if look.alpha else "rgb24")
    frame = frame.reformat(
        format=stream.pix_fmt,
        src_color_range=2,
        dst_colorspace=look.colour.conversion,
        dst_color_range=look.colour.range,
    )
    frame.pts, frame.time_base = round(time_s / look.time_base), look.time_base
    if sound is not None:
        for packet in sound.until(time_s):
            container.mux(packet)
    container.mux(stream.encode(frame))
