"""The ONNX of any exporter in one form: one opset, float32, static shapes, constants as initializers.

What files of PyTorch 1.7 and its successors need is seen in ``tests/official``, which that PyTorch wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnx_ir.passes import common

from converters.errors import ExportError, reason
from converters.onnx.graph import opset

# Older ones list every initializer as an input as well.
_OLDEST_IR = 8
# The first opset whose Resize says where pixels lie.
_PLACES_PIXELS = 11


def with_opset(model: onnx.ModelProto, version: int, where: Path | None = None) -> onnx.ModelProto:
    """A sorted copy at an opset; one that is newer stays as it is.

    Raises ExportError, with ``where`` the model is from, if ONNX has no conversion.

    ``Upsample``, and ``Resize`` of opset 10, place pixels asymmetrically, as ONNX Runtime computes them. ONNX's own
    converter forgets that: they would come out half-pixel, as PyTorch computes and could not write then.
    """
    graph = ir.from_proto(model)
    common.RemoveInitializersFromInputsPass()(graph)
    common.TopologicalSortPass()(graph)
    graph.ir_version = max(graph.ir_version, _OLDEST_IR)
    result: onnx.ModelProto = ir.to_proto(graph)
    found = opset({item.domain: item.version for item in result.opset_import})
    if found >= version:
        return result
    # What was inferred for another size, or by another version, is inferred again.
    del result.graph.value_info[:]
    try:
        converted: onnx.ModelProto = version_converter.convert_version(result, version)
    except Exception as error:  # ONNX raises RuntimeError and its own errors
        raise ExportError(
            f"ONNX cannot bring this model from opset {found} to {version}: {reason(error)}",
            where=where,
            expected=f"a model of opset {version}, or one that ONNX can bring there",
            next_step=f"export the model again with opset_version={version}",
        ) from error
    if found < _PLACES_PIXELS:
        for node in converted.graph.node:
            if node.op_type == "Resize":
                node.attribute.append(helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
                node.attribute.append(helper.make_attribute("nearest_mode", "floor"))
    return converted


def in_float32(model: onnx.ModelProto) -> bool:
    """Turn a model that computes in 16-bit floats into one that computes in float32; returns whether it did."""
    halves = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    found = False
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in halves:
            value.type.tensor_type.elem_type, found = TensorProto.FLOAT, True
    tensors = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                tensors.append(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i in halves:
                attribute.i, found = TensorProto.FLOAT, True
    for tensor in tensors:
        if tensor.data_type in halves:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
            found = True
    return found


def with_static_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """The model simplified for inputs of these shapes, every shape inferred, and constants as initializers.

    Raises what onnxsim and ONNX's shape inference raise for a model that does not run at them.
    """
    from converters.onnx.simplifier import simplify

    static = onnx.ModelProto()
    static.CopyFrom(model)
    del static.graph.value_info[:]
    for output in static.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            dim.Clear()
    for value in static.graph.input:
        if value.name in shapes:
            kind = value.type.tensor_type.elem_type
            value.CopyFrom(helper.make_tensor_value_info(value.name, kind, shapes[value.name]))
    static, _ = simplify(static)
    result = ir.from_proto(static)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(result)
    for node in result.graph:
        if node.op_type == "Resize":
            _without_empty_inputs(node)
    common.RemoveUnusedNodesPass()(result)
    inferred: onnx.ModelProto = onnx.shape_inference.infer_shapes(ir.to_proto(result), strict_mode=True, data_prop=True)
    return inferred


def _without_empty_inputs(node: ir.Node) -> None:
    """Old exporters write an empty constant for an input that is left out: a region of interest, sizes or scales."""
    for index, value in enumerate(node.inputs):
        if index and value is not None and value.const_value is not None and value.const_value.size == 0:
            node.replace_input_with(index, None)
