"""A graph of the ``ane`` tuning made ready for fp16 arithmetic, by what it computes on photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from converters.choices import CoreMlNorms, CoreMlPorts
from converters.coreml.compress import PALETTES, SMALL, Compression
from converters.coreml.half import Rows, integer_rows, rounded_rows, with_half_weights
from converters.coreml.norms import NormChoice, choose, written
from converters.coreml.observed import FEW, MANY, Image, Observed, observe
from converters.coreml.palettes import palette_rows
from converters.coreml.pixels import takes_pixels


@dataclass(frozen=True)
class Tuned:
    graph: ir.Model
    norms: tuple[NormChoice, ...]


def for_ports(graph: ir.Model, ports: CoreMlPorts) -> ir.Model:
    """The graph as ``converters.coreml.convert`` takes it: of pixels in [0, 255] where the input is an image."""
    if ports == "multiarray":
        return graph
    pixels = takes_pixels(graph)
    common.ShapeInferencePass()(pixels)
    return pixels


def seen(graph: ir.Model, ports: CoreMlPorts, images: Sequence[Image], *, compressed: bool = False) -> Observed:
    """What ``for_half`` asks of a graph (of an image in [0, 1]), on ``images`` of 1 x H x W x 3.

    Sizes that are to have the same weights and norms share it, joined. ``compressed``: as compression needs it.
    """
    scale = np.float32(1 if ports == "multiarray" else 255)
    return observe(for_ports(graph, ports), [image * scale for image in images], MANY if compressed else FEW)


def for_half(
    graph: ir.Model,
    ports: CoreMlPorts,
    observed: Observed,
    norms: CoreMlNorms = "auto",
    *,
    compression: Compression | None = None,
) -> Tuned:
    """``graph`` for ``ports``, its norms and weights for fp16, by what was ``seen``.

    The weights that ``compression`` takes are such that it loses nothing.
    """
    ready = for_ports(graph, ports)
    choices = choose(ready, observed.norms, norms)
    rounded = with_half_weights(
        ready, observed.moments, large=_rows(compression), above=SMALL if compression else math.inf
    )
    return Tuned(written(rounded, choices), choices)


def _rows(compression: Compression | None) -> Rows:
    """What rounds the weights that ``compression`` takes."""
    if compression is None:
        return rounded_rows
    return integer_rows if compression == "int8" else partial(palette_rows, entries=1 << PALETTES[compression])
