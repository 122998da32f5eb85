"""TFLite flatbuffers as Python objects (TensorFlow's schema.fbs, version 3)."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated

schema: Any = schema_py_generated
BuiltinOperator: Any = schema.BuiltinOperator
TensorType: Any = schema.TensorType

_DTYPES: dict[int, npt.DTypeLike] = {
    TensorType.FLOAT32: np.float32,
    TensorType.FLOAT16: np.float16,
    TensorType.INT32: np.int32,
    TensorType.INT64: np.int64,
    TensorType.INT8: np.int8,
    TensorType.UINT8: np.uint8,
}


def read(data: bytes) -> Any:
    """The model as a mutable object tree (``schema.ModelT``)."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    for buffer in model.buffers:
        if buffer.offset > 1:  # some writers keep constants behind the flatbuffer
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def write(model: Any) -> bytes:
    """The flatbuffer of an object tree."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def builtin(model: Any, op: Any) -> int:
    """The op's built-in operator code."""
    code = model.operatorCodes[op.opcodeIndex]
    # Codes below 127 are stored in the older, narrower field.
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def builtin_code(model: Any, operator: int, version: int = 1) -> int:
    """The index of a built-in operator, of at least ``version``, in the model's table; added where it is missing."""
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == operator and code.version >= version:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = operator, min(operator, 127), version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def operator_name(operator: int) -> str:
    """``CONV_2D`` for its code."""
    return next(str(name) for name, code in vars(BuiltinOperator).items() if code == operator)


def constant(model: Any, tensor: Any) -> npt.NDArray[Any] | None:
    """The array of a constant tensor; None for an activation."""
    data = model.buffers[tensor.buffer].data
    if tensor.buffer == 0 or data is None or tensor.type not in _DTYPES:
        return None
    return np.asarray(data, np.uint8).view(_DTYPES[tensor.type]).reshape(tensor.shape)


def reads_only_constants(model: Any, graph: Any, op: Any) -> bool:
    """Whether an op computes no activation: it unpacks a weight."""
    return all(item < 0 or constant(model, graph.tensors[item]) is not None for item in op.inputs)


def add_constant(model: Any, graph: Any, name: bytes, array: npt.NDArray[Any]) -> int:
    """Append a constant tensor; returns its index in ``graph``."""
    buffer = schema.BufferT()
    buffer.data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer = name, list(array.shape), len(model.buffers) - 1
    tensor.type = next(code for code, dtype in _DTYPES.items() if np.dtype(dtype) == array.dtype)
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def make_activation(model: Any, graph: Any, tensor: Any) -> None:
    """Turn a constant tensor into one that an op computes; its data goes unless another tensor shares it."""
    buffer, tensor.buffer = tensor.buffer, 0  # buffer 0 is the empty one, by convention
    if all(other.buffer != buffer for other in graph.tensors):
        model.buffers[buffer].data = None


def real_values(tensor: Any, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """What a tensor's stored numbers stand for: scale * (q - zero point) where it is quantized."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return np.asarray(stored, np.float32)
    shape = [1] * stored.ndim
    shape[quantization.quantizedDimension if len(quantization.scale) > 1 else 0] = -1
    scale = np.asarray(quantization.scale, np.float32).reshape(shape)
    zero_point = np.asarray(quantization.zeroPoint, np.float32).reshape(shape)
    return (stored.astype(np.float32) - zero_point) * scale
