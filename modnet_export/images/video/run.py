"""From clips to mattes or composites: decoding, the network, and composing with encoding each in a thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from converters.errors import ExportError
from converters.progress import Progress
from modnet_export.images.compositing import Background
from modnet_export.images.frames import Bytes
from modnet_export.images.imaging import Pixels, Placement, scaled_size
from modnet_export.images.matting import Matting
from modnet_export.images.temporal import STEADIERS
from modnet_export.images.video.camera import Camera
from modnet_export.images.video.composing import composer
from modnet_export.images.video.reading import Clip, Colour
from modnet_export.images.video.sound import Sound
from modnet_export.images.video.stages import Behind, ahead
from modnet_export.images.video.writing import Encoding, Look, Write, writing
from modnet_export.record.choices import Temporal, VideoCodec


@dataclass(frozen=True)
class ClipRequest:
    """What to make of a clip.

    ``background`` None: the matte itself. ``start_s`` and ``duration_s`` cut it, in seconds; ``size``: the height and
    width that its frames are made to fit into, each with its aspect ratio.
    """

    codec: VideoCodec
    background: Background | None = None
    temporal: Temporal = "flow"
    start_s: Fraction = Fraction(0)
    duration_s: Fraction | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class ClipDone:
    """What was written: frames, and in how many seconds; ``interrupted`` where Ctrl-C ended it early."""

    frames: int
    seconds: float
    interrupted: bool = False

    @property
    def frames_per_s(self) -> float:
        return self.frames / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class _Fitted:
    """One frame on its way."""

    rgb: Bytes
    time_s: Fraction
    image_nhwc: Pixels
    placement: Placement


def matte_clip(
    source: Clip | Camera, matting: Matting, request: ClipRequest, out: Path, progress: Progress
) -> ClipDone:
    """Write the mattes or composites of a clip to ``out``, and its sound beside composites.

    Three frames are worked on at a time: one is decoded and fitted, one is in the network, one is composed and encoded.
    Memory does not depend on the clip's length. A KeyboardInterrupt ends the file after the frames that are done; it is
    raised again where there is none. Raises ExportError for a clip without a frame within the times.
    """
    begun, taken, interrupted = time.monotonic(), 0, False
    end_s = None if request.duration_s is None else request.start_s + request.duration_s
    size = _fitting(source.height, source.width, request.size)
    look = Look(
        *size,
        alpha=request.background is not None and request.background.transparent,
        rate=source.rate,
        time_base=source.time_base,
        shape=source.shape,
        colour=Colour() if request.background is None else source.colour,
    )
    total = _expected(source, request)

    def fitted() -> Iterator[_Fitted]:
        for frame in source.frames(request.start_s, end_s):
            rgb = frame.rgb if frame.rgb.shape[:2] == size else _scaled(frame.rgb, size)
            yield _Fitted(rgb, frame.time_s - request.start_s, *matting.fitted(rgb))

    def sound(encoding: Encoding) -> Sound:
        assert isinstance(source, Clip)
        return Sound(source, (request.start_s, end_s), encoding.copied_sound, encoding.sound_encoder)

    heard = sound if isinstance(source, Clip) and request.background is not None else None
    with writing(out, request.codec, look, heard) as write:
        shown = _Shown(matting, request, write)
        behind = Behind(shown.add)
        try:
            with ahead(fitted()) as frames:
                for frame in frames:
                    behind.put((frame, matting.run(frame.image_nhwc)))
                    taken += 1
                    progress(f"matting {source.path.name}", taken, total and max(total, taken))
        except KeyboardInterrupt:
            if not taken:
                behind.abandon()
                raise
            interrupted = True
        except BaseException:
            behind.abandon()
            raise
        behind.finish()
        shown.finish()
        if not shown.count:
            raise _nothing(source, request)
    return ClipDone(shown.count, time.monotonic() - begun, interrupted)


class _Shown:
    """Takes frames with the model's mattes, steadies those, and writes what is shown."""

    def __init__(self, matting: Matting, request: ClipRequest, write: Write) -> None:
        self._matting, self._write = matting, write
        self._compose = composer(request.background)
        self._steadier = STEADIERS[request.temporal]()
        self._waiting: deque[_Fitted] = deque()
        self.count = 0

    def add(self, item: tuple[_Fitted, Pixels]) -> None:
        frame, matte_nhwc = item
        self._waiting.append(frame)
        self._show(self._steadier.push(frame.image_nhwc, matte_nhwc))

    def finish(self) -> None:
        """Show the frame that was waiting for one after it."""
        self._show(self._steadier.finish())

    def _show(self, matte_nhwc: Pixels | None) -> None:
        if matte_nhwc is not None:
            frame = self._waiting.popleft()
            self._write(self._compose(frame.rgb, self._matting.restored(matte_nhwc, frame.placement)), frame.time_s)
            self.count += 1


def _fitting(height: int, width: int, size: tuple[int, int] | None) -> tuple[int, int]:
    if size is None:
        return height, width
    return scaled_size(height, width, min(size[0] / height, size[1] / width))


def _scaled(rgb: Bytes, size: tuple[int, int]) -> Bytes:
    shrinks = size[0] < rgb.shape[0]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, size[::-1], interpolation=way), np.uint8)


def _expected(source: Clip | Camera, request: ClipRequest) -> int:
    """About how many frames there will be; 0 where that is not known."""
    left = None if source.duration_s is None else max(source.duration_s - request.start_s, Fraction(0))
    spans = [item for item in (left, request.duration_s) if item is not None]
    return round(min(spans) * source.rate) if spans else 0


def _nothing(source: Clip | Camera, request: ClipRequest) -> ExportError:
    length = "" if source.duration_s is None else f", which is {float(source.duration_s):.2f} s long"
    return ExportError(
        f"{source.path.name} has no frame within these times",
        where=source.path,
        expected=f"`start` and `duration`, in seconds, within the clip{length}",
        next_step="leave `start` out, or take an earlier one",
    )
