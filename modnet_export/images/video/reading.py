"""Reading video files with PyAV: upright RGB frames and their times, of any container and codec that FFmpeg knows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from converters.eight_bit import from_bytes
from converters.errors import ExportError, ExportWarning, needs, reason
from modnet_export.images.frames import Bytes, upright
from modnet_export.images.imaging import Pixels
from modnet_export.images.video.hdr import TRANSFERS, Hdr, graph, to_sdr

SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".dv",
        ".f4v",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mjpeg",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".nut",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
        ".y4m",
    ]
)
"""The names by which files are taken for videos; what is in them, FFmpeg finds out."""
_EXPECTED = "a video that FFmpeg can decode (mp4, mov, mkv, webm, avi and more)"
_UNKNOWN = 2  # what FFmpeg writes for a colour code that no one has set
_BT709, _BT601, _BT2020 = 1, 5, 9
# Codes of ITU-T H.273, as FFmpeg has them, and the matrix that converts them. Others are converted like BT.601.
_MATRICES = {1: _BT709, 4: 4, 5: _BT601, 6: _BT601, 7: 7, 9: _BT2020, 10: _BT2020}
# From this size on, a video that does not say its matrix is taken for BT.709, as players do.
_HD = (577, 1280)


@dataclass(frozen=True)
class Colour:
    """What a video's numbers mean, in the codes of ITU-T H.273; ``matrix`` is never the code for unknown."""

    matrix: int = _BT709
    full_range: bool = False
    primaries: int = _BT709
    transfer: int = _BT709

    @property
    def conversion(self) -> int:
        """swscale's code of the matrix."""
        return _MATRICES.get(self.matrix, _BT601)

    @property
    def range(self) -> int:
        """FFmpeg's code of the range: 1 limited (16 to 235), 2 full."""
        return 2 if self.full_range else 1


@dataclass(frozen=True)
class Frame:
    """One upright frame: RGB bytes, H x W x 3, and the seconds from the file's beginning at which it is shown."""

    rgb: Bytes
    time_s: Fraction


@dataclass(frozen=True)
class Clip:
    """A video file that can be read, and what is known of it before it is read; see ``open_clip``.

    ``height`` and ``width`` are those of upright frames. ``time_base`` is the unit that the file counts time in, in
    seconds, ``rate`` its mean frames per second, and ``shape`` the width of a pixel over its height.
    """

    path: Path
    height: int
    width: int
    rotation: int
    mirrored: bool
    rate: Fraction
    time_base: Fraction
    shape: Fraction
    colour: Colour
    duration_s: Fraction | None
    origin_s: Fraction
    """The time of the file that counts as 0: its earliest picture or sound."""
    hdr: Hdr | None = None
    """Its own colours, where they are HDR: ``colour`` is then that of the SDR which its frames are given in."""

    def frames(self, start_s: Fraction = Fraction(0), end_s: Fraction | None = None) -> Iterator[Frame]:
        """The frames that are first shown from ``start_s`` on and before ``end_s``.

        Times increase: a frame without a time follows the one before it by the mean rate. A file that cannot be decoded
        to its end gives the frames before that, and a warning.
        """
        seen, last, rgb = 0, Fraction(0), self._converter()
        for frame, time_s in self._timed(start_s):
            if end_s is not None and time_s >= end_s:
                return
            if time_s >= start_s:
                seen, last = seen + 1, time_s
                yield Frame(rgb(frame), time_s)
        if end_s is None and self.duration_s is not None and seen:
            missing = self.duration_s - last - 1 / self.rate
            if missing > max(Fraction(1), self.duration_s / 20):
                _warn(f"{self.path.name} ends after {float(last):.1f} s, though it says {float(self.duration_s):.1f} s")

    def _timed(self, start_s: Fraction) -> Iterator[tuple[Any, Fraction]]:
        """Decoded frames with increasing times; a few may lie before ``start_s``."""
        if start_s > 0:
            for number, (frame, time_s) in enumerate(self._decoded(start_s)):
                if number == 0 and time_s > start_s:  # seeking is not exact in every format: from the beginning, then
                    break
                yield frame, time_s
            else:
                return
        yield from self._decoded(None)

    def _decoded(self, seek_s: Fraction | None) -> Iterator[tuple[Any, Fraction]]:
        last: Fraction | None = None
        with opened(self.path) as container:
            stream = _pictures(container)
            stream.thread_type = "AUTO"
            if seek_s is not None:
                container.seek(int((self.origin_s + seek_s) / stream.time_base), stream=stream)
            frames = container.decode(stream)
            while True:
                try:
                    frame = next(frames, None)
                except _ffmpeg_error() as error:
                    _warn(f"{self.path.name} cannot be decoded to its end: {reason(error)}")
                    return
                if frame is None:
                    return
                known = frame.pts is not None
                time_s = Fraction(frame.pts) * frame.time_base - self.origin_s if known else Fraction(0)
                if last is not None and (not known or time_s <= last):
                    time_s = last + (self.time_base if known else 1 / self.rate)
                last = time_s
                yield frame, time_s

    def _converter(self) -> Callable[[Any], Bytes]:
        """What makes a decoded frame upright RGB; alpha is composited onto white, as of images."""
        toned = None if self.hdr is None else to_sdr(self.hdr)

        def rgb(frame: Any) -> Bytes:
            alpha = _has_alpha(frame.format)
            pixel_format = "rgba" if alpha else "rgb24"
            if toned is not None:
                shown = toned(frame, pixel_format)
            else:
                shown = frame.reformat(
                    format=pixel_format,
                    src_colorspace=self.colour.conversion,
                    src_color_range=self.colour.range,
                    dst_color_range=2,
                )
            made = shown.to_ndarray()
            if alpha:
                weight = made[..., 3:].astype(np.uint16)
                made = ((made[..., :3] * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)
            return upright(made, self.rotation, mirrored=self.mirrored)  # type: ignore[arg-type]

        return rgb


def _warn(text: str) -> None:
    warnings.warn(text, ExportWarning, stacklevel=3)


def _ffmpeg_error() -> type[Exception]:
    import av

    return av.FFmpegError  # type: ignore[no-any-return]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file's container; raises ExportError for one that FFmpeg cannot open."""
    needs("av", extra="video")
    import av

    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise ValueError("it is a folder" if path.is_dir() else "there is no such file")
        container = av.open(str(path), metadata_errors="replace")
    except (OSError, ValueError, av.FFmpegError) as error:
        raise ExportError(
            f"cannot read {path.name} as a video: {reason(error)}",
            where=path,
            expected=f"{_EXPECTED}, or a folder of frames",
            next_step="check that the file plays, or copy or encode it again",
        ) from error
    with container:
        yield container


def open_clip(path: Path) -> Clip:
    """Look at a video: its first frame is decoded.

    Warns of HDR, more than 8 bits, alpha and interlacing, which are lost. Raises ExportError for a file that is no
    video, without any frame, or in HDR that this FFmpeg cannot convert.
    """
    with opened(path) as container:
        stream = _pictures(container)
        if stream is None:
            raise _no_pictures(path, "there is only sound" if container.streams.audio else "no stream of pictures")
        try:
            first = next(container.decode(stream), None)
        except _ffmpeg_error() as error:
            raise _no_pictures(path, reason(error)) from error
        if first is None:
            raise _no_pictures(path, "no frame can be decoded")
        hdr = _hdr(path, first)
        _say_what_is_lost(path, stream, first)
        rotation, mirrored = _orientation(first)
        turned = rotation % 180 != 0
        shape = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        began = [
            item.start_time * item.time_base
            for item in (stream, *container.streams.audio[:1])
            if item.start_time is not None
        ]
        return Clip(
            path=path,
            height=first.width if turned else first.height,
            width=first.height if turned else first.width,
            rotation=rotation,
            mirrored=mirrored,
            rate=Fraction(stream.average_rate or stream.guessed_rate or 25),
            time_base=Fraction(stream.time_base),
            shape=1 / shape if turned else shape,
            colour=_colour(first) if hdr is None else Colour(),
            hdr=hdr,
            duration_s=_duration_s(container, stream),
            origin_s=max(Fraction(0), min(began, default=Fraction(0))),
        )


def _pictures(container: Any) -> Any:
    """The first stream of pictures; None where there is none. The cover of a sound file is no video."""
    from av.stream import Disposition

    streams = container.streams.video
    return next((stream for stream in streams if not stream.disposition & Disposition.attached_pic), None)


def _no_pictures(path: Path, why: str) -> ExportError:
    return ExportError(
        f"{path.name} holds no frame: {why}",
        where=path,
        expected="a video with pictures",
        next_step="check that the file plays",
    )


def _duration_s(container: Any, stream: Any) -> Fraction | None:
    if stream.duration:
        return Fraction(stream.duration * stream.time_base)
    return Fraction(container.duration, 1_000_000) if container.duration else None


def _has_alpha(pixel_format: Any) -> bool:
    return any(component.is_alpha for component in pixel_format.components) and pixel_format.name != "pal8"


def _hdr(path: Path, first: Any) -> Hdr | None:
    """The colours of an HDR video; None: it is in SDR. Raises ExportError where this FFmpeg cannot convert them."""
    if first.color_trc not in TRANSFERS:
        return None
    matrix, primaries = (_BT2020 if code == _UNKNOWN else code for code in (first.colorspace, first.color_primaries))
    hdr = Hdr(first.color_trc, matrix, primaries, first.color_range == 2)
    try:
        graph(hdr, first, "rgb24")
    except (ValueError, _ffmpeg_error()) as error:
        raise ExportError(
            f"{path.name} is in HDR ({hdr.name}), which this FFmpeg cannot convert: {reason(error)}",
            where=path,
            expected="a video in SDR, or PyAV as its wheels are",
            next_step="convert it first, for example: ffmpeg -i IN -vf zscale=t=linear:npl=100,format=gbrpf32le,"
            "zscale=p=bt709,tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p OUT.mp4",
        ) from error
    _warn(f"{path.name} is in HDR ({hdr.name}): its tones are mapped to SDR")
    return hdr


def _say_what_is_lost(path: Path, stream: Any, first: Any) -> None:
    bits = max(component.bits for component in first.format.components)
    if bits > 8:
        _warn(f"{path.name} has {bits} bits for each value: it is converted to 8")
    if _has_alpha(first.format):
        _warn(f"{path.name} has alpha: it is shown on white")
    elif stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1":
        _warn(f"{path.name} has alpha, which is left out: the colours below it are taken as they are")
    if first.interlaced_frame:
        _warn(f"{path.name} is interlaced: its frames are taken as they are, with both fields")


def _orientation(frame: Any) -> tuple[int, bool]:
    """By how much a frame is to be turned clockwise, in quarters of a turn, and then mirrored left to right.

    From the display matrix ((a, b), (c, d)): a point (x, y) is shown at (a x + c y, b x + d y), y downwards.
    """
    data = next((item for item in frame.side_data if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return 0, False
    matrix = np.frombuffer(bytes(data), np.int32).reshape(3, 3)[:2, :2].astype(np.float64)
    mirrored = bool(np.linalg.det(matrix) < 0)
    if mirrored:  # what is left to do before the mirroring, which turns x around
        matrix[:, 0] *= -1
    return round(np.degrees(np.arctan2(matrix[0, 1], matrix[0, 0])) / 90) * 90 % 360, mirrored


def _colour(frame: Any) -> Colour:
    hd = frame.height >= _HD[0] or frame.width >= _HD[1]
    guessed = _BT709 if hd else 6
    return Colour(
        matrix=frame.colorspace if frame.colorspace not in (0, _UNKNOWN) else guessed,
        full_range=frame.color_range == 2 or frame.format.name.startswith("yuvj"),
        primaries=frame.color_primaries,
        transfer=frame.color_trc,
    )


def count_frames(path: Path) -> int:
    """How many frames a file holds, by going through them; raises ExportError for a file without any."""
    return sum(1 for _ in open_clip(path)._timed(Fraction(0)))


class Ascending:
    """The frames of a file by their numbers, asked for in ascending order: it is decoded once, from its start.

    Seeking is not exact in every format. Raises ExportError for a file that is no video.
    """

    def __init__(self, path: Path) -> None:
        clip = open_clip(path)
        self._path, self._rgb = path, clip._converter()
        self._decoded = enumerate(frame for frame, _ in clip._timed(Fraction(0)))

    def read(self, index: int) -> Pixels:
        """A frame, RGB in [0, 1], H x W x 3; raises ExportError for a missing one."""
        frame = next((item for position, item in self._decoded if position == index), None)
        if frame is None:
            raise ExportError(
                f"cannot decode frame {index} of {self._path.name}",
                where=self._path,
                expected="a whole video",
                next_step="copy or encode the file again",
            )
        return from_bytes(self._rgb(frame))


def read_frames(path: Path, indices: Sequence[int]) -> Iterator[Pixels]:
    """The frames at ascending ``indices``, as ``Ascending`` reads them; raises ExportError for a missing one."""
    frames = Ascending(path)
    for index in indices:
        yield frames.read(index)
