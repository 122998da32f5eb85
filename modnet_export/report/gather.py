"""The pictures of a report: what an artefact makes of a few of the verified inputs, beside the reference."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from converters.eight_bit import to_bytes
from converters.errors import ExportError
from converters.progress import Progress, silent
from converters.runtimes import Image, open_runtime
from modnet_export.images.compositing import Background, composite
from modnet_export.images.imaging import Pixels
from modnet_export.images.inputs import Input, builtin
from modnet_export.model import checkpoint
from modnet_export.model.reference import open_reference
from modnet_export.record.recipes import NOISE
from modnet_export.verifying.parity import samples
from modnet_export.verifying.result import Verification

_SHOWN = 3
_AMPLIFIED = 16
"""Differences are shown this many times as large."""


@dataclass(frozen=True)
class View:
    """One artefact on one input, as data URIs."""

    input: str
    photo: str
    reference: str
    matte: str
    difference: str
    reference_cutout: str
    cutout: str


@dataclass(frozen=True)
class Gallery:
    """By link: its views, and the absolute differences of all pixels in them."""

    views: dict[str, list[View]]
    differences: dict[str, list[np.ndarray]]
    amplified: int = _AMPLIFIED


def _uri(pixels: Pixels, kind: str = "PNG") -> str:
    """An H x W, H x W x 3 or H x W x 4 picture in [0, 1] as a data URI."""
    buffer = io.BytesIO()
    Picture.fromarray(to_bytes(pixels)).save(buffer, kind, quality=85)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _heat(difference: Pixels) -> Pixels:
    """Absolute differences from black over red and yellow to white."""
    level = (difference * _AMPLIFIED).clip(0, 1)
    return np.stack([(3 * level).clip(0, 1), (3 * level - 1).clip(0, 1), (3 * level - 2).clip(0, 1)], axis=-1)


def _worst_first(result: Verification, inputs: Sequence[Input]) -> list[Input]:
    """The inputs to show: those with the largest mean differences in any artefact. Noise is never shown."""

    def largest(item: Input) -> float:
        values = [
            math.inf if m.mad is None else m.mad
            for link in result.links
            for m in link.measurements
            if m.input == item.name
        ]
        return max(values, default=0.0)

    readable = [item for item in inputs if item.name in result.inputs and item.name != NOISE]
    return sorted(readable, key=lambda item: -largest(item))[:_SHOWN]


@dataclass(frozen=True)
class PicturesRequest:
    """Which verification to show, and where its folder, its inputs and its checkpoint are now."""

    folder: Path
    """The folder that was verified."""
    result: Verification
    inputs: Sequence[Input] = ()
    """Empty: the built-in ones."""
    checkpoint: str | None = None
    """None: where the result says."""


def pictures(request: PicturesRequest, progress: Progress = silent) -> Gallery:
    """Run the reference and every artefact of a result again, on the inputs with the largest differences.

    Raises ExportError where none of the inputs that were verified is given.
    """
    result = request.result
    shown = _worst_first(result, request.inputs or builtin())
    if not shown:
        raise ExportError(
            "none of the inputs of this result is here",
            where=", ".join(result.inputs[:3]),
            expected="the inputs that were verified, of which the worst are shown",
            next_step="give the same `images`, `video` or `ground_truth` as were verified",
        )
    reference = open_reference(checkpoint.recorded(result.source, request.checkpoint))
    found = samples(reference, result.size, shown)
    cutouts = [_cutout(sample.image_nhwc, sample.matte_nhwc) for sample in found]
    views: dict[str, list[View]] = {}
    differences: dict[str, list[np.ndarray]] = {}
    for number, link in enumerate(result.links):
        progress("drawing", number, len(result.links))
        if not link.measurements:
            continue
        runtime = open_runtime(request.folder / link.artefact, delegate=link.delegate)
        for sample, cutout in zip(found, cutouts, strict=True):
            matte_nhwc = runtime.run(sample.image_nhwc)
            difference = np.abs(matte_nhwc - sample.matte_nhwc)[0, :, :, 0]
            differences.setdefault(link.name, []).append(difference)
            views.setdefault(link.name, []).append(
                View(
                    input=sample.name,
                    photo=_uri(sample.image_nhwc[0], "JPEG"),
                    reference=_uri(sample.matte_nhwc[0, :, :, 0]),
                    matte=_uri(matte_nhwc[0, :, :, 0]),
                    difference=_uri(_heat(difference)),
                    reference_cutout=cutout,
                    cutout=_cutout(sample.image_nhwc, matte_nhwc),
                )
            )
    return Gallery(views, differences)


def _cutout(image_nhwc: Image, matte_nhwc: Image) -> str:
    return _uri(composite(image_nhwc[0], np.nan_to_num(matte_nhwc[0, :, :, 0]), Background()), "WEBP")
