"""The lowest versions of TFLite's operators, and of the runtime, that a model needs.

From LiteRT's source: tflite/converter/tools/versioning/op_version.cc and runtime_version.cc, for the operators and the
types that are written here. A runtime refuses an operator of a version that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from converters.tflite.schema import schema

_TYPES: Any = schema.TensorType
_FIVE_AXES = {"SLICE": 5, "STRIDED_SLICE": 4, "PAD": 4, "PADV2": 4}
_FIVE_AXES_BROADCAST = {"SUB": 3, "DIV": 2, "MAXIMUM": 3, "MINIMUM": 3}
_INT8 = {
    "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "RELU": 2, "RELU6": 2, "LOGISTIC": 2, "MEAN": 2,
    "ADD": 2, "SUB": 2, "MUL": 2, "PAD": 2, "PADV2": 2, "MIRROR_PAD": 2, "CONCATENATION": 2, "SLICE": 2,
    "STRIDED_SLICE": 2, "RESIZE_BILINEAR": 2, "RESIZE_NEAREST_NEIGHBOR": 2, "AVERAGE_POOL_2D": 2, "MAX_POOL_2D": 2,
    "TRANSPOSE": 2, "MAXIMUM": 2, "MINIMUM": 2, "REDUCE_MAX": 2, "BATCH_MATMUL": 2, "BROADCAST_TO": 3,
}  # fmt: skip
# Convolutions have int8 weights. The table there lists them by int16 weights, a slip: register.cc knows 4 and 5 so.
_INT16 = {
    "CONV_2D": 4, "DEPTHWISE_CONV_2D": 5, "RELU": 3, "LOGISTIC": 3, "MEAN": 3, "RSQRT": 3, "ADD": 3, "SUB": 5, "MUL": 4,
    "PAD": 3, "CONCATENATION": 3, "SLICE": 4, "RESIZE_BILINEAR": 4, "AVERAGE_POOL_2D": 3,
}  # fmt: skip
# Float in and out, int8 weights: with one scale, and with one for each output channel.
_HYBRID = {"CONV_2D": (2, 5), "DEPTHWISE_CONV_2D": (4, 6), "FULLY_CONNECTED": (3, 12)}
# LiteRT's table says 2.15, for another form of version 8. With 4-bit weights and floats LiteRT 1.0 (TensorFlow 2.18)
# loads the model and gives another matte, XNNPACK of 1.2 refuses it, and 1.4 is right (seen 26 November 2026).
_FOUR_BITS = (2, 20)
# Where a version is not listed, TensorFlow 2.0 has it.
_RUNTIMES = {
    ("CONV_2D", 5): (2, 4), ("CONV_2D", 6): (2, 9), ("CONV_2D", 7): (2, 11), ("CONV_2D", 8): _FOUR_BITS,
    ("DEPTHWISE_CONV_2D", 4): (2, 2), ("DEPTHWISE_CONV_2D", 6): (2, 3), ("FULLY_CONNECTED", 6): (2, 1),
    ("FULLY_CONNECTED", 12): (2, 17), ("BATCH_MATMUL", 1): (2, 3), ("BATCH_MATMUL", 2): (2, 3),
    ("BROADCAST_TO", 2): (2, 5), ("BROADCAST_TO", 3): (2, 5), ("SUB", 3): (2, 3), ("DIV", 2): (2, 3),
    ("MAXIMUM", 3): (2, 3), ("MINIMUM", 3): (2, 3), ("PAD", 4): (2, 6), ("PADV2", 4): (2, 6), ("SLICE", 5): (2, 5),
    ("STRIDED_SLICE", 4): (2, 2), ("TRANSPOSE", 4): (2, 3), ("TRANSPOSE", 6): (2, 12), ("CAST", 5): (2, 12),
    ("RESIZE_BILINEAR", 3): (2, 2), ("RESIZE_NEAREST_NEIGHBOR", 3): (2, 3), ("RELU", 2): (2, 1),
    ("MIRROR_PAD", 2): (2, 3), ("RELU_0_TO_1", 1): (2, 10), ("SELECT_V2", 1): (2, 2),
    ("CONV_2D", 4): (2, 3), ("DEPTHWISE_CONV_2D", 5): (2, 3), ("ADD", 3): (2, 4), ("SUB", 5): (2, 4),
    ("MUL", 4): (2, 3), ("PAD", 3): (2, 4), ("CONCATENATION", 3): (2, 3), ("SLICE", 4): (2, 4), ("MEAN", 3): (2, 4),
    ("RESIZE_BILINEAR", 4): (2, 5), ("AVERAGE_POOL_2D", 3): (2, 3), ("RELU", 3): (2, 5), ("LOGISTIC", 3): (2, 3),
    ("RSQRT", 3): (2, 15),
}  # fmt: skip


def lowest(name: str, inputs: Sequence[Any], outputs: Sequence[Any], options: Any) -> int:
    """The first version of an operator that takes these tensors (the schema's) and options."""

    def has(field: str, more_than: int = 0) -> bool:
        return int(getattr(options, field, 0)) > more_than

    types = [item.type for item in inputs]
    axes = max((len(item.shape) for item in inputs), default=0)
    version = {_TYPES.INT8: _INT8, _TYPES.INT16: _INT16}.get(types[0] if types else None, {}).get(name, 1)
    if name in _HYBRID and types[0] == _TYPES.FLOAT32 and types[1] in (_TYPES.INT8, _TYPES.INT4):
        version = _HYBRID[name][_per_channel(inputs[1])]
    if name == "CONV_2D":
        if types[1] == _TYPES.INT4:
            version = 8 if types[0] == _TYPES.FLOAT32 else 7
        if inputs[0].shape[3] != inputs[1].shape[3]:
            version = max(version, 6)
    elif name == "DEPTHWISE_CONV_2D" and (has("dilationHFactor", 1) or has("dilationWFactor", 1)):
        version = max(version, 2)
    elif name == "FULLY_CONNECTED" and types[0] == types[1] == _TYPES.FLOAT32:
        version = 6 if len(inputs) == 2 else 5 if has("keepNumDims") else 1
    elif name == "DEQUANTIZE":
        # One scale for each channel came with version 5 (TensorFlow 2.7). The number does nothing else, XNNPACK and the
        # GPU unpack such weights themselves, and LiteRT's GPU accelerator refuses numbers above 3.
        version = {_TYPES.FLOAT16: 3, _TYPES.INT16: 3, _TYPES.INT8: 3 if _per_channel(inputs[0]) else 2}.get(
            types[0], 1
        )
    elif name == "QUANTIZE":
        version = 2 if outputs[0].type == _TYPES.INT16 else 1
    elif name == "CAST" and _TYPES.FLOAT16 in (types[0], outputs[0].type):
        version = 5
    elif name in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        if has("halfPixelCenters") or (has("alignCorners") and name == "RESIZE_NEAREST_NEIGHBOR"):
            version = max(version, 3)
    elif name == "TRANSPOSE" and axes > 4:
        version = 6 if axes > 5 else 4
    elif name == "BROADCAST_TO":
        version = max(version, 2)
    elif axes > 4 and name in _FIVE_AXES:
        version = _FIVE_AXES[name]
    elif axes > 4 and name in _FIVE_AXES_BROADCAST and [*inputs[0].shape] != [*inputs[1].shape]:
        version = _FIVE_AXES_BROADCAST[name]
    return version


def _per_channel(tensor: Any) -> bool:
    found = tensor.quantization
    return found is not None and found.scale is not None and len(found.scale) > 1


def minimum_runtime(operators: Iterable[tuple[str, int]]) -> str:
    """The first TensorFlow Lite that has these operators in these versions, for example ``2.4.0``."""
    major, minor = max((_RUNTIMES.get(item, (2, 0)) for item in operators), default=(2, 0))
    return f"{major}.{minor}.0"
