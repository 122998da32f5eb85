"""A graph of the ``ane`` tuning made ready for fp16 arithmetic, by what it computes on photographs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from converters.choices import CoreMlNorms, CoreMlPorts
from converters.coreml.compress import SMALL
from converters.coreml.half import with_half_weights
from converters.coreml.norms import NormChoice, choose, written
from converters.coreml.observed import FEW, MANY, Image, Observed, observe
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


def seen(graph: ir.Model, ports: CoreMlPorts, images: Sequence[Image], *, integers: bool = False) -> Observed:
    """What ``for_half`` asks of a graph (of an image in [0, 1]), on ``images`` of 1 x H x W x 3.

    Sizes that are to have the same weights and norms share it, joined.
    """
    scale = np.float32(1 if ports == "multiarray" else 255)
    return observe(for_ports(graph, ports), [image * scale for image in images], MANY if integers else FEW)


def for_half(
    graph: ir.Model, ports: CoreMlPorts, observed: Observed, norms: CoreMlNorms = "auto", *, integers: bool = False
) -> Tuned:
    """``graph`` for ``ports``, its norms and weights for fp16, by what was ``seen``.

    ``integers``: the weights that compression to int8 takes are such that it loses nothing.
    """
    ready = for_ports(graph, ports)
    choices = choose(ready, observed.norms, norms)
    rounded = with_half_weights(ready, observed.moments, integers_above=SMALL if integers else math.inf)
    return Tuned(written(rounded, choices), choices)
