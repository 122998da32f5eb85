"""How each instance norm of a graph is written for fp16: as Core ML's own op, or as a cascade of small means.

Both hold where every op's result is rounded to fp16. Core ML's ``instance_norm`` is one op between slices and a concat,
and needs a kernel that keeps its sums wide: a map's sum of squares is beyond fp16. The cascade
(``converters.onnx.passes.statistics``) needs no such kernel, and 20 to 30 ops. Which kernels a device has cannot be
seen here: so either form can be asked for whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes import common

from converters.choices import CoreMlNorm, CoreMlNorms
from converters.coreml.observed import Extremes
from converters.onnx.graph import static_shape
from converters.onnx.passes.instance_norm import Norm, WriteInstanceNorm
from converters.onnx.passes.rewrite import attribute, is_op
from converters.onnx.passes.statistics import CascadeMeans

_LARGEST_HALF = 65504.0
# What was measured on some photographs may be so many times larger on another one.
_MARGIN = 4.0
# Below this multiple of epsilon a variance is mostly epsilon, which fp16 holds with a few bits only.
_LEAST_VARIANCE = 16.0


@dataclass(frozen=True)
class NormChoice:
    """The form of one norm, and what decided it."""

    name: str
    shape: tuple[int, ...]
    """Of what is normalised: N x C x H x W."""
    extremes: Extremes
    form: CoreMlNorm
    why: str


def _decided(extremes: Extremes, epsilon: float) -> tuple[CoreMlNorm, str]:
    square = extremes.largest_centred**2
    if not extremes.largest * _MARGIN <= _LARGEST_HALF:
        return "cascade", f"{extremes.largest:.3g} is within a factor of {_MARGIN:g} of fp16's largest number"
    if not square * _MARGIN <= _LARGEST_HALF:
        return "cascade", f"a square of {square:.3g} is within a factor of {_MARGIN:g} of fp16's largest number"
    if not extremes.least_variance >= _LEAST_VARIANCE * epsilon:
        return "cascade", f"a variance of {extremes.least_variance:.3g} is hardly more than epsilon"
    if extremes.largest_sum_of_squares <= _LARGEST_HALF:
        return "instance_norm", "even a raw sum of squares fits fp16"
    return "instance_norm", "squares and variances fit fp16; the raw sum of squares needs the kernel's wide sums"


def choose(graph: ir.Model, observed: Mapping[str, Extremes], asked: CoreMlNorms = "auto") -> tuple[NormChoice, ...]:
    """A form for each InstanceNormalization of a graph, in the graph's order."""
    found = []
    for node in graph.graph:
        if not is_op(node, "InstanceNormalization"):
            continue
        extremes = observed[str(node.name)]
        form, why = _decided(extremes, attribute(node, "epsilon", 1e-5))
        if asked != "auto":
            form, why = asked, f"asked for; measured: {form}, {why}"
        found.append(NormChoice(str(node.name), static_shape(node.outputs[0]) or (), extremes, form, why))
    return tuple(found)


class _WriteSome(WriteInstanceNorm):
    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("fp16")
        self._names = set(names)

    def match(self, node: ir.Node) -> tuple[ir.Node, Norm] | None:
        return super().match(node) if node.name in self._names else None


def written(graph: ir.Model, choices: Sequence[NormChoice]) -> ir.Model:
    """A copy of the graph with each norm in its chosen form."""
    result = graph.clone()
    _WriteSome([item.name for item in choices if item.form == "cascade"])(result)
    CascadeMeans()(result)
    common.ShapeInferencePass()(result)
    return result
