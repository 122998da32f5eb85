"""How much a model's result changes when single groups of its tensors are rounded to int8, measured on the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.progress import Progress, counted, silent
from converters.tflite import builder as fb
from converters.tflite.int8.graph import Group
from converters.tflite.int8.ranges import Parameters
from converters.tflite.interpreter import function

Image = npt.NDArray[np.float32]
_IMAGES = 4


def least_sure(images: Sequence[Image], mattes: Sequence[Image]) -> list[Image]:
    """The images to measure sensitivities on: those whose float mattes are least sure, where rounding shows most."""
    unsure = [float(np.minimum(matte, 1 - matte).mean()) for matte in mattes]
    order = sorted(range(len(unsure)), key=lambda index: -unsure[index])
    return [images[index] for index in order[:_IMAGES]]


def sensitivities(
    data: bytes,
    groups: Sequence[Group],
    scales: Mapping[int, Parameters],
    images: Sequence[Image],
    *,
    known: Mapping[str, float] | None = None,
    keep: Callable[[Mapping[str, float]], None] = lambda found: None,
    progress: Progress = silent,
) -> list[float]:
    """For every group, how much the matte changes when the tensors of this group alone are rounded to int8.

    The mean absolute change in each image, and of these the root mean square: an image that suffers most counts most.
    ``known`` are those of an earlier search, by the name of the group's first tensor. ``keep`` is called with all that
    are known whenever another one has been measured.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    whole, found = function(data), dict(known or {})
    expected = [whole(image) for image in images]
    names = [graph.tensors[group.tensors[0]].name.decode() for group in groups]
    for name, group in counted(list(zip(names, groups, strict=True)), "measuring sensitivities", progress):
        if name not in found:
            run = function(with_rounding(model, {item: scales[item] for item in group.tensors}))
            errors = [float(np.abs(run(image) - matte).mean()) for image, matte in zip(images, expected, strict=True)]
            found[name] = float(np.sqrt(np.mean(np.square(errors))))
            keep(found)
    return [found[name] for name in names]


def with_rounding(model: Any, scales: Mapping[int, Parameters]) -> bytes:
    """A float model in which the tensors of ``scales`` are rounded to int8; ``model`` is left as it is.

    Given:  OP(x) -> y -> READERS
    Result: OP(x) -> y' -> QUANTIZE -> DEQUANTIZE -> y -> READERS

    The graph's inputs are rounded too, where ``scales`` has them.
    """
    builder = fb.Builder.beside(model)
    result: list[Any] = []

    def through_int8(source: int, target: int, scale: Parameters) -> None:
        quantized = fb.quantization(scale.scale, scale.zero_point)
        stored = builder.add_like(source, b"/rounding", fb.TensorType.INT8, quantized)
        result.append(builder.op("QUANTIZE", [source], stored))
        result.append(builder.op("DEQUANTIZE", [stored], target))

    rounded: dict[int, int] = {}
    for tensor in map(int, builder.graph.inputs):
        if tensor in scales:
            rounded[tensor] = builder.add_like(tensor, b"/rounding", fb.TensorType.FLOAT32)
            through_int8(tensor, rounded[tensor], scales[tensor])
    for op in builder.graph.operators:
        op.inputs = [rounded.get(int(item), int(item)) for item in op.inputs]
        result.append(op)
        output = int(op.outputs[0])
        if output in scales:
            exact = builder.add_like(output, b"/rounding", fb.TensorType.FLOAT32)
            op.outputs = [exact]
            through_int8(exact, output, scales[output])
    builder.graph.operators = result
    return builder.write()
