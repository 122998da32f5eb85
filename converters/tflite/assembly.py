"""A flatbuffer of the values that outputs need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, count
from typing import Any

import numpy as np

from converters.tflite import builder as fb
from converters.tflite.fusion import joined
from converters.tflite.values import Array, Value, op, options

_CONSTANTS = dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), ("weight", "bias"))


def flatbuffer(
    inputs: Mapping[str, Value], outputs: Mapping[str, Value | Array], description: str, *, for_gpu: bool = False
) -> bytes:
    """The model that computes ``outputs``, with one signature, ``serving_default``; ``for_gpu``: see ``fusion``."""
    ports = _with_tensors_of_their_own(inputs, outputs)
    builder, places, known = fb.Builder.empty(description), dict[Value, int](), dict[tuple[Any, ...], int]()
    values = joined(_needed(ports.values()), set(ports.values()), for_gpu=for_gpu)
    _name(values, {**{value: name for name, value in inputs.items()}, **{value: name for name, value in ports.items()}})

    def place(reader: Value, position: int, item: Value | Array) -> int:
        if isinstance(item, Value):
            return places[item]
        key = (item.dtype.str, item.shape, item.tobytes())
        if key not in known:
            names = _CONSTANTS.get(reader.op, ())
            name = names[position - 1] if 0 < position <= len(names) else f"constant{position}"
            known[key] = builder.add_constant(f"{reader.name}/{name}".encode(), item)
        return known[key]

    for value in [*inputs.values(), *(item for item in values if item.op)]:
        read = [place(value, position, item) for position, item in enumerate(value.inputs)]
        places[value] = builder.add_activation(value.name.encode(), value.shape, boolean=value.boolean)
        if value.op:
            builder.graph.operators.append(builder.op(value.op, read, places[value], value.options))
    builder.add_signature(
        "serving_default",
        {name: places[value] for name, value in inputs.items()},
        {name: places[value] for name, value in ports.items()},
    )
    return builder.write()


def _with_tensors_of_their_own(inputs: Mapping[str, Value], outputs: Mapping[str, Value | Array]) -> dict[str, Value]:
    """Outputs that are no constants, no inputs and no other outputs: copied where they were."""
    taken, found = set(inputs.values()), dict[str, Value]()
    for name, value in outputs.items():
        if not isinstance(value, Value) or value in taken:
            shape = np.array(value.shape, np.int32)
            value = op("RESHAPE", value.shape, value, shape, options=options("ReshapeOptions", newShape=list(shape)))
        taken.add(value)
        found[name] = value
    return found


def _needed(outputs: Iterable[Value]) -> list[Value]:
    """The values that outputs are computed from, in order."""
    found, waiting = set[Value](), list(outputs)
    while waiting:
        value = waiting.pop()
        if value not in found:
            found.add(value)
            waiting += [item for item in value.inputs if isinstance(item, Value)]
    return sorted(found, key=lambda value: value.order)


def _name(values: Sequence[Value], ports: Mapping[Value, str]) -> None:
    """Give every value a name of its own: that of its port, of its ONNX value, or of what reads it and its operator."""
    taken = set(ports.values())
    for value in reversed(values):
        name = ports.get(value, value.name)
        if value not in ports:
            name = next(
                each for each in chain([name], (f"{name}/{number}" for number in count(1))) if each not in taken
            )
        taken.add(name)
        value.name = name
        for item in value.inputs:
            if isinstance(item, Value) and not item.name:
                item.name = f"{name}/{item.op.lower()}"
