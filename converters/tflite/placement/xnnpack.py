"""XNNPACK, which runs TFLite models on CPUs, in float32. (The interpreter itself says what it takes here.)"""

from __future__ import annotations

from converters.placement import Rule
from converters.tflite.placement.accelerator import Accelerator
from converters.tflite.placement.graph import Op

_SOURCE = "google-ai-edge/LiteRT, tflite/delegates/xnnpack/xnnpack_delegate.cc"
# VisitNode; it looks at no versions.
_OPERATORS = dict.fromkeys(
    (
        "ABS", "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CEIL", "CONCATENATION", "CONV_2D", "COS", "DEPTH_TO_SPACE",
        "DEPTHWISE_CONV_2D", "DEQUANTIZE", "DIV", "ELU", "EXP", "EXPAND_DIMS", "FLOOR", "FULLY_CONNECTED", "GELU",
        "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "MAX_POOL_2D", "MAXIMUM", "MEAN", "MINIMUM", "MUL", "NEG", "PAD",
        "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR",
        "ROUND", "RSQRT", "SIN", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH", "SPLIT", "SQRT", "SQUARE", "SQUARED_DIFFERENCE",
        "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "TRANSPOSE_CONV",
    ),
    99,
)  # fmt: skip


def _pools_apart(op: Op) -> bool:
    """A pool whose windows leave pixels out, or one of a single pixel that moves further than one."""
    options = op.options
    return op.name.endswith("POOL_2D") and (
        options.strideH > options.filterHeight or options.strideW > options.filterWidth
    )


XNNPACK_FP32 = Accelerator(
    "xnnpack-fp32",
    "XNNPACK in float32",
    _OPERATORS,
    f"{_SOURCE}, VisitNode",
    (
        Rule("a pool whose stride is above its window", f"{_SOURCE}, CheckPoolingParams", _pools_apart),
        Rule(
            "an int16 tensor",
            f"{_SOURCE}, CheckTensorFloat32OrQUInt8Type",
            lambda op: any(item.kind == "INT16" for item in (*op.moving, *op.outputs)),
        ),
        Rule(
            "more than 6 axes",
            f"{_SOURCE}, XNN_MAX_TENSOR_DIMS",
            lambda op: any(len(item.shape) > 6 for item in (*op.moving, *op.outputs)),
        ),
    ),
)
