"""LiteRT's GPU accelerator, ML Drift (OpenCL, Vulkan, WebGPU, Metal), and TFLite's older GPU delegate before it."""

from __future__ import annotations

from converters.placement import Rule
from converters.tflite.placement.accelerator import Accelerator
from converters.tflite.placement.graph import Op, Tensor
from converters.tflite.placement.joined import kernels

_BUILDER = "google-ai-edge/LiteRT, ml_drift_delegate/tflite/model_builder.cc"
_OLDER = "google-ai-edge/LiteRT, tflite/tools/versioning/gpu_compatibility.cc"

# model_builder.cc, NewOperationParser and each parser's ValidateSupport, which read integers as well. No limit: 99.
# (support/support.cc, IsNodeSupported, is stricter with those; it is for ``use_ir_model``, which is off by default.)
_VERSIONS = {
    "ABS": 5, "ADD": 6, "AVERAGE_POOL_2D": 2, "BATCH_MATMUL": 99, "CAST": 7, "CEIL": 2, "CONCATENATION": 6,
    "CONV_2D": 6, "COS": 2, "CUMSUM": 99, "DEPTH_TO_SPACE": 99, "DEPTHWISE_CONV_2D": 6, "DEQUANTIZE": 3, "DIV": 2,
    "ELU": 2, "EQUAL": 2, "EXP": 2, "FLOOR": 2, "FLOOR_DIV": 3, "FLOOR_MOD": 2, "FULLY_CONNECTED": 14, "GATHER": 99,
    "GELU": 3, "GREATER": 2, "GREATER_EQUAL": 2, "HARD_SWISH": 1, "LEAKY_RELU": 2, "LESS": 2, "LESS_EQUAL": 2, "LOG": 2,
    "LOGISTIC": 2, "MAX_POOL_2D": 2, "MAXIMUM": 4, "MEAN": 99, "MINIMUM": 4, "MIRROR_PAD": 5, "MUL": 8, "NEG": 2,
    "NOT_EQUAL": 2, "PACK": 99, "PAD": 5, "PADV2": 5, "POW": 2, "PRELU": 1, "QUANTIZE": 99, "REDUCE_ALL": 99,
    "REDUCE_ANY": 99, "REDUCE_MAX": 99, "REDUCE_MIN": 99, "REDUCE_PROD": 99, "RELU": 2, "RELU6": 2, "RELU_0_TO_1": 2,
    "RELU_N1_TO_1": 2,
    "RESHAPE": 1, "RESIZE_BILINEAR": 3, "RESIZE_NEAREST_NEIGHBOR": 3, "REVERSE_V2": 99, "ROUND": 2, "RSQRT": 2,
    "SELECT": 99, "SELECT_V2": 99, "SIGN": 2, "SIN": 2, "SLICE": 8, "SOFTMAX": 4, "SPACE_TO_DEPTH": 99, "SPLIT": 99,
    "SPLIT_V": 99, "SQRT": 2, "SQUARE": 2, "SQUARED_DIFFERENCE": 2, "STRIDED_SLICE": 99, "SUB": 3, "SUM": 99, "TANH": 2,
    "TILE": 99, "TRANSPOSE": 99, "TRANSPOSE_CONV": 99, "UNPACK": 99,
}  # fmt: skip
# gpu_compatibility.cc, CheckGpuDelegateCompatibility: what it has a case for. It looks at no versions.
_OLDER_OPERATORS = dict.fromkeys((name for name in _VERSIONS if name not in ("BATCH_MATMUL", "UNPACK")), 99)


def _half(tensor: Tensor) -> int:
    """The bytes of a tensor in fp16, its channels in groups of four (task/tensor_desc.cc)."""
    channels = tensor.shape[-1] if tensor.shape else 1
    return 2 * (tensor.elements // max(channels, 1)) * (-(-channels // 4) * 4)


def _activations(op: Op) -> tuple[Tensor, ...]:
    return tuple(item for item in (*op.inputs, *op.outputs) if not item.constant)


_RULES: tuple[Rule[Op], ...] = (
    Rule(
        "an activation with a scale for each channel",
        f"{_BUILDER}, DequantizeOperationParser",
        lambda op: any(item.scales > 1 for item in _activations(op)),
    ),
    Rule(
        "more than 5 axes",
        f"{_BUILDER}, ExtractTensorShape",
        lambda op: any(len(t.shape) > 5 for t in _activations(op)),
    ),
)

ML_DRIFT = Accelerator(
    "ml-drift",
    "LiteRT's GPU accelerator (ML Drift)",
    _VERSIONS,
    f"{_BUILDER}, NewOperationParser",
    _RULES,
    kernels,
    _half,
)
GPU_DELEGATE = Accelerator(
    "gpu-delegate",
    "TFLite's older GPU delegate",
    _OLDER_OPERATORS,
    f"{_OLDER}, CheckGpuDelegateCompatibility",
    (
        Rule(
            "an int16 activation",
            f"{_OLDER}, CheckGpuDelegateCompatibility",
            lambda op: any(item.kind == "INT16" for item in _activations(op)),
        ),
        _RULES[1],
    ),
    kernels,
    _half,
)
