"""TFLite flatbuffers (TensorFlow's schema.fbs, version 3): the one place that reads, changes and writes them.

A model is a tree of the schema's objects (``schema.ModelT``). The functions here read it; ``Builder`` adds to it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import flatbuffers
import numpy as np
import numpy.typing as npt

from converters.errors import ExportError
from converters.tflite.schema import schema as schema
from converters.tflite.versions import lowest, minimum_runtime

BuiltinOperator: Any = schema.BuiltinOperator
TensorType: Any = schema.TensorType

_DTYPES: dict[int, npt.DTypeLike] = {
    TensorType.FLOAT32: np.float32,
    TensorType.FLOAT16: np.float16,
    TensorType.INT32: np.int32,
    TensorType.INT64: np.int64,
    TensorType.INT16: np.int16,
    TensorType.INT8: np.int8,
    TensorType.UINT8: np.uint8,
    TensorType.BOOL: np.bool_,
}
# A flatbuffer's offsets are 32-bit and signed.
_LARGEST = 2**31 - 1
# Beside its constants: names, shapes and ops, generously.
_STRUCTURE = 1 << 20
# The schema asks for it (``force_align``); what Python writes by itself has no alignment at all.
_ALIGNMENT = 16
_RUNTIME = "min_runtime_version"


def read(data: bytes) -> Any:
    """The model as a mutable object tree (``schema.ModelT``)."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))
    for buffer in model.buffers:
        if buffer.offset > 1:  # some writers keep constants behind the flatbuffer
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


class _Aligned(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    def StartVector(self, size: int, count: int, alignment: int) -> int:  # noqa: N802
        return int(super().StartVector(size, count, _ALIGNMENT if size == 1 else alignment))


def write(model: Any) -> bytes:
    """The flatbuffer of an object tree, its constants aligned; raises ExportError beyond 2 GB."""
    size = sum(len(buffer.data) + _ALIGNMENT for buffer in model.buffers if buffer.data is not None) + _STRUCTURE
    if size > _LARGEST:
        raise ExportError(
            f"a TFLite file of {size / 1e9:.1f} GB cannot be written",
            expected="less than 2 GB: positions in the file have 32 bits",
            next_step="choose a smaller network or size",
        )
    builder = _Aligned(size)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _builtin(code: Any) -> int:
    # Codes below 127 are stored in the older, narrower field.
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def builtin(model: Any, op: Any) -> int:
    """The op's built-in operator code."""
    return _builtin(model.operatorCodes[op.opcodeIndex])


def operator_name(operator: int) -> str:
    """``CONV_2D`` for its code."""
    return next(str(name) for name, code in vars(BuiltinOperator).items() if code == operator)


def op_name(model: Any, op: Any) -> str:
    """The operator of an op, for example ``CONV_2D``."""
    return operator_name(builtin(model, op))


def operators(model: Any) -> set[tuple[str, int]]:
    """Every operator of a model's ops, with the version that it asks of the runtime."""
    codes = (model.operatorCodes[op.opcodeIndex] for graph in model.subgraphs for op in graph.operators)
    return {(operator_name(_builtin(code)), int(code.version)) for code in codes}


def constant(model: Any, tensor: Any) -> npt.NDArray[Any] | None:
    """The array of a constant tensor; None for an activation."""
    data = model.buffers[tensor.buffer].data
    if tensor.buffer == 0 or data is None or tensor.type not in _DTYPES:
        return None
    return np.asarray(data, np.uint8).view(_DTYPES[tensor.type]).reshape(tensor.shape)


def reads_only_constants(model: Any, graph: Any, op: Any) -> bool:
    """Whether an op computes no activation: it unpacks a weight."""
    return all(item < 0 or constant(model, graph.tensors[item]) is not None for item in op.inputs)


def real_values(tensor: Any, stored: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """What a tensor's stored numbers stand for: scale * (q - zero point) where it is quantized."""
    found = tensor.quantization
    if found is None or found.scale is None or len(found.scale) == 0:
        return np.asarray(stored, np.float32)
    shape = [1] * stored.ndim
    if shape:  # of a single number there is no axis
        shape[found.quantizedDimension if len(found.scale) > 1 else 0] = -1
    scale = np.asarray(found.scale, np.float32).reshape(shape)
    zero_point = np.asarray(found.zeroPoint, np.float32).reshape(shape)
    return (stored.astype(np.float32) - zero_point) * scale


def read_metadata(model: Any, name: str) -> bytes | None:
    """What a model carries under this name; None where it carries nothing."""
    for item in model.metadata or []:
        if (item.name.decode() if isinstance(item.name, bytes) else item.name) == name:
            return bytes(np.asarray(model.buffers[item.buffer].data, np.uint8))
    return None


def quantization(scale: npt.ArrayLike, zero_point: int = 0, axis: int = 0) -> Any:
    """A tensor's quantization parameters, value = scale * (q - zero point).

    ``scale``: one for the whole tensor, or one for each index of ``axis``.
    """
    made = schema.QuantizationParametersT()
    made.scale = np.atleast_1d(np.asarray(scale, np.float32))
    made.zeroPoint = np.full(made.scale.shape, zero_point, np.int64)
    made.quantizedDimension = axis
    return made


def _buffer(data: npt.NDArray[np.uint8]) -> Any:
    made = schema.BufferT()
    made.data = data
    return made


def _port(name: str, tensor: int) -> Any:
    made = schema.TensorMapT()
    made.name, made.tensorIndex = name, tensor
    return made


class Builder:
    """A model of one graph, and what is added to it. Tensors are named by their index in the graph."""

    def __init__(self, model: Any) -> None:
        """``model`` is changed in place; raises ValueError where it has several graphs."""
        self.model = model
        (self.graph,) = model.subgraphs

    @classmethod
    def empty(cls, description: str) -> Builder:
        """Of a new model, without tensors and ops."""
        model, graph = schema.ModelT(), schema.SubGraphT()
        model.version, model.description, model.operatorCodes = 3, description, []
        # Buffer 0 is the empty one, by convention.
        model.buffers, model.subgraphs = [schema.BufferT()], [graph]
        graph.tensors, graph.operators, graph.inputs, graph.outputs = [], [], [], []
        return cls(model)

    @classmethod
    def beside(cls, model: Any) -> Builder:
        """Of a copy: the model stays as it is. Both share tensors and constants, so only ops may be changed."""
        tree, graph = copy.copy(model), copy.copy(model.subgraphs[0])
        tree.subgraphs, tree.operatorCodes, tree.buffers = [graph], list(model.operatorCodes), list(model.buffers)
        graph.tensors, graph.operators = list(graph.tensors), [copy.copy(op) for op in graph.operators]
        return cls(tree)

    def write(self) -> bytes:
        """The flatbuffer: every op of the lowest version that it needs, or that it came with; what runtime that needs.

        Raises ExportError beyond 2 GB.
        """
        codes: list[Any] = []
        places: dict[tuple[int, int], int] = {}
        for op in self.graph.operators:
            code = copy.copy(self.model.operatorCodes[op.opcodeIndex])
            inputs, outputs = ([self.tensor(item) for item in ports if item >= 0] for ports in (op.inputs, op.outputs))
            code.version = max(code.version, lowest(op_name(self.model, op), inputs, outputs, op.builtinOptions))
            # Of operators that are not built in, each has its own entry already.
            key = (op.opcodeIndex, code.version)
            if key not in places:
                places[key] = len(codes)
                codes.append(code)
            op.opcodeIndex = places[key]
        self.model.operatorCodes = codes
        runtime = minimum_runtime(operators(self.model))
        self._set_metadata(_RUNTIME, runtime.encode().ljust(16, b"\0"))
        return write(self._without_unread())

    def _without_unread(self) -> Any:
        """The model without the data of constants that nothing reads: weights that were replaced."""
        ports = [*self.graph.inputs, *self.graph.outputs]
        read = {int(item) for op in self.graph.operators for item in op.inputs if item >= 0}.union(map(int, ports))
        kept = {self.tensor(item).buffer for item in read} | {item.buffer for item in self.model.metadata or []}
        model = copy.copy(self.model)
        model.buffers = [
            buffer if index in kept else schema.BufferT() for index, buffer in enumerate(self.model.buffers)
        ]
        return model

    def tensor(self, index: int) -> Any:
        return self.graph.tensors[index]

    def constant(self, index: int) -> npt.NDArray[Any] | None:
        """The array of a constant; None for an activation."""
        return constant(self.model, self.tensor(index))

    def code(self, name: str) -> int:
        """The index of an operator in the model's table; added where it is missing. ``write`` sees to versions."""
        operator = getattr(BuiltinOperator, name)
        for index, code in enumerate(self.model.operatorCodes):
            if _builtin(code) == operator:
                return index
        made = schema.OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode, made.version = operator, min(operator, 127), 1
        self.model.operatorCodes.append(made)
        return len(self.model.operatorCodes) - 1

    def op(self, name: str, inputs: Sequence[int], output: int, options: Any = None) -> Any:
        """A new op with one output, for the caller to put in its place among the graph's ops.

        ``options`` are the schema's, for example ``schema.CastOptionsT``.
        """
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self.code(name), list(inputs), [output]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            made.builtinOptionsType, made.builtinOptions = getattr(schema.BuiltinOptions, kind), options
        return made

    def add_constant(self, name: bytes, array: npt.NDArray[Any], quantized: Any = None) -> int:
        """Append a constant tensor, with ``quantization`` where it is quantized; returns its index."""
        self._add_tensor(name, TensorType.FLOAT32, array.shape, quantized)
        self.set_constant(len(self.graph.tensors) - 1, array)
        return len(self.graph.tensors) - 1

    def set_constant(self, index: int, array: npt.NDArray[Any]) -> None:
        """Give a tensor these values, of their type; others that shared its data keep that."""
        tensor = self.tensor(index)
        tensor.type = next(code for code, dtype in _DTYPES.items() if np.dtype(dtype) == array.dtype)
        tensor.buffer = self._add_buffer(np.ascontiguousarray(array).reshape(-1).view(np.uint8))

    def add_int4(self, name: bytes, array: npt.NDArray[np.int8], quantized: Any) -> int:
        """As ``add_constant``, for values from -8 to 7: two in each byte, the first in the lower half."""
        halves = np.append(array.reshape(-1), np.zeros(array.size % 2, np.int8)) & 15
        tensor = self._add_tensor(name, TensorType.INT4, array.shape, quantized)
        tensor.buffer = self._add_buffer((halves[0::2] | (halves[1::2] << 4)).astype(np.uint8))
        return len(self.graph.tensors) - 1

    def add_activation(self, name: bytes, shape: tuple[int, ...], *, boolean: bool = False) -> int:
        """Append a tensor that an op computes, or an input, of float32 or truth values; returns its index."""
        self._add_tensor(name, TensorType.BOOL if boolean else TensorType.FLOAT32, shape, None)
        return len(self.graph.tensors) - 1

    def add_signature(self, key: str, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
        """Name the graph's ports, in this order, for whoever runs the model by names."""
        signature = schema.SignatureDefT()
        signature.signatureKey = key
        for ports, names in (("inputs", inputs), ("outputs", outputs)):
            setattr(self.graph, ports, list(names.values()))
            setattr(signature, ports, [_port(name, index) for name, index in names.items()])
        self.model.signatureDefs = [*(self.model.signatureDefs or []), signature]

    def add_like(self, index: int, suffix: bytes, kind: int, quantized: Any = None) -> int:
        """Append an activation like another one, of type ``kind``; returns its index."""
        tensor = copy.copy(self.tensor(index))
        tensor.name, tensor.type, tensor.quantization = tensor.name + suffix, kind, quantized
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _add_tensor(self, name: bytes, kind: int, shape: tuple[int, ...], quantized: Any) -> Any:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.shape, tensor.quantization = name, kind, list(shape), quantized
        tensor.hasRank = True  # else an empty shape reads as an unknown one
        self.graph.tensors.append(tensor)
        return tensor

    def _add_buffer(self, data: npt.NDArray[np.uint8]) -> int:
        self.model.buffers.append(_buffer(data))
        return len(self.model.buffers) - 1

    def add_metadata(self, name: str, data: bytes) -> None:
        """Let the model carry data beside its graph."""
        item = schema.MetadataT()
        item.name, item.buffer = name.encode(), self._add_buffer(np.frombuffer(data, np.uint8))
        self.model.metadata = [*(self.model.metadata or []), item]

    def _set_metadata(self, name: str, data: bytes) -> None:
        """As ``add_metadata``, in place of what the model carries under this name."""
        for item in self.model.metadata or []:
            if item.name in (name, name.encode()):
                self.model.buffers[item.buffer] = _buffer(np.frombuffer(data, np.uint8))
                return
        self.add_metadata(name, data)

    def make_activation(self, index: int) -> None:
        """Turn a constant into a tensor that an op computes; its data goes unless another tensor shares it."""
        tensor = self.tensor(index)
        buffer, tensor.buffer = tensor.buffer, 0  # buffer 0 is the empty one, by convention
        if all(other.buffer != buffer for other in self.graph.tensors):
            self.model.buffers[buffer].data = None

    def replace_port(self, ports: Literal["inputs", "outputs"], old: int, new: int) -> None:
        """Put a tensor in the place of one of the graph's inputs or outputs, in its signatures too."""
        setattr(self.graph, ports, [new if index == old else index for index in getattr(self.graph, ports)])
        for signature in self.model.signatureDefs or []:
            for port in getattr(signature, ports):
                if port.tensorIndex == old:
                    port.tensorIndex = new


def cut(model: Any, ops: Sequence[Any]) -> bytes:
    """The flatbuffer of some of a model's ops. It takes the activations that they read and do not make themselves,
    in the order in which they are read, and gives the outputs of the last op."""
    (graph,) = model.subgraphs
    wanted = sorted({int(index) for op in ops for index in [*op.inputs, *op.outputs] if index >= 0})
    places = {index: place for place, index in enumerate(wanted)}
    builder = Builder.empty("")
    tree, part = builder.model, builder.graph
    tree.operatorCodes = model.operatorCodes
    for index in wanted:
        tensor = copy.copy(graph.tensors[index])
        buffer, tensor.buffer = model.buffers[tensor.buffer], 0
        if buffer.data is not None and len(buffer.data):
            tree.buffers.append(buffer)
            tensor.buffer = len(tree.buffers) - 1
        part.tensors.append(tensor)
    for op in map(copy.copy, ops):
        op.inputs = [places[int(index)] if index >= 0 else -1 for index in op.inputs]
        op.outputs = [places[int(index)] for index in op.outputs]
        part.operators.append(op)
    made = {index for op in part.operators for index in op.outputs}
    taken = dict.fromkeys(index for op in part.operators for index in op.inputs if index >= 0 and index not in made)
    part.inputs = [index for index in taken if part.tensors[index].buffer == 0]
    part.outputs = list(part.operators[-1].outputs)
    return write(tree)
