"""Small clips, made with FFmpeg's encoders, and a model that costs nothing."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from modnet_export.images.imaging import fit_image, restore_matte

RATE = 25
SOUND = 44100


def numbered(index: int, height: int, width: int) -> np.ndarray:
    """A picture that tells its number by its grey, and its corners by their colours."""
    picture = np.full((height, width, 3), 20 + 10 * (index % 20), np.uint8)
    rows, columns = height // 3, width // 3
    picture[:rows, :columns] = (200, 40, 40)
    picture[-rows:, -columns:] = (40, 40, 200)
    return picture


def number(rgb: np.ndarray) -> int:
    """What ``numbered`` wrote, up to 19."""
    middle = rgb[rgb.shape[0] // 2, rgb.shape[1] // 2].mean()
    return round((float(middle) - 20) / 10)


def write(
    path: Path,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    *,
    size: tuple[int, int] = (48, 64),
    times_ms: Sequence[int] = tuple(range(0, 800, 40)),
    picture: Callable[[int, int, int], Any] = numbered,
    sound: str | None = None,
    **ways: Any,
) -> Path:
    """A clip with a picture (bytes, or FFmpeg's frame) at each time; ``sound`` is a codec, of a click every 200 ms.

    ``ways``: ``rotation`` (rotation counter-clockwise and whether mirrored), ``options``, and what a codec's context
    has, such as ``color_trc``.
    """
    rotation, options = ways.pop("rotation", None), ways.pop("options", {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.height, stream.width = size
        stream.pix_fmt = pixel_format
        if codec != "mpeg4":
            stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in ways.items():
            setattr(stream.codec_context, name, value)
        if rotation is not None:
            stream.set_display_rotation(rotation[0], hflip=rotation[1])
        heard = None if sound is None else container.add_stream(sound, rate=SOUND)
        if heard is not None:
            heard.layout = "mono"
        for index, time_ms in enumerate(times_ms):
            shown = picture(index, *size)
            frame = (
                av.VideoFrame.from_ndarray(shown, {3: "rgb24", 4: "rgba"}[shown.shape[2]])
                if isinstance(shown, np.ndarray)
                else shown
            )
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if heard is not None:
            for packet in _clicks(heard, times_ms[-1] + 40):
                container.mux(packet)
    return path


def _clicks(stream: Any, length_ms: int):
    wave = np.zeros(SOUND * length_ms // 1000 // 1024 * 1024, np.float32)
    for start in range(0, len(wave), SOUND // 5):
        wave[start : start + 400] = 0.9 * np.sin(np.arange(400) * 0.3)
    context = stream.codec_context
    context.open(strict=False)
    resampler = av.AudioResampler(context.format, context.layout, SOUND, context.frame_size or 1024)
    for start in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND, start, Fraction(1, SOUND)
        for piece in resampler.resample(frame):
            yield from stream.encode(piece)
    for piece in resampler.resample(None):
        yield from stream.encode(piece)
    yield from stream.encode(None)


def clicks_s(path: Path) -> list[float]:
    """When the clicks of a file begin."""
    with av.open(str(path)) as container:
        found, last = [], -1.0
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray().astype(np.float64)).max(axis=0)
            wave = wave / (32768 if frame.format.name.startswith("s16") else 1)
            for place in np.flatnonzero(wave > 0.3):
                time_s = float(frame.pts * frame.time_base) + place / frame.sample_rate
                if time_s > last + 0.05:
                    found.append(time_s)
                last = time_s
    return found


def decoded(path: Path, decoder: str | None = None) -> list[Any]:
    """A file's frames by FFmpeg alone; ``decoder`` in place of its own choice."""
    with av.open(str(path)) as container:
        if decoder is None:
            return list(container.decode(video=0))
        context = av.CodecContext.create(decoder, "r")
        packets = list(container.demux(video=0))
        return [frame for packet in packets for frame in context.decode(packet if packet.dts is not None else None)]


class Model:
    """In place of a network: alpha is the green of the picture. What it is given can be counted."""

    engine = "none"

    def __init__(self) -> None:
        self.runs = 0

    def fitted(self, image: np.ndarray):
        return fit_image((image / np.float32(255)).astype(np.float32), (64, 96), "letterbox")

    def run(self, image_nhwc: np.ndarray) -> np.ndarray:
        self.runs += 1
        return image_nhwc[..., 1:2]

    def restored(self, matte_nhwc: np.ndarray, placement: Any) -> np.ndarray:
        return restore_matte(matte_nhwc, placement, "letterbox")


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A clip of noise, and no file that may grow as large: the limit fails the same write as a full disk."""

    def noise(index: int, height: int, width: int) -> np.ndarray:
        return np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)

    path = write(folder / "a.mkv", "ffv1", "bgr0", size=(96, 128), picture=noise)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield path
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
