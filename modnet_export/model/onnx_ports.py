"""A user's own MODNet in ONNX: reading it, and finding its image input and its matte output."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto

from converters.errors import ExportError
from modnet_export.record.contract import INPUT_NAME, OUTPUT_NAME


def read_onnx(path: Path) -> onnx.ModelProto:
    """A user's ONNX file; raises ExportError for anything that is not one."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, checker and file errors share no base class
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise ExportError(
            f"cannot read {path.name} as ONNX: {reason}",
            where=path,
            expected="an ONNX model",
            next_step="export or download the file again",
        ) from error
    return model


def model_ports(model: onnx.ModelProto, where: Path) -> tuple[onnx.ValueInfoProto, onnx.ValueInfoProto]:
    """The image input and the matte output of a user's model; raises ExportError for any other model."""
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    outputs = list(model.graph.output)
    # The matte has its name, or it is the last output: MODNet returns semantic, detail, matte.
    matte = next((item for item in outputs if item.name in (OUTPUT_NAME, "output")), outputs[-1])
    rank = len(inputs[0].type.tensor_type.shape.dim) if len(inputs) == 1 else 0
    if rank != 4 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise ExportError(
            f"{where.name} takes {', '.join(item.name for item in inputs) or 'nothing'}",
            where=where,
            expected="one float32 input, an image of shape N x 3 x H x W",
            next_step="export MODNet alone, without pre-processing or a background input",
        )
    return inputs[0], matte


def is_contract_model(model: onnx.ModelProto) -> bool:
    """Whether a model takes ``image`` in [0, 1] and gives ``matte``, as this tool writes them."""
    return [item.name for item in model.graph.input] == [INPUT_NAME] and [item.name for item in model.graph.output] == [
        OUTPUT_NAME
    ]
