"""A user's own MODNet in ONNX: reading it, its image input and its matte output, and the values that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper

from converters.errors import ExportError, reason
from modnet_export.record.choices import InputRange
from modnet_export.record.contract import OUTPUT_NAME

_FLOATS: dict[int, npt.DTypeLike] = {TensorProto.FLOAT: np.dtype(np.float32), TensorProto.FLOAT16: np.dtype(np.float16)}
# Beyond these, white less black at the first layer is that of an image of 0 to 255, and no normalisation of [0, 1].
_LEAST_SPAN = 0.1


@dataclass(frozen=True)
class Ports:
    """How a user's model is called: the names of its image and its matte, and the type of both."""

    image: str
    matte: str
    dtype: npt.DTypeLike
    size: tuple[int, int] | None
    """Height and width in pixels; None where both are free."""
    input_range: InputRange
    normalises: bool
    """Whether the graph begins with a normalisation, which tells its range."""


def read_onnx(path: Path, *, checked: bool = True) -> onnx.ModelProto:
    """A user's ONNX file; raises ExportError for anything that is not one.

    ``checked`` False: ONNX Runtime judges it, which takes a little more than the standard allows.
    """
    try:
        model = onnx.load(path)
        if checked:
            onnx.checker.check_model(model)
    except Exception as error:  # protobuf, checker and file errors share no base class
        raise ExportError(
            f"cannot read {path.name} as ONNX: {reason(error)}",
            where=path,
            expected="an ONNX model",
            next_step="export or download the file again",
        ) from error
    return model


def ports(model: onnx.ModelProto, where: Path, asked: InputRange | None = None) -> Ports:
    """The image input and the matte output of a user's model, and the range of values that it takes.

    ``asked`` is the range by the user's word. Without it the graph tells: one that normalises its input takes 0..1,
    any other one -1..1, as released. Raises ExportError for a model without one image in and a matte out.
    """
    constants = {item.name for item in model.graph.initializer}
    inputs = [item for item in model.graph.input if item.name not in constants]
    outputs = list(model.graph.output)
    dims = list(inputs[0].type.tensor_type.shape.dim) if len(inputs) == 1 else []
    if (
        len(dims) != 4
        or dims[1].dim_value not in (0, 3)
        or inputs[0].type.tensor_type.elem_type not in _FLOATS
        or not outputs
    ):
        raise ExportError(
            f"{where.name} takes {', '.join(map(_described, inputs)) or 'nothing'}",
            where=where,
            expected="one float32 input, an image of shape N x 3 x H x W",
            next_step="export MODNet alone, without pre-processing or a background input",
        )
    # The matte has its name, or it is the last output: MODNet returns semantic, detail, matte.
    matte = next((item for item in outputs if item.name in (OUTPUT_NAME, "output")), outputs[-1])
    height, width = (dim.dim_value for dim in dims[2:])
    black, white = _normalised(model, inputs[0].name)
    normalises = bool(np.any(black != 0) or np.any(white != 1))
    if asked is None and float(np.max(np.abs(white - black))) < _LEAST_SPAN:
        raise ExportError(
            f"{where.name} divides its input by about {1 / max(float(np.max(np.abs(white - black))), 1e-9):.0f}",
            where=inputs[0].name,
            expected="a model that takes an image of 0..1 or -1..1",
            next_step="export it again without that division, or say what it takes: `input_range=0..1`",
        )
    return Ports(
        image=inputs[0].name,
        matte=matte.name,
        dtype=_FLOATS[inputs[0].type.tensor_type.elem_type],
        size=(height, width) if height and width else None,
        input_range=asked or ("0..1" if normalises else "-1..1"),
        normalises=normalises,
    )


def _described(port: onnx.ValueInfoProto) -> str:
    tensor = port.type.tensor_type
    shape = " x ".join(dim.dim_param or str(dim.dim_value or "?") for dim in tensor.shape.dim)
    kind = TensorProto.DataType.Name(tensor.elem_type).lower()
    return f"{port.name} ({kind} {shape})".replace(" )", ")")


def _normalised(model: onnx.ModelProto, name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What an image's black and white are where the first op reads them that is not arithmetic with constants.

    Arrays that broadcast to 1 x 3 x 1 x 1.
    """
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    found = np.array([0.0, 1.0]).reshape(2, 1, 1, 1)
    while True:
        readers = [node for node in model.graph.node if name in node.input]
        result = _arithmetic(readers[0], name, found, constants) if len(readers) == 1 else None
        if result is None:
            return found[:1], found[1:]
        found, name = result, readers[0].output[0]


def _arithmetic(
    node: onnx.NodeProto,
    name: str,
    value: npt.NDArray[np.float64],
    constants: dict[str, npt.NDArray[np.generic]],
) -> npt.NDArray[np.float64] | None:
    """The output of a node that computes with ``value`` and constants for each channel; None for any other node."""
    if node.op_type in ("Identity", "Cast", "QuantizeLinear", "DequantizeLinear"):
        return value
    others = [constants.get(item) for item in node.input if item != name]
    if any(item is None for item in others) or (node.input[0] != name and node.op_type in ("Sub", "Div")):
        return None
    known = [np.asarray(item, np.float64) for item in others]
    if node.op_type == "BatchNormalization":
        scale, shift, mean, variance = (item.reshape(1, -1, 1, 1) for item in known)
        epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), 1e-5)
        return np.asarray((value - mean) / np.sqrt(variance + epsilon) * scale + shift)
    operation = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}.get(node.op_type)
    if operation is None or len(known) != 1 or known[0].size not in (1, 3):
        return None
    with np.errstate(all="ignore"):
        return np.asarray(operation(value, known[0]))


def with_range(image: npt.NDArray[np.float32], input_range: InputRange) -> npt.NDArray[np.float32]:
    """An image in [0, 1] as a model of that range takes it."""
    return image if input_range == "0..1" else (image - np.float32(0.5)) * np.float32(2)
