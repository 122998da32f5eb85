"""The pictures of a report: what an artefact makes of a few of the verified inputs, beside the reference."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Picture

from converters.eight_bit import to_bytes
from converters.errors import ExportError
from converters.progress import Progress, silent
from converters.runtimes import Runtime, open_runtime
from modnet_export.images.compositing import Background, composite
from modnet_export.images.imaging import Pixels
from modnet_export.images.inputs import Input, builtin
from modnet_export.model import checkpoint
from modnet_export.model.reference import open_reference
from modnet_export.record.recipes import NOISE
from modnet_export.verifying.foreign.reading import ForeignModel
from modnet_export.verifying.parity import samples
from modnet_export.verifying.result import Link, Verification

_SHOWN = 3
_AMPLIFIED = 16
"""Differences are shown this many times as large."""


@dataclass(frozen=True)
class Shown:
    """An input and the reference's matte of it, as data URIs: all artefacts share them."""

    photo: str
    reference: str


@dataclass(frozen=True)
class View:
    """What one artefact makes of one input, as data URIs."""

    input: str
    matte: str
    composite: str
    difference: str


@dataclass(frozen=True)
class Gallery:
    """The inputs that are shown; by link its views, the worst first, and the absolute differences in them."""

    inputs: dict[str, Shown] = field(default_factory=dict)
    views: dict[str, list[View]] = field(default_factory=dict)
    differences: dict[str, list[np.ndarray]] = field(default_factory=dict)
    amplified: int = _AMPLIFIED


def data_uri(pixels: Pixels, kind: str = "PNG") -> str:
    """An H x W, H x W x 3 or H x W x 4 picture in [0, 1] as a data URI."""
    buffer = io.BytesIO()
    Picture.fromarray(to_bytes(pixels)).save(buffer, kind, quality=85)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _heat(difference: Pixels) -> Pixels:
    """Absolute differences from black over red and yellow to white."""
    level = (difference * _AMPLIFIED).clip(0, 1)
    return np.stack([(3 * level).clip(0, 1), (3 * level - 1).clip(0, 1), (3 * level - 2).clip(0, 1)], axis=-1)


def _worst_first(link: Link, readable: Sequence[Input]) -> list[Input]:
    """The inputs to show of one artefact: those with its largest mean differences."""
    mads = {item.input: math.inf if item.mad is None else item.mad for item in link.measurements}
    return sorted((item for item in readable if item.name in mads), key=lambda item: -mads[item.name])[:_SHOWN]


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
    models: Mapping[str, ForeignModel] = field(default_factory=dict)
    """Those that somebody else converted, by what the result calls them: the folder has none of them."""


def pictures(request: PicturesRequest, progress: Progress = silent) -> Gallery:
    """Run the reference and every artefact of a result again, each on the inputs where it differs most (never noise).

    Raises ExportError where none of the inputs that were verified is given.
    """
    result = request.result
    inputs = request.inputs or builtin()
    readable = [item for item in inputs if item.name in result.inputs and item.name != NOISE]
    if not readable:
        raise ExportError(
            "none of the inputs of this result is here",
            where=", ".join(result.inputs[:3]),
            expected="the inputs that were verified, of which the worst are shown",
            next_step="give the same `images`, `video` or `ground_truth` as were verified",
        )
    # A further function of a package takes another size than the pictures here have.
    shown = {link.name: [] if link.function else _worst_first(link, readable) for link in result.links}
    used = {item.name: item for items in shown.values() for item in items}
    reference = open_reference(checkpoint.recorded(result.source, request.checkpoint))
    found = {sample.name: sample for sample in samples(reference, result.size, list(used.values()))}
    gallery = Gallery()
    for name in used:
        photo, matte = found[name].image_nhwc[0], found[name].matte_nhwc[0, :, :, 0]
        gallery.inputs[name] = Shown(data_uri(photo, "JPEG"), data_uri(matte))
    for number, link in enumerate(result.links):
        progress("drawing", number, len(result.links))
        if not shown[link.name]:
            continue
        runtime: Runtime = (
            request.models[link.artefact]
            if link.artefact in request.models
            else open_runtime(request.folder / link.artefact, delegate=link.delegate)
        )
        views = gallery.views[link.name] = list[View]()
        differences = gallery.differences[link.name] = list[np.ndarray]()
        for item in shown[link.name]:
            sample = found[item.name]
            matte = runtime.run(sample.image_nhwc)[0, :, :, 0]
            difference = np.abs(matte - sample.matte_nhwc[0, :, :, 0])
            composed = composite(sample.image_nhwc[0], np.nan_to_num(matte), Background())
            views.append(View(item.name, data_uri(matte), data_uri(composed, "WEBP"), data_uri(_heat(difference))))
            differences.append(difference)
    return gallery
