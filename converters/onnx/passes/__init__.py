"""Graph passes on ``onnx_ir.Model``: generic, exact, and listed here in the order in which they run.

They rewrite float32 nodes of opset 18 and newer, in subgraphs (If, Loop, Scan) as well.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from converters.choices import Tuning
from converters.errors import ExportError
from converters.onnx.graph import opset
from converters.onnx.passes.fold_batchnorm import FoldBatchNorm
from converters.onnx.passes.instance_norm import Arithmetic, FoldPartialInstanceNorm, WriteInstanceNorm
from converters.onnx.passes.linear_to_conv import KeepMeanDims, LinearToConv, SinkFlatten
from converters.onnx.passes.remove_expand import RemoveExpand
from converters.onnx.passes.remove_identity import RemoveIdentity
from converters.onnx.passes.resize import ConvBeforeResize, ResizeToAveragePool
from converters.onnx.passes.rewrite import OLDEST_IR, OLDEST_OPSET
from converters.onnx.passes.sink_affine import SinkAffine
from converters.onnx.passes.statistics import CascadeMeans

__all__ = ["optimise", "passes"]


def passes(tuning: Tuning) -> list[ir.passes.InPlacePass]:
    """The passes for one kind of processor, in order.

    ``cpu`` counts on fp32 sums and on memory traffic that costs less than multiplications; ``gpu``
    writes what a phone's GPU computes in fp16 (converters.onnx.passes.statistics) so that nothing overflows, long sums
    in parts, and keeps the number of kernels and the memory traffic low; ``ane`` leaves norms as
    InstanceNormalization, for an engine whose own op for them has wide sums (``converters.coreml.norms`` writes the
    others with sums that fit fp16).
    """
    arithmetic: dict[Tuning, Arithmetic] = {"cpu": "fp32", "gpu": "fp16, means in fp32", "ane": "runtime's own"}
    last: dict[Tuning, list[ir.passes.InPlacePass]] = {
        "cpu": [ConvBeforeResize()],
        "gpu": [WriteInstanceNorm("fp16, means in fp32"), ConvBeforeResize("convolutions")],
        "ane": [CascadeMeans()],
    }
    return [
        # Fewer nodes for the patterns below to look through.
        common.RemoveUnusedNodesPass(),
        RemoveIdentity(),
        common.CommonSubexpressionEliminationPass(),
        FoldBatchNorm(),
        RemoveExpand(),
        # The flattening sinks from top to bottom, so one run of each in this order carries it all the way.
        KeepMeanDims(),
        SinkFlattenThroughLinear(),
        # Before the resizes are rewritten: a scale passes through a Resize, not through a convolution.
        SinkAffine(),
        ResizeToAveragePool(),
        FoldPartialInstanceNorm(arithmetic[tuning]),
        *last[tuning],
        common.RemoveUnusedNodesPass(),
        common.DeduplicateInitializersPass(),
        common.NameFixPass(),
    ]


class SinkFlattenThroughLinear(ir.passes.InPlacePass):
    """LinearToConv and SinkFlatten in turn, until neither finds anything."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        while LinearToConv()(model).modified | SinkFlatten()(model).modified:
            modified = True
        return ir.passes.PassResult(model, modified)


def optimise(model: ir.Model, tuning: Tuning) -> ir.Model:
    """A copy of ``model`` (static shapes inferred) after every pass.

    It has the same inputs and outputs and, but for rounding, gives the same values. Raises ExportError for a model
    older than opset 18.
    """
    version = opset(model.opset_imports)
    if version < OLDEST_OPSET:
        raise ExportError(
            f"the graph is of opset {version}",
            expected=f"opset {OLDEST_OPSET} or newer",
            next_step="convert it with onnx.version_converter first",
        )
    result = model.clone()
    if result.ir_version < OLDEST_IR:
        # There every initializer is listed as an input as well, and is a constant all the same.
        common.RemoveInitializersFromInputsPass()(result)
        result.ir_version = OLDEST_IR
    infer_shapes = common.ShapeInferencePass()
    infer_shapes(result)
    for each in passes(tuning):
        if each(result).modified and _lacks_shapes(result):
            infer_shapes(result)
    return result


def _lacks_shapes(model: ir.Model) -> bool:
    """Whether a pass left a value whose shape or type must be inferred: ONNX's inference copies the whole model."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    return any(value.shape is None or value.dtype is None for node in nodes for value in node.outputs)
