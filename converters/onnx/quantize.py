"""int8 for ONNX Runtime: QuantizeLinear and DequantizeLinear around convolutions (QDQ), by its own quantizer."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weight:
    """The int8 weights of a convolution (OIHW), one scale per output channel, and what must be added to its bias."""

    integers: npt.NDArray[np.int8]
    scale: npt.NDArray[np.float32]
    bias_change: npt.NDArray[np.float32]


def fingerprint(weight_oihw: Array) -> str:
    """A hash of a convolution's float weights, by which it is found in another format, whatever its name there."""
    return hashlib.sha256(np.ascontiguousarray(weight_oihw, np.float32).tobytes()).hexdigest()


def _weights(model: onnx.ModelProto) -> dict[str, tuple[onnx.NodeProto, str]]:
    """Every convolution of constant weights with its fingerprint, by node name."""
    constants = {item.name: item for item in model.graph.initializer}
    return {
        node.name: (node, fingerprint(numpy_helper.to_array(constants[node.input[1]])))
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] in constants
    }


def qdq(
    model: onnx.ModelProto,
    images_nchw: Sequence[Array],
    integer: Collection[str],
    stored: Mapping[str, Weight],
    ranges: Path,
) -> onnx.ModelProto:
    """The same model with some convolutions in int8, their activations calibrated on images (minimum and maximum).

    ``images_nchw`` are values of the model's only input. ``integer`` are the fingerprints of the convolutions that
    compute in int8. ``stored`` gives int8 weights for some of the others: those are unpacked by a DequantizeLinear and
    multiplied as floats. ``ranges`` is a file with the activations' ranges: where it is not there, it is written from
    the images, so that other choices of ``integer`` for the same model need not look at them again.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # it has no types
        def __init__(self) -> None:
            self._feeds: Iterator[dict[str, Array]] = iter([{model.graph.input[0].name: item} for item in images_nchw])

        def get_next(self) -> dict[str, Array] | None:
            return next(self._feeds, None)

    model = onnx.ModelProto.FromString(model.SerializeToString())
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{index}"
    found = _weights(model)
    kept = [name for name, (_, key) in found.items() if key not in integer]
    for name in kept:
        node, key = found[name]
        if key in stored:
            _unpacked(model, node, stored[key])
    with tempfile.TemporaryDirectory(prefix="qdq_") as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # advice to pre-process a graph that our passes have optimised
        try:
            quantize_static(
                source,
                target,
                None if ranges.exists() else Reader(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=kept,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibration_cache_path=ranges,
            )
        finally:
            logger.setLevel(level)
        return onnx.load(target)


def _unpacked(model: onnx.ModelProto, node: onnx.NodeProto, weight: Weight) -> None:
    """Give a convolution its int8 weights, unpacked in the graph, and the bias that goes with them."""
    name = node.input[1]
    constants: dict[str, Any] = {
        f"{name}/int8": weight.integers,
        f"{name}/scale": weight.scale,
        f"{name}/zero": np.zeros(len(weight.scale), np.int8),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
    unpack = onnx.helper.make_node(
        "DequantizeLinear", list(constants), [f"{name}/float"], f"{node.name}/unpack", axis=0
    )
    index = next(index for index, item in enumerate(model.graph.node) if item.name == node.name)
    model.graph.node.insert(index, unpack)
    changed = model.graph.node[index + 1]
    changed.input[1] = f"{name}/float"
    if len(changed.input) > 2 and weight.bias_change.any():
        bias = next(item for item in model.graph.initializer if item.name == changed.input[2])
        corrected = numpy_helper.to_array(bias) + weight.bias_change
        model.graph.initializer.append(numpy_helper.from_array(corrected.astype(np.float32), f"{bias.name}/{name}"))
        changed.input[2] = f"{bias.name}/{name}"
    used = {item for other in model.graph.node for item in other.input}
    for initializer in [item for item in model.graph.initializer if item.name not in used]:
        model.graph.initializer.remove(initializer)
