"""NPUs behind LiteRT's compiler plugins: what a plugin hands to its vendor's compiler.

The compilers themselves are closed: QNN looks at every op again (``QnnManager::ValidateOp``), and MediaTek's newer SDKs
are asked for the ops of a whole model (``GetSupportedOperations``). So this says what cannot be taken, and what the
plugin makes of the rest; kernels are the nodes that it hands over, before the vendor's compiler joins any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from converters.placement import Rule
from converters.tflite.placement.accelerator import Accelerator, Launch, each_by_itself
from converters.tflite.placement.graph import Graph, Op, Tensor

_QUALCOMM = "google-ai-edge/LiteRT, litert/vendors/qualcomm"
_MEDIATEK = "google-ai-edge/LiteRT, litert/vendors/mediatek/compiler"
# qnn_compose_graph.cc, GetOpBuilders; no versions.
_QUALCOMM_OPERATORS = (
    "ABS", "ADD", "ARG_MAX", "ARG_MIN", "AVERAGE_POOL_2D", "BATCH_MATMUL", "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CAST",
    "CEIL", "CONCATENATION", "CONV_2D", "CONV_3D", "COS", "CUMSUM", "DEPTH_TO_SPACE", "DEPTHWISE_CONV_2D", "DEQUANTIZE",
    "DIV", "DYNAMIC_UPDATE_SLICE", "ELU", "EMBEDDING_LOOKUP", "EQUAL", "EXP", "FLOOR", "FLOOR_DIV", "FLOOR_MOD",
    "FULLY_CONNECTED", "GATHER", "GATHER_ND", "GELU", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "L2_NORMALIZATION",
    "L2_POOL_2D", "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG", "LOG_SOFTMAX", "LOGICAL_AND", "LOGICAL_NOT", "LOGICAL_OR",
    "LOGISTIC", "MAX_POOL_2D", "MAXIMUM", "MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "NEG", "NOT_EQUAL", "ONE_HOT", "PACK",
    "PAD", "PADV2", "POW", "PRELU", "QUANTIZE", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6",
    "RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_V2", "ROUND",
    "RSQRT", "SCATTER_ND", "SELECT", "SELECT_V2", "SIGN", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_BATCH_ND",
    "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TANH",
    "TILE", "TOPK_V2", "TRANSPOSE", "TRANSPOSE_CONV", "UNPACK",
)  # fmt: skip
# compiler_plugin.cc, kSupportedOps; no versions.
_MEDIATEK_OPERATORS = (
    "ABS", "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CAST", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D",
    "DEQUANTIZE", "DIV", "FULLY_CONNECTED", "GELU", "GREATER", "HARD_SWISH", "L2_NORMALIZATION", "LEAKY_RELU", "LESS",
    "LOGISTIC", "MAX_POOL_2D", "MAXIMUM", "MEAN", "MINIMUM", "MUL", "PAD", "PADV2", "PRELU", "QUANTIZE", "REDUCE_MAX",
    "RELU", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SLICE", "SOFTMAX", "SPLIT", "SQRT",
    "SQUARED_DIFFERENCE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
)  # fmt: skip


def in_order(graph: Graph, taken: Sequence[bool]) -> list[list[Op]]:
    """The ops that are taken, as they follow each other in the file.

    As google-ai-edge/LiteRT, litert/compiler/plugin/algo.cc, GetPartitionsFromFlatListV2 (the default).
    """
    parts: list[list[Op]] = [[]]
    for op, each in zip(graph.ops, taken, strict=True):
        if each:
            parts[-1].append(op)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _nodes(ops: Sequence[Op], outputs: frozenset[int]) -> list[Launch]:
    """QNN's nodes for some ops of a graph.

    ``outputs`` are tensors that others read as well: no node is left out in any case.
    """
    return [launch for op, each in zip(ops, each_by_itself(ops, outputs), strict=True) for launch in _around(op, each)]


def _around(op: Op, launch: Launch) -> Iterator[Launch]:
    weight = op.inputs[1] if len(op.inputs) > 1 else None
    for item in op.constants:
        whole = replace(item, kind="FLOAT32", scales=0)
        if item.unpacked:  # quantize_op_builder.cc, BuildDequantizeOp
            yield Launch((item,), (whole,), "CAST" if item.kind == "FLOAT16" else "DEQUANTIZE")
        moved = item.unpacked or item.kind not in ("INT4", "INT8", "UINT8")
        if item == weight and op.name == "CONV_2D" and moved:  # conv2d_op_builder.cc, BuildConv2dOp
            yield Launch((whole,), (whole,), "TRANSPOSE")
        if item == weight and op.name == "DEPTHWISE_CONV_2D" and item.unpacked:  # depthwise_conv2d_op_builder.cc
            yield Launch((whole,), (whole,), "RESHAPE")
    yield launch
    if op.activation:  # op_builder.cc, AddFusedActivationNode
        yield Launch(op.outputs, op.outputs, "activation")


def _untyped(tensor: Tensor) -> bool:
    if tensor.kind in ("INT8", "INT4"):
        return tensor.scales == 0
    if tensor.kind == "INT16":
        return tensor.scales != 1
    return tensor.kind not in ("FLOAT32", "FLOAT16", "INT32", "UINT8", "BOOL", "INT64" if tensor.constant else "")


QUALCOMM = Accelerator(
    "qualcomm",
    "Qualcomm's NPU",
    dict.fromkeys(_QUALCOMM_OPERATORS, 99),
    f"{_QUALCOMM}/compiler/qnn_compose_graph.cc, GetOpBuilders",
    join=_nodes,
    parts=in_order,
)
MEDIATEK = Accelerator(
    "mediatek",
    "MediaTek's NPU",
    dict.fromkeys(_MEDIATEK_OPERATORS, 99),
    f"{_MEDIATEK}/compiler_plugin.cc, kSupportedOps",
    (
        Rule(
            "a tensor of a type that Neuron has not",
            f"{_MEDIATEK}/legalizations/neuron_utils.cc, GetNeuronTensorType",
            lambda op: any(map(_untyped, (*op.inputs, *op.outputs))),
        ),
    ),
    parts=in_order,
)
