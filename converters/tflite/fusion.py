"""Ops that become part of the op before them, where nobody else reads what that computes."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from converters.tflite import builder as fb
from converters.tflite.values import Array, Value

_ACTIVATION: Any = fb.schema.ActivationFunctionType
_ACTIVATIONS = ("RELU", "RELU6")
# One has the option and no kernel for it; the other has it from TensorFlow 2.13 on.
_WITHOUT = ("CONCATENATION", "TRANSPOSE_CONV")
# The axis of the weights that counts the channels of the result.
_CHANNELS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


def joined(values: Sequence[Value], outputs: Collection[Value], *, for_gpu: bool = False) -> list[Value]:
    """The values without those that could be joined to the one that reads them, which is changed in place.

    Given:  CONV_2D(x, weight, bias) -> MUL(_, gain) -> ADD(_, shift) -> RELU
    Result: CONV_2D(x, weight * gain, bias * gain + shift, activation RELU)

    ``gain`` and ``shift`` are constants for the whole tensor or for each of its channels. An activation joins any op
    that can have one. ``values`` are in order; ``outputs`` have a reader that is not among them.

    ``for_gpu``: what a GPU computes in one step, or in a wider one, is one op: MEAN(MEAN(x, width), height) is MEAN(x,
    both), for its sums are accurate there; DIV(1, SQRT(x)) is RSQRT(x); MUL(x, x) is SQUARE(x), which joins the kernel
    before it.
    """
    readers = Counter(item for value in values for item in value.inputs if isinstance(item, Value))
    gone = set[Value]()
    for value in values:
        if for_gpu and value.op == "MUL" and value.inputs[0] is value.inputs[1]:
            value.op, value.inputs, value.options = "SQUARE", value.inputs[:1], None
            readers.subtract(item for item in value.inputs if isinstance(item, Value))
        maps = [item for item in value.inputs if isinstance(item, Value)]
        if len(maps) != 1 or readers[maps[0]] > 1 or maps[0] in outputs:
            continue
        (before,) = maps
        if for_gpu and _as_one(value, before):
            gone.add(before)
            continue
        if getattr(before.options, "fusedActivationFunction", None) != _ACTIVATION.NONE or before.op in _WITHOUT:
            continue
        if value.op in _ACTIVATIONS:
            value.inputs, value.options = before.inputs, copy.copy(before.options)
            value.options.fusedActivationFunction = getattr(_ACTIVATION, value.op)
        elif (inputs := _affine(value, before)) is not None:
            value.inputs, value.options = inputs, before.options
        else:
            continue
        value.op = before.op
        gone.add(before)
    return [value for value in values if value not in gone]


def _as_one(value: Value, before: Value) -> bool:
    """Whether ``value`` could take in ``before`` as a reduction over more axes, or as RSQRT, and did."""
    if value.op == before.op == "MEAN":
        axes = [item for each in (value, before) for item in each.inputs[1:] if isinstance(item, np.ndarray)]
        value.inputs = (before.inputs[0], np.sort(np.concatenate(axes)))
    elif value.op == "DIV" and before.op == "SQRT" and isinstance(value.inputs[0], np.ndarray):
        if value.inputs[0].size != 1 or value.inputs[0].item() != 1:
            return False
        value.op, value.inputs, value.options = "RSQRT", before.inputs, None
    else:
        return False
    return True


def _affine(value: Value, before: Value) -> tuple[Value | Array, ...] | None:
    """What ``before`` reads so that it computes ``value``, a sum or product with a constant; None where it cannot."""
    if before.op not in _CHANNELS or value.op not in ("MUL", "ADD", "SUB") or value.shape != before.shape:
        return None
    x, weight, bias = before.inputs
    first, second = value.inputs
    other = second if first is before else first
    if not (isinstance(other, np.ndarray) and isinstance(weight, np.ndarray) and isinstance(bias, np.ndarray)):
        return None
    if other.size not in (1, *other.shape[-1:]) or (value.op == "SUB" and first is not before):
        return None
    each = np.broadcast_to(other.reshape(-1), bias.shape)
    if value.op == "MUL":
        shape = [1] * weight.ndim
        shape[_CHANNELS[before.op]] = -1
        return x, weight * each.reshape(shape), bias * each
    return x, weight, bias + each if value.op == "ADD" else bias - each
