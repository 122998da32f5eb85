"""Weights rounded to fp16 so that a convolution's output changes least, instead of each weight.

An fp16 weight is off by up to 2^-11 of itself. In a depthwise filter whose weights nearly cancel, these errors are a
wrong gain: of the portrait matting network's fp16 error nearly all came from 288 weights of its first depthwise
convolution. Here one weight is rounded at a time, and those not yet rounded make up for it (Frantar et al., "GPTQ",
ICLR 2023, algorithm 1). fp16's steps are finer for smaller weights: those come last. The bias is a weight of a constant
input of 1. The same idea for integers: ``converters.tflite.rounding``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.passes.fold_batchnorm import conv_constants
from converters.onnx.passes.rewrite import Builder, Names, attribute, attributes

Array = npt.NDArray[np.float64]
# Directions that the data does not have cost a little too.
_DAMPING = 1e-5
# For so few weights (a 3x3 depthwise filter and its bias) all combinations are tried.
_SEARCHED = 10


def _best_of_both(row: Array, moments: Array) -> Array:
    """The row with each weight rounded up or down, whichever of all combinations changes the output least."""
    nearest = row.astype(np.float16)
    other = np.nextafter(nearest, np.where(nearest > row, -np.inf, np.inf).astype(np.float16)).astype(np.float64)
    picked = np.arange(1 << len(row))[:, None] >> np.arange(len(row)) & 1
    change = np.where(picked, other, nearest.astype(np.float64)) - row
    best = int(((change @ moments) * change).sum(axis=1).argmin())
    return np.asarray(row + change[best])


def rounded_rows(rows: Array, moments: Array) -> Array:
    """O x K weights as fp16 holds them; ``moments``, K x K, is the mean of x x^T of what they are multiplied with."""
    damped = moments + np.eye(len(moments)) * (_DAMPING * np.diagonal(moments).mean() + 1e-12)
    if len(moments) <= _SEARCHED:
        return np.stack([_best_of_both(row, damped) for row in rows])
    steps = np.square(np.spacing(np.abs(rows).astype(np.float16)).astype(np.float64)).mean(axis=0)
    order = np.argsort(-steps * np.diagonal(damped), kind="stable")
    left = rows[:, order].copy()
    # Upper Cholesky factor of the inverse: row k holds how column k's error is passed on.
    pass_on = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    found = np.empty_like(rows)
    for k, column in enumerate(order):
        found[:, column] = left[:, k].astype(np.float16)
        error = (left[:, k] - found[:, column]) / pass_on[k, k]
        left[:, k:] -= error[:, None] * pass_on[k, k:]
    return found


def with_half_weights(graph: ir.Model, moments: Mapping[str, Array]) -> ir.Model:
    """A copy whose convolutions (those with ``moments``, by name) hold weights and biases that fp16 holds exactly."""
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
        whole = np.concatenate([rounded_rows(part, each) for part, each in zip(parts, found, strict=True)])
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
