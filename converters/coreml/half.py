"""Weights rounded to fp16 or to int8 so that a convolution's output changes least, instead of each weight.

An fp16 weight is off by up to 2^-11 of itself. In a depthwise filter whose weights nearly cancel, these errors are a
wrong gain: of the portrait matting network's fp16 error nearly all came from 288 weights of its first depthwise
convolution. Here one weight is rounded at a time, and those not yet rounded make up for it (Frantar et al., "GPTQ",
ICLR 2023, algorithm 1). fp16's steps are finer for smaller weights: those come last. The bias is a weight of a constant
input of 1.

Large weights may be integers instead, times one fp16 scale for each output channel, as coremltools stores them. The
same idea for TFLite, whose scales are float32: ``converters.tflite.rounding``; for palettes:
``converters.coreml.palettes``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.passes.fold_batchnorm import conv_constants
from converters.onnx.passes.rewrite import Builder, Names, attribute, attributes

Array = npt.NDArray[np.float64]
Rows = Callable[[Array, Array], Array]
"""Rounds O x (K + 1) weights, the bias last, that are multiplied with what has these moments: see ``rounded_rows``."""
_Round = Callable[[int, Array], npt.NDArray[np.floating]]
"""The column's number, and its values to be rounded."""
# Directions that the data does not have cost a little too.
_DAMPING, _INTEGER_DAMPING = 1e-5, 1e-2
# For so few weights (a 3x3 depthwise filter and its bias) all combinations are tried.
_SEARCHED = 10
_LEVELS = 127
# A scale below the largest weight's clips a few weights and rounds all others more finely.
_SHRINKS = (1.0, 0.92, 0.84, 0.76)


def _best_of_both(row: Array, moments: Array) -> Array:
    """The row with each weight rounded up or down, whichever of all combinations changes the output least."""
    nearest = row.astype(np.float16)
    other = np.nextafter(nearest, np.where(nearest > row, -np.inf, np.inf).astype(np.float16)).astype(np.float64)
    picked = np.arange(1 << len(row))[:, None] >> np.arange(len(row)) & 1
    change = np.where(picked, other, nearest.astype(np.float64)) - row
    best = int(_changes(change, moments).argmin())
    return np.asarray(row + change[best])


def rounded_rows(rows: Array, moments: Array) -> Array:
    """O x K weights as fp16 holds them; ``moments``, K x K, is the mean of x x^T of what they are multiplied with."""
    damped = moments + np.eye(len(moments)) * (_DAMPING * np.diagonal(moments).mean() + 1e-12)
    if len(moments) <= _SEARCHED:
        return np.stack([_best_of_both(row, damped) for row in rows])
    steps = np.square(np.spacing(np.abs(rows).astype(np.float16)).astype(np.float64)).mean(axis=0)
    order = np.argsort(-steps * np.diagonal(damped), kind="stable")
    return Feedback(damped, order).rounded(rows, lambda column, values: values.astype(np.float16))


class Feedback:
    """Rounds weights column by column in a given order; those that are left make up for each error."""

    def __init__(self, moments: Array, order: npt.NDArray[np.int64]) -> None:
        self._order = order
        # Upper Cholesky factor of the inverse: row k holds how column k's error is passed on.
        self._pass_on = np.linalg.cholesky(np.linalg.inv(moments[np.ix_(order, order)])).T

    @property
    def costs(self) -> Array:
        """What the square of an error costs at an output, column by column: those that are left made up for it."""
        found = np.empty(len(self._order))
        found[self._order] = np.diagonal(self._pass_on) ** -2.0
        return found

    def rounded(self, rows: Array, rounded: _Round) -> Array:
        """O x K weights, each column what ``rounded`` makes of it."""
        left = rows[:, self._order].copy()
        found = np.empty_like(rows)
        for k, column in enumerate(self._order):
            found[:, column] = rounded(int(column), left[:, k])
            error = (left[:, k] - found[:, column]) / self._pass_on[k, k]
            left[:, k:] -= error[:, None] * self._pass_on[k, k:]
        return found


def integer_rows(rows: Array, moments: Array) -> Array:
    """O x K weights with the bias as the last column: as int8 times a scale for each row, the bias as fp16.

    coremltools finds integers and scales again in what is returned: the largest weight of every row is 127 steps.
    """
    bias = rows.shape[1] - 1
    variances = (np.diagonal(moments) - moments[-1] ** 2)[:-1]
    # The bias is free to make up for a mean.
    damped = moments + np.diag(np.append(np.full(bias, _INTEGER_DAMPING * variances.mean() + 1e-12), 1e-12))
    order = np.append(np.argsort(-np.diagonal(damped)[:-1], kind="stable"), bias)
    feedback = Feedback(damped, order)
    largest = np.abs(rows[:, :-1]).max(axis=1, keepdims=True)

    def tried(scale: Array) -> Array:
        def rounded(column: int, values: Array) -> npt.NDArray[np.floating]:
            return values.astype(np.float16) if column == bias else _on_grid(values, scale[:, 0])

        return feedback.rounded(rows, rounded)

    scale = _found_again(largest)
    found = np.concatenate([_on_grid(rows[:, :-1], scale), rows[:, -1:]], axis=1)  # each weight by itself
    found[:, -1] = (found[:, -1] + (rows - found) @ moments[:, -1]).astype(np.float16)
    least = _changes(found - rows, damped)
    for scale in [_found_again(largest * shrink) for shrink in _SHRINKS]:
        other = tried(scale)
        whole = np.abs(other[:, :-1]).max(axis=1) == _LEVELS * scale[:, 0]
        changes = np.where(whole, _changes(other - rows, damped), np.inf)
        found[changes < least] = other[changes < least]
        least = np.minimum(least, changes)
    return found


def _changes(change: Array, moments: Array) -> Array:
    """The mean square change of each output."""
    return np.asarray(((change @ moments) * change).sum(axis=1))


def _on_grid(weights: Array, scale: Array) -> Array:
    return np.asarray(np.clip(np.rint(weights / scale), -_LEVELS, _LEVELS) * scale)


def _found_again(largest: Array) -> Array:
    """A scale near ``largest`` / 127 that coremltools' fp16 arithmetic finds again from a weight of 127 of it."""
    scale = np.asarray(largest / _LEVELS).astype(np.float16)
    for _ in range(3):
        scale = np.asarray(np.float16(2) * (scale.astype(np.float64) * _LEVELS).astype(np.float16) / np.float16(254))
    return np.where(scale == 0, 1.0, scale.astype(np.float64))


def with_half_weights(
    graph: ir.Model, moments: Mapping[str, Array], *, large: Rows = rounded_rows, above: float = math.inf
) -> ir.Model:
    """A copy whose convolutions (those with ``moments``, by name) hold weights and biases that fp16 holds exactly.

    ``large`` rounds weights of more than ``above`` elements.
    """
    result = graph.clone()
    names = Names(result)
    for node in tuple(result.graph):
        found = moments.get(str(node.name))
        constants = conv_constants(node) if found is not None else None
        if found is None or constants is None:
            continue
        weight, bias = constants
        rows = np.concatenate([weight.reshape(len(weight), -1), bias[:, None]], axis=1, dtype=np.float64)
        parts = np.split(rows, int(attribute(node, "group", 1)))
        of_part = large if weight.size > above else rounded_rows
        whole = np.concatenate([of_part(part, each) for part, each in zip(parts, found, strict=True)])
        build = Builder(node, names)
        new = build.op(
            "Conv",
            node.inputs[0],
            build.constant(whole[:, :-1].reshape(weight.shape)),
            build.constant(whole[:, -1]),
            **attributes(node),
        )
        new.type, new.shape = node.outputs[0].type, node.outputs[0].shape
        build.replace([node], new)
    return result
