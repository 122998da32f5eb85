"""The sound of a clip beside its new pictures: its packets as they are where the container takes them, else encoded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import Any

from converters.errors import ExportWarning, reason
from modnet_export.images.video.reading import Clip, opened


class Sound:
    """The first stream of sound of a clip, between two times, for one output container.

    Packets are kept that begin within the times, and keep their distance from the pictures. ``copied`` names the codecs
    that the container takes; any other one is encoded by ``encoder``, and a warning says so.
    """

    def __init__(
        self, clip: Clip, times: tuple[Fraction, Fraction | None], copied: frozenset[str], encoder: str
    ) -> None:
        self._clip, (self._start_s, self._end_s) = clip, times
        self._copied, self._encoder = copied, encoder
        self._stack = ExitStack()
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None

    def add_to(self, container: Any) -> None:
        """Add the stream to an output container whose header is not written yet; nothing where there is no sound."""
        source = self._stack.enter_context(opened(self._clip.path))
        if not source.streams.audio:
            return
        stream = source.streams.audio[0]
        name = stream.codec_context.name
        if self._start_s > 0:
            seconds = self._clip.origin_s + self._start_s
            source.seek(int(seconds / stream.time_base), stream=stream)
        if name in self._copied:
            self._packets = self._of_source(source, stream, container.add_stream_from_template(stream))
        else:
            warnings.warn(
                f"the sound of {self._clip.path.name} is encoded again, as {self._encoder}: the file cannot hold "
                f"{name}",
                ExportWarning,
                stacklevel=2,
            )
            target = container.add_stream(self._encoder, rate=48000 if self._encoder == "libopus" else stream.rate)
            target.layout = "mono" if stream.layout.nb_channels == 1 else "stereo"
            self._packets = self._encoded(source, stream, target)
        self._next = next(self._packets, None)

    def _moved(self, items: Iterable[Any]) -> Iterator[Any]:
        """The packets or frames within the times, with the output's times; a file's damage is its end."""
        from av import FFmpegError

        try:
            for item in items:
                if item.pts is None:
                    continue
                time_s = item.pts * item.time_base - self._clip.origin_s
                if self._end_s is not None and time_s >= self._end_s:
                    return
                if self._start_s > 0 and time_s < self._start_s:
                    continue
                shift = round((self._clip.origin_s + self._start_s) / item.time_base)
                item.pts -= shift
                if item.dts is not None:
                    item.dts -= shift
                yield item
        except FFmpegError as error:
            name = self._clip.path.name
            warnings.warn(
                f"the sound of {name} cannot be read to its end: {reason(error)}", ExportWarning, stacklevel=2
            )

    def _of_source(self, source: Any, stream: Any, target: Any) -> Iterator[Any]:
        for packet in self._moved(source.demux(stream)):
            packet.stream = target
            yield packet

    def _encoded(self, source: Any, stream: Any, target: Any) -> Iterator[Any]:
        import av

        context = target.codec_context
        context.open(strict=False)  # it then knows the length of its frames
        resampler = av.AudioResampler(context.format, context.layout, context.rate, context.frame_size or None)
        for frame in self._moved(source.decode(stream)):
            for piece in resampler.resample(frame):
                yield from target.encode(piece)
        for piece in resampler.resample(None):
            yield from target.encode(piece)
        yield from target.encode(None)

    def until(self, time_s: Fraction | None) -> Iterator[Any]:
        """The packets that are to lie before the picture of a time, from the output's beginning; None: all others."""
        while self._next is not None and (time_s is None or self._next.pts * self._next.time_base <= time_s):
            packet, self._next = self._next, next(self._packets, None)
            yield packet

    def close(self) -> None:
        self._stack.close()
