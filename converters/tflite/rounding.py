"""Rounding a convolution's weights so that its output changes least, instead of each weight.

Rounding W to Wq changes the output by (W - Wq) x. The mean square of that change over the data is the trace of D H D^T,
where D = W - Wq and H is the covariance of x. Rounding each weight to the nearest integer ignores H, and gives a
depthwise filter whose weights nearly cancel a wrong gain. (That is most of the error of plain int8 weights in the
portrait matting network of docs/quantization.md.) Here one weight is rounded at a time, and those that are not yet
rounded make up for its error (Frantar et al., "GPTQ", ICLR 2023, algorithm 1; Hassibi and Stork, "Optimal Brain
Surgeon", 1993). The mean of (W - Wq) x goes into the bias; H is therefore the covariance about the mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from converters.tflite.convolutions import Convolution
from converters.tflite.moments import Moments

Array = npt.NDArray[np.float64]
_LEVELS = 127
# Scales below the largest weight's clip a few weights and round all others more finely.
_SHRINKS = (1.0, 0.92, 0.84, 0.76)
_COARSE_SHRINKS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
_BLOCK = 64


@dataclass(frozen=True)
class Rounded:
    """Integer weights of one convolution."""

    weight: npt.NDArray[np.int8]
    """In the layout of the float weights; within -7 and 7 for 4 bits."""
    scale: npt.NDArray[np.float32]
    """One for each output channel."""
    bias_change: npt.NDArray[np.float32]
    """To be added to the float bias."""


def _plain_scale(rows: Array, levels: int) -> Array:
    scale = np.abs(rows).max(axis=-1) / levels
    return np.asarray(np.where(scale == 0, 1.0, scale))


def _nearest(rows: Array, scale: Array, levels: int) -> Array:
    return np.asarray(np.clip(np.rint(rows / scale[..., None]), -levels, levels))


def _damped(covariance: Array, share: float) -> Array:
    """Made positive definite: changes in directions that the data does not have cost a little too."""
    diagonal = np.diagonal(covariance, axis1=-2, axis2=-1)
    extra = share * diagonal.mean(axis=-1, keepdims=True) + 1e-12
    size = covariance.shape[-1]
    return np.asarray(covariance + np.eye(size) * extra[..., None])


def _inverse_factor(covariance: Array) -> Array:
    """The upper Cholesky factor of the inverse: row k holds how column k's error is passed on.

    The float32 sums of a few images can leave a covariance indefinite by more than it was damped: it is damped more.
    """
    share = 1e-3
    while True:
        try:
            return np.asarray(np.linalg.cholesky(np.linalg.inv(covariance)).swapaxes(-2, -1))
        except np.linalg.LinAlgError:
            covariance, share = _damped(covariance, share), share * 10


def compensated(rows: Array, covariance: Array, scale: Array, levels: int = _LEVELS) -> Array:
    """Weights as integers from -``levels`` to ``levels``.

    ``rows``: O x K weights that share one K x K covariance, or C x K weights with C x K x K covariances, one for each
    row. ``scale``: one for each row. Columns are rounded from the most to the least important.
    """
    each = covariance.ndim == 3
    importance = np.diagonal(covariance, axis1=-2, axis2=-1)
    order = np.argsort(-(importance.mean(axis=0) if each else importance))
    left = rows[:, order].copy()
    spread = covariance[..., order[:, None], order]
    pass_on = _inverse_factor(spread)
    result = np.empty_like(left)
    size = rows.shape[1]
    for start in range(0, size, _BLOCK):
        stop = min(start + _BLOCK, size)
        errors = np.empty((len(rows), stop - start))
        for k in range(start, stop):
            result[:, k] = np.clip(np.rint(left[:, k] / scale), -levels, levels)
            errors[:, k - start] = (left[:, k] - result[:, k] * scale) / pass_on[..., k, k]
            step = pass_on[:, k, k:stop] if each else pass_on[k, k:stop][None]
            left[:, k:stop] -= errors[:, k - start, None] * step
        if stop < size:
            if each:
                left[:, stop:] -= np.einsum("ck,ckj->cj", errors, pass_on[:, start:stop, stop:])
            else:
                left[:, stop:] -= errors @ pass_on[start:stop, stop:]
    unordered = np.empty_like(result)
    unordered[:, order] = result
    return unordered


def output_error(change: Array, covariance: Array) -> Array:
    """The mean square change of every output channel, D H D^T row by row."""
    if covariance.ndim == 3:
        return np.asarray(np.einsum("ck,ckj,cj->c", change, covariance, change))
    return np.asarray(((change @ covariance) * change).sum(axis=1))


class Rounding:
    """``round_weights`` for the convolutions of one graph; results are kept."""

    def __init__(self, moments: Mapping[int, Moments], *, compensate: bool = True) -> None:
        self._moments, self._compensate = moments, compensate
        self._done: dict[tuple[int, int], Rounded] = {}

    def __call__(self, convolution: Convolution, bits: int = 8) -> Rounded:
        key = (convolution.index, bits)
        if key not in self._done:
            moments = self._moments.get(convolution.index)
            self._done[key] = round_weights(convolution, moments, compensate=self._compensate, bits=bits)
        return self._done[key]


def round_weights(
    convolution: Convolution, moments: Moments | None, *, compensate: bool = True, bits: int = 8
) -> Rounded:
    """The weights of one convolution as int8, or as int4 where ``bits`` is 4.

    They are rounded to the nearest integers where ``compensate`` is False or there is not enough data.
    """
    levels = (1 << (bits - 1)) - 1
    rows = convolution.rows.astype(np.float64)
    plain = _plain_scale(rows, levels)
    if moments is None or not compensate or (moments.samples < rows.shape[1] and not convolution.depthwise):
        integers, scale = _nearest(rows, plain, levels), plain
        change = np.zeros(len(rows))
    else:
        mean = moments.mean
        outer = mean[..., :, None] * mean[..., None, :]
        # A bias takes the mean of the error; without one, the mean is an error like any other.
        covariance = _damped(
            moments.second - outer if convolution.bias is not None else moments.second,
            1e-4 if convolution.depthwise else 1e-3,
        )
        integers, scale, best = np.zeros_like(rows), plain.copy(), np.full(len(rows), np.inf)
        for shrink in _SHRINKS if bits == 8 else _COARSE_SHRINKS:
            tried = compensated(rows, covariance, plain * shrink, levels)
            error = output_error(rows - tried * (plain * shrink)[:, None], covariance)
            better = error < best
            integers[better], scale[better], best[better] = tried[better], (plain * shrink)[better], error[better]
        change = ((rows - integers * scale[:, None]) * mean).sum(axis=1)
        if convolution.bias is None:
            change[:] = 0
    return Rounded(convolution.shaped(integers).astype(np.int8), scale.astype(np.float32), change.astype(np.float32))
