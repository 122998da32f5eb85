"""From HDR to SDR: FFmpeg's own mapping of tones and colours (swscale's, since 7.1) to BT.709."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

TRANSFERS: Mapping[int, str] = {16: "PQ", 18: "HLG"}
"""The transfer functions of HDR, by their codes in ITU-T H.273."""
_TIME_BASE = Fraction(1, 1_000_000)  # of the filters alone: frames keep their own times
# Perceptual: highlights are compressed, as far as the brightness goes that the frame's own metadata names.
_MAPPING = "out_primaries=bt709:out_transfer=bt709:out_range=pc:intent=perceptual"


@dataclass(frozen=True)
class Hdr:
    """The colours of an HDR video, in the codes of ITU-T H.273; ``matrix`` is never the code for unknown."""

    transfer: int
    matrix: int
    primaries: int
    full_range: bool

    @property
    def name(self) -> str:
        return TRANSFERS[self.transfer]


def graph(colours: Hdr, frame: Any, pixel_format: str) -> Any:
    """FFmpeg's filters that convert frames of one size to 8-bit RGB(A) in BT.709, of the pixel format named.

    Raises av.FFmpegError or ValueError where this FFmpeg has none. Its first frame takes seconds: a table is computed.
    """
    import av

    made = av.filter.Graph()
    codes = f"colorspace={colours.matrix}:range={2 if colours.full_range else 1}"
    look = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base={_TIME_BASE}"
    steps = [
        made.add("buffer", f"{look}:{codes}"),
        # A frame that leaves its colours open has those of the clip.
        made.add("setparams", f"{codes}:color_primaries={colours.primaries}:color_trc={colours.transfer}"),
        made.add("scale", _MAPPING),
        made.add("format", pixel_format),
        made.add("buffersink"),
    ]
    for one, other in pairwise(steps):
        one.link_to(other)
    made.configure()
    return made


def to_sdr(colours: Hdr) -> Callable[[Any, str], Any]:
    """What converts decoded frames as ``graph`` does, of whatever size."""
    made: dict[tuple[int, int, str], Any] = {}

    def converted(frame: Any, pixel_format: str) -> Any:
        key = frame.width, frame.height, frame.format.name
        if key not in made:
            made.clear()
            made[key] = graph(colours, frame, pixel_format)
        made[key].push(frame)
        return made[key].pull()

    return converted
