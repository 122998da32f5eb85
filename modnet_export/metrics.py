"""Differences between two mattes: pure functions of a predicted and a reference matte in [0, 1], any shape."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from converters.errors import ExportError

Matte = npt.NDArray[np.floating]


def _pair(predicted: Matte, reference: Matte) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if predicted.shape != reference.shape:
        raise ExportError(
            f"cannot compare a matte of shape {predicted.shape} with one of {reference.shape}",
            expected="two mattes of one shape",
        )
    return predicted.astype(np.float64), reference.astype(np.float64)


def max_abs_difference(predicted: Matte, reference: Matte) -> float:
    """max |p - r|, in [0, 1]. NaN anywhere gives NaN, which no tolerance accepts."""
    p, r = _pair(predicted, reference)
    return float(np.abs(p - r).max())


def mad(predicted: Matte, reference: Matte) -> float:
    """Mean absolute difference, mean |p - r|, in [0, 1] (Rhemann et al., CVPR 2009, SAD per pixel)."""
    p, r = _pair(predicted, reference)
    return float(np.abs(p - r).mean())


def mse(predicted: Matte, reference: Matte) -> float:
    """Mean squared error, mean (p - r)^2, in [0, 1] (Rhemann et al., CVPR 2009)."""
    p, r = _pair(predicted, reference)
    return float(np.square(p - r).mean())


def psnr_db(predicted: Matte, reference: Matte) -> float:
    """Peak signal-to-noise ratio for a peak of 1: -10 log10(MSE) in dB; infinite for equal mattes."""
    return psnr_of_mse(mse(predicted, reference))


def psnr_of_mse(error: float) -> float:
    """``psnr_db`` from a mean squared error that was measured elsewhere."""
    return math.inf if error <= 0 else -10 * math.log10(error) if not math.isnan(error) else math.nan
