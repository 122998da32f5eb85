"""ONNX with a static shape, at a pinned opset, checked: of the network's trace, or of a user's own MODNet in ONNX."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from converters.errors import ExportError, ExportWarning, reason
from converters.onnx.simplifier import simplify
from converters.onnx.standard import in_float32, with_opset, with_static_shapes
from modnet_export.model.checkpoint import Source, layers
from modnet_export.model.onnx_ports import ports, read_onnx
from modnet_export.record.choices import InputRange
from modnet_export.record.contract import INPUT_NAME, OPSET, OUTPUT_NAME, Size

_QUANTIZED = (
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearConv", "QLinearMatMul",
    "QuantizeLinear",
)  # fmt: skip
# The parameters and the convolutions that a MODNet has, as a share of the released one's: a pruned one has narrower
# layers, but no fewer.
_PARAMETERS, _CONVOLUTIONS = (0.02, 1.1), (0.9, 1.1)


def finished(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model simplified and checked; what depends on where it was made (paths in stack traces) is removed."""
    simplified: onnx.ModelProto
    simplified, same = simplify(model)
    if not same:
        raise ExportError(
            "onnxsim changed the model's output",
            expected="the same output after simplifying",
            next_step="report this with your model and versions",
        )
    graph = simplified.graph
    for holder in (*graph.node, graph, *graph.value_info, *graph.input, *graph.output, simplified):
        del holder.metadata_props[:]
    simplified.producer_name, simplified.producer_version, simplified.doc_string = "modnet-export", "", ""
    onnx.checker.check_model(simplified, full_check=True)
    return simplified


def from_onnx(source: Source, size: Size) -> onnx.ModelProto:
    """A user's own MODNet behind the artefact contract, at a static size.

    Its image and matte are found by ``onnx_ports.ports``. Raises ExportError for another model, and for one that does
    not run at ``size``.
    """
    path, given = source.path, read_onnx(source.path, checked=False)
    found = ports(given, path, source.input_range)
    if found.size is not None and found.size != (size.height, size.width):
        raise ExportError(
            f"{path.name} takes images of {'x'.join(map(str, found.size))} only",
            where=found.image,
            expected=f"that size, or a model with dynamic height and width for {size}",
            next_step=f"pass its size: `size={'x'.join(map(str, found.size))}`",
        )
    quantized = sorted({node.op_type for node in given.graph.node if node.op_type in _QUANTIZED})
    if quantized:
        raise ExportError(
            f"{path.name} is quantized already: it has {', '.join(quantized)}",
            where=path,
            expected="a model that computes in floats",
            next_step="pass the float model that it was made from: export makes and measures 8-bit artefacts itself",
        )
    model = with_opset(given, OPSET, path)
    if in_float32(model):
        warnings.warn(
            f"{path.name} computes in 16-bit floats: the export is made from, and compared with, the same model in "
            "float32",
            ExportWarning,
            stacklevel=2,
        )
    kept = [item for item in model.graph.output if item.name == found.matte]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    try:
        inferred = with_static_shapes(model, {found.image: [1, 3, size.height, size.width]})
    except Exception as error:  # onnxsim and the shape inference share no base class
        raise ExportError(
            f"{path.name} does not run at {size}: {reason(error)}",
            where=path,
            expected="a model with dynamic height and width, or exported at this size",
            next_step="pass the size that it was exported at: `size=HxW`",
        ) from error
    wanted = [1, 1, size.height, size.width]
    shape = [dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim]
    if shape != wanted:
        raise ExportError(
            f"{path.name} gives {shape} from a {size} image",
            where=path,
            expected=f"a matte of shape {wanted}",
            next_step="pass MODNet's own ONNX, or the size that it was exported at: `size=HxW`",
        )
    try:
        return finished(_with_contract(inferred, found.input_range))
    except ExportError:
        raise
    except Exception as error:  # onnxsim and the checker
        raise ExportError(
            f"{path.name} is not valid ONNX after it was simplified: {reason(error)}",
            where=path,
            expected=f"a model that ONNX's checker accepts at opset {OPSET}",
            next_step=f"export the model again with opset_version={OPSET}",
        ) from error


def require_modnet(model: onnx.ModelProto, where: Path) -> None:
    """Raise ExportError for a model that has not about as many convolutions as MODNet, or more parameters."""
    released = layers()
    for what, found, expected, (low, high) in (
        (
            "parameters",
            sum(math.prod(item.dims) for item in model.graph.initializer),
            released.parameters,
            _PARAMETERS,
        ),
        (
            "convolutions",
            sum(node.op_type == "Conv" for node in model.graph.node),
            released.convolutions,
            _CONVOLUTIONS,
        ),
    ):
        if not low * expected <= found <= high * expected:
            raise ExportError(
                f"{where.name} is not MODNet: it has {found:,} {what}",
                where=where,
                expected=f"MODNet on MobileNetV2, which has about {expected:,}; fewer parameters where it was pruned",
                next_step="pass MODNet's own ONNX",
            )


def _with_contract(model: onnx.ModelProto, input_range: InputRange) -> onnx.ModelProto:
    graph = model.graph
    old_input, old_output = graph.input[0].name, graph.output[0].name
    inner = INPUT_NAME if input_range == "0..1" else "image_normalised"
    taken = {name for node in graph.node for name in (*node.input, *node.output)} - {old_input, old_output}
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name in (INPUT_NAME, OUTPUT_NAME) and name in taken:
                    names[index] = f"{name}_inside"
                elif name == old_input:
                    names[index] = inner
                elif name == old_output:
                    names[index] = OUTPUT_NAME
    graph.input[0].name, graph.output[0].name = INPUT_NAME, OUTPUT_NAME
    if input_range == "0..1":
        return model
    for name, value in (("contract/half", 0.5), ("contract/two", 2.0)):
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
    # (image - 0.5) * 2 is [0, 1] to [-1, 1]; in this order the scale folds into the convolutions.
    graph.node.insert(0, helper.make_node("Sub", [INPUT_NAME, "contract/half"], ["contract/centred"], "contract/Sub"))
    graph.node.insert(1, helper.make_node("Mul", ["contract/centred", "contract/two"], [inner], "contract/Mul"))
    return model
