"""Differences between two mattes: pure functions of a predicted and a reference matte in [0, 1].

The matting errors are those of Rhemann et al., "A Perceptually Motivated Online Benchmark for Image Matting", CVPR
2009 (alphamatting.com). Of its gradient and connectivity errors, published tables have two programs' numbers
(``Convention``):

- ``dim``: the MATLAB code of Deep Image Matting (Xu et al., CVPR 2017; evaluation code by N. Xu, 2018), and its ports;
- ``gfm``: the Python code of GFM (Li et al., IJCV 2022) and P3M (Li et al., ACM MM 2021);
- ``plain``, ours where nothing is said, is ``dim`` without its first step, which gives each matte the range [0, 1] and
  so cannot see one that is too faint.

Those programs count a trimap's unknown region (``dim``) or the whole image (``gfm``); here, ``region`` says what
counts.
Measures that look at a neighbourhood take H x W mattes, the others any shape. Every function raises ExportError for two
mattes of different shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from converters.errors import ExportError
from modnet_export.record.choices import Convention
from modnet_export.record.measures import LEAST_NOISE

Matte = npt.NDArray[np.floating]
Region = npt.NDArray[np.bool_]
"""The pixels that count, H x W. Where a function is given None instead, all of them count."""

_GRADIENT_SIGMA = 1.4
_CONNECTIVITY_STEP = 0.1
_CONNECTIVITY_THETA = 0.15
_SSIM_WINDOW = 11
# How far the trimap's unknown region reaches around soft pixels, as a share of the shorter side.
_BAND_SHARE = 10 / 512
# More than one step of an 8-bit matte, less than two.
_ROUNDING = 1.5 / 255


def _pair(predicted: Matte, reference: Matte) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if predicted.shape != reference.shape:
        raise ExportError(
            f"cannot compare a matte of shape {predicted.shape} with one of {reference.shape}",
            expected="two mattes of one shape",
        )
    return predicted.astype(np.float64), reference.astype(np.float64)


def _within(errors: npt.NDArray[np.float64], region: Region | None) -> npt.NDArray[np.float64]:
    return errors if region is None else errors[region]


def _difference(predicted: Matte, reference: Matte, region: Region | None) -> npt.NDArray[np.float64]:
    p, r = _pair(predicted, reference)
    return _within(np.abs(p - r), region)


def max_abs_difference(predicted: Matte, reference: Matte, region: Region | None = None) -> float:
    """max |p - r|, in [0, 1]. NaN anywhere gives NaN, which no tolerance accepts."""
    return float(_difference(predicted, reference, region).max())


def quantile(predicted: Matte, reference: Matte, share: float) -> float:
    """The value that a ``share`` of all |p - r| does not exceed, in [0, 1]."""
    return float(np.quantile(_difference(predicted, reference, None), share))


def noise_ratio(largest: float, noise: float | None) -> float:
    """A largest difference as a multiple of float32's own on the same input, which counts as at least 1e-5."""
    return largest / max(noise or 0.0, LEAST_NOISE)


def mad(predicted: Matte, reference: Matte, region: Region | None = None) -> float:
    """Mean absolute difference, mean |p - r|, in [0, 1]."""
    return float(_difference(predicted, reference, region).mean())


def mse(predicted: Matte, reference: Matte, region: Region | None = None) -> float:
    """Mean squared error, mean (p - r)^2, in [0, 1] (Rhemann et al., section 4)."""
    return float(np.square(_difference(predicted, reference, region)).mean())


def sad(predicted: Matte, reference: Matte, region: Region | None = None) -> float:
    """Sum of absolute differences, sum |p - r| / 1000: thousands of pixels (Rhemann et al., section 4)."""
    return float(_difference(predicted, reference, region).sum() / 1000)


def psnr_db(predicted: Matte, reference: Matte) -> float:
    """Peak signal-to-noise ratio for a peak of 1: -10 log10(MSE) in dB; infinite for equal mattes."""
    return psnr_of_mse(mse(predicted, reference))


def psnr_of_mse(error: float) -> float:
    """``psnr_db`` from a mean squared error that was measured elsewhere."""
    return math.inf if error <= 0 else -10 * math.log10(error) if not math.isnan(error) else math.nan


def _gradient_magnitude(matte: npt.NDArray[np.float64], convention: Convention) -> npt.NDArray[np.float64]:
    import cv2

    if convention == "gfm":
        from scipy.ndimage import gaussian_filter

        down, across = (gaussian_filter(matte, _GRADIENT_SIGMA, order=order) for order in ((1, 0), (0, 1)))
        return np.asarray(np.hypot(down, across), np.float64)
    if convention == "dim" and np.ptp(matte) > 0:  # MATLAB's mat2gray, which leaves a constant matte as it is
        matte = (matte - matte.min()) / np.ptp(matte)
    sigma = _GRADIENT_SIGMA
    # The filter ends where the Gaussian falls below 1 %.
    reach = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * 1e-2)))
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    gauss = np.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    slope = -x * gauss / sigma**2
    norm = math.sqrt(float(np.square(gauss).sum() * np.square(slope).sum()))

    down, across = (
        cv2.sepFilter2D(matte, cv2.CV_64F, *kernels, borderType=cv2.BORDER_REPLICATE)
        for kernels in ((gauss, slope), (slope, gauss))
    )
    return np.hypot(down, across) / norm


def gradient_error(
    predicted: Matte, reference: Matte, region: Region | None = None, convention: Convention = "plain"
) -> float:
    """The gradient error of H x W mattes: sum (|grad p| - |grad r|)^2 / 1000 (Rhemann et al., section 4.1).

    Gradients are first-order Gaussian derivatives of sigma 1.4 pixels. ``plain`` and ``dim`` take 9 x 9 kernels of unit
    energy, and repeat the border's pixels; ``dim`` first stretches each matte to [0, 1]. ``gfm`` takes derivatives as
    they are, up to 6 pixels away, mirrors the border, and divides by 10: at smooth edges, 1.06 times as much.
    """
    return _gradient_total(_within(_gradient_errors(predicted, reference, convention), region), convention)


def _gradient_errors(predicted: Matte, reference: Matte, convention: Convention) -> npt.NDArray[np.float64]:
    p, r = _pair(predicted, reference)
    return np.square(_gradient_magnitude(p, convention) - _gradient_magnitude(r, convention))


def _gradient_total(errors: npt.NDArray[np.float64], convention: Convention) -> float:
    return float(errors.sum() / (10 if convention == "gfm" else 1000))


def connectivity_error(
    predicted: Matte, reference: Matte, region: Region | None = None, convention: Convention = "plain"
) -> float:
    """The connectivity error of H x W mattes: sum |phi(p) - phi(r)| / 1000, with phi = 1 - d [d >= 0.15].

    d = alpha - l, where l is the largest threshold, in steps of 0.1, at which a pixel is 4-connected to the largest
    part of the foreground that both mattes share; of parts of one size, the first in reading order. The paper (Rhemann
    et al., section 4.2) weighs d by lambda, a distance to that part; both programs leave it out, and so do we.
    ``gfm`` skips the thresholds that nothing reaches in both mattes, so that l is 1 for what was connected until then;
    the program of ``dim`` fails there, and here takes the threshold before, as ``plain``.
    """
    return float(_within(_connectivity_errors(predicted, reference, convention), region).sum() / 1000)


def _connectivity_errors(predicted: Matte, reference: Matte, convention: Convention) -> npt.NDArray[np.float64]:
    import cv2

    p, r = _pair(predicted, reference)
    levels = np.arange(0, 1 + _CONNECTIVITY_STEP / 2, _CONNECTIVITY_STEP)
    connected_up_to = np.full(p.shape, -1.0)
    for below, level in pairwise(levels):
        _, parts = cv2.connectedComponents(((p >= level) & (r >= level)).astype(np.uint8), connectivity=4)
        sizes = np.bincount(parts.ravel())[1:]
        if convention == "gfm" and not sizes.size:
            continue
        largest = parts == (1 + int(sizes.argmax())) if sizes.size else np.zeros(p.shape, bool)
        connected_up_to[(connected_up_to == -1) & ~largest] = below
    connected_up_to[connected_up_to == -1] = 1

    def phi(alpha: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        d = alpha - connected_up_to
        return np.asarray(1 - d * (d >= _CONNECTIVITY_THETA), np.float64)

    return np.abs(phi(p) - phi(r))


def ssim(predicted: Matte, reference: Matte) -> float:
    """Structural similarity, in [-1, 1], 1 for equal mattes: Gaussian window of sigma 1.5, data range 1
    (Wang et al., IEEE TIP 2004). H x W mattes of at least 11 x 11.
    """
    import cv2

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        inner = slice(_SSIM_WINDOW // 2, -(_SSIM_WINDOW // 2))  # where the whole window lies within the matte
        return np.asarray(cv2.GaussianBlur(values, (_SSIM_WINDOW, _SSIM_WINDOW), 1.5)[inner, inner], np.float64)

    p, r = _pair(predicted, reference)
    mean_p, mean_r = mean(p), mean(r)
    variances = mean(p * p) - mean_p**2 + mean(r * r) - mean_r**2
    covariance = mean(p * r) - mean_p * mean_r
    luminance, contrast = 0.01**2, 0.03**2
    likeness = (2 * mean_p * mean_r + luminance) * (2 * covariance + contrast)
    return float((likeness / ((mean_p**2 + mean_r**2 + luminance) * (variances + contrast))).mean())


def correlation(predicted: Matte, reference: Matte) -> float:
    """Pearson's correlation, in [-1, 1]. NaN anywhere gives NaN.

    His formula says nothing of a constant matte, and nothing of use where only rounding to 8 bits keeps a matte from
    being one. Such a matte has 1 with one that equals it but for rounding, and 0 with any other.
    """
    p, r = _pair(predicted, reference)
    if np.ptp(p) < _ROUNDING or np.ptp(r) < _ROUNDING:
        return float(np.abs(p - r).max() < _ROUNDING)
    p, r = p - p.mean(), r - r.mean()
    return float((p * r).sum() / math.sqrt(float(np.square(p).sum() * np.square(r).sum())))


def edge_band(reference: Matte) -> Region:
    """The trimap's unknown region of an H x W matte, where hair lives.

    It holds every soft pixel (0.05 < alpha < 0.95), every pixel on the border of the foreground (alpha > 0.5), and all
    that lie within 10/512 of the shorter side of one of these.
    """
    import cv2

    inside = (reference > 0.5).astype(np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    border = np.asarray(cv2.dilate(inside, cross)) != np.asarray(cv2.erode(inside, cross))
    core = ((reference > 0.05) & (reference < 0.95)) | border
    radius = max(1, round(min(reference.shape) * _BAND_SHARE))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(core.astype(np.uint8), disc)) > 0


def flicker(predicted: tuple[Matte, Matte], reference: tuple[Matte, Matte]) -> float:
    """How much more a prediction flickers than its reference: mean |p_t - p_(t-1)| - mean |r_t - r_(t-1)|.

    Each pair is a frame and the one before it. In [-1, 1]; above zero, the prediction flickers more. It describes, and
    cannot judge: a matte that is frozen, that lags, or that moves the wrong way has 0 or less. ``dtssd`` sees those.
    """
    return mad(*predicted) - mad(*reference)


def dtssd(predicted: tuple[Matte, Matte], reference: tuple[Matte, Matte]) -> float:
    """How far a prediction's change is from its reference's: sqrt(mean ((p_t - p_(t-1)) - (r_t - r_(t-1)))^2).

    Each pair is a frame and the one before it. In [0, 2]; 0 for mattes that change alike. Erofeev et al., "Perceptually
    Motivated Benchmark for Video Matting", BMVC 2015, take the root of the sum over pixels; the mean does not depend on
    the size. Robust Video Matting (Lin et al., WACV 2022) reports this one 100 times as large.
    """
    return math.sqrt(mse(np.subtract(*_pair(*predicted)), np.subtract(*_pair(*reference))))


def between_frames(predicted: tuple[Matte, Matte], reference: tuple[Matte, Matte]) -> dict[str, float]:
    """The measures of a frame and the one before it, by the names in ``record.measures``."""
    return {"dtssd": dtssd(predicted, reference), "flicker": flicker(predicted, reference)}


def against_truth(predicted: Matte, truth: Matte, convention: Convention = "plain") -> dict[str, float]:
    """The errors that the matting benchmarks report over the whole image: mad, mse, sad, grad, conn."""
    return _errors(predicted, truth, convention)(None)


def _errors(predicted: Matte, truth: Matte, convention: Convention) -> Callable[[Region | None], dict[str, float]]:
    """What gives those errors within a region: what each pixel adds to them is computed once for all regions."""
    differences = _difference(predicted, truth, None)
    gradients = _gradient_errors(predicted, truth, convention)
    connectivities = _connectivity_errors(predicted, truth, convention)

    def within(region: Region | None) -> dict[str, float]:
        inside = _within(differences, region)
        return {
            "mad": float(inside.mean()),
            "mse": float(np.square(inside).mean()),
            "sad": float(inside.sum() / 1000),
            "grad": _gradient_total(_within(gradients, region), convention),
            "conn": float(_within(connectivities, region).sum() / 1000),
        }

    return within


def against_reference(
    predicted: Matte, reference: Matte, convention: Convention = "plain", noise: float | None = None
) -> dict[str, float]:
    """Every measure of one H x W matte against another, by the names in ``record.measures``.

    ``noise`` is how far float32 arithmetic takes the reference's own matte of this input; None: not known.
    Where the reference has no edge, the measures at edges are taken over all pixels: whatever the prediction shows
    there is wrong. SSIM is left out of mattes smaller than its window.
    """
    band = edge_band(reference)
    errors = _errors(predicted, reference, convention)
    at_edges = errors(band if band.any() else None)
    largest = max_abs_difference(predicted, reference)
    return {
        "max_abs_difference": largest,
        "noise_ratio": noise_ratio(largest, noise),
        "p999": quantile(predicted, reference, 0.999),
        "psnr_db": psnr_db(predicted, reference),
        **({"ssim": ssim(predicted, reference)} if min(predicted.shape) >= _SSIM_WINDOW else {}),
        "correlation": correlation(predicted, reference),
        **errors(None),
        **{f"edge_{name}": value for name, value in at_edges.items()},
    }
