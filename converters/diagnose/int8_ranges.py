"""Whether the ranges of a quantized model hold what its tensors have to hold, whatever quantized it.

``converters.tflite.int8.coverage`` looks at what an int8 model itself computes; here its float form tells what it
should.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.runtimes.in_float import floating, quantized_tensors
from converters.runtimes.raw import Array, Port

# A sound int8 tensor keeps 30 dB and more.
_POOR_DB = 12.0


@dataclass(frozen=True)
class PoorRange:
    """A quantized activation whose range does not fit what it has to hold."""

    tensor: str
    op: str
    low: float
    high: float
    """What it can hold."""
    least: float
    greatest: float
    """What it has to hold on the images."""
    clipped: float
    """The share of values beyond its range."""
    snr_db: float
    """Of its values after rounding and clipping."""


def poor_ranges(path: Path, given: Sequence[Array]) -> list[PoorRange]:
    """The quantized activations of a TFLite model that lose their values to their ranges, in the graph's order; where
    none does, the worst one.

    ``given``: each image as the input takes it, in real numbers. Empty where no activation is quantized.
    """
    found = list(_ranges(path, given))
    poor = [item for item in found if item.snr_db < _POOR_DB]
    return poor or sorted(found, key=lambda item: item.snr_db)[:1]


def _ranges(path: Path, given: Sequence[Array]) -> Iterator[PoorRange]:
    from converters.tflite import builder as fb
    from converters.tflite.interpreter import interpreter

    model = fb.read(path.read_bytes())
    graph = model.subgraphs[0]
    ports = {
        index: _port(tensor)
        for index, tensor in enumerate(graph.tensors)
        if index in quantized_tensors(model)
        and fb.constant(model, tensor) is None
        and len(tensor.quantization.scale) == 1
    }
    makers = {int(index): fb.op_name(model, op) for op in graph.operators for index in op.outputs}
    same = floating(model)
    loaded, _ = interpreter(fb.write(model), None, xnnpack=False, preserve=True)
    values: dict[int, list[npt.NDArray[np.float32]]] = {}
    alive = {int(index) for op in graph.operators for index in op.outputs} | {int(index) for index in graph.inputs}
    for image in given:
        loaded.set_tensor(loaded.get_input_details()[0]["index"], np.asarray(image, np.float32))
        loaded.invoke()
        for index in ports:
            if same.get(index, index) in alive:
                values.setdefault(index, []).append(np.array(loaded.get_tensor(same.get(index, index))))
    order = {index: place for place, index in enumerate(makers)}
    for index, found in sorted(values.items(), key=lambda item: order.get(item[0], -1)):
        whole = np.concatenate([item.reshape(-1) for item in found]).astype(np.float64)
        port = ports[index]
        low, high = port.bounds or (0.0, 0.0)
        half = port.scale / 2
        noise = np.square(port.real(port.stored(whole)) - whole).mean()
        yield PoorRange(
            graph.tensors[index].name.decode(errors="replace"),
            makers.get(index, "input"),
            low,
            high,
            float(whole.min()),
            float(whole.max()),
            float(((whole < low - half) | (whole > high + half)).mean()),
            float(10 * np.log10((np.square(whole).mean() + 1e-30) / (noise + 1e-30))),
        )


def _port(tensor: Any) -> Port:
    from converters.tflite import builder as fb

    names = {fb.TensorType.INT8: "int8", fb.TensorType.UINT8: "uint8", fb.TensorType.INT16: "int16"}
    (scale,), (zero_point,) = tensor.quantization.scale, tensor.quantization.zeroPoint
    return Port("", (), names.get(tensor.type, "int32"), float(scale), int(zero_point))
