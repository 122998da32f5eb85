"""Palettes for weights, chosen so that a convolution's output changes least, instead of each weight.

Plain k-means puts the entries of a palette where most weights are, whatever these are multiplied with, and takes the
nearest entry for each weight. Here a weight counts by what an error of it costs at the output, and one weight is
rounded at a time, those not yet rounded making up for it (``converters.coreml.half``).
"""

from __future__ import annotations

import numpy as np

from converters.coreml.half import Array, Feedback
from converters.coreml.quiet import kmeans1d

# Directions that the data does not have cost a little too.
_DAMPING = 1e-2


def palette_rows(rows: Array, moments: Array, entries: int) -> Array:
    """O x (K + 1) weights, the bias last: the weights as ``entries`` different fp16 numbers, the bias as fp16.

    ``moments``, (K + 1) x (K + 1), is the mean of x x^T of what they are multiplied with, x ending in a 1. coremltools
    finds the palette again in what is returned: k-means of no more different numbers than entries gives these numbers.
    """
    weights, mean = rows[:, :-1], moments[-1, :-1]
    covariance = moments[:-1, :-1] - np.outer(mean, mean)  # the bias makes up for a mean
    variances = np.diagonal(covariance)
    damped = covariance + np.eye(len(covariance)) * (_DAMPING * variances.mean() + 1e-12)
    feedback = Feedback(damped, np.argsort(-variances, kind="stable"))
    # By how much an output changes, or by which share of itself: half of the way was better than either.
    outputs = np.sqrt(((weights @ damped) * weights).sum(axis=1, keepdims=True))
    costs = feedback.costs / np.where(outputs == 0, 1.0, outputs)
    palette = _palette(weights, costs, entries)
    bounds = (palette[1:] + palette[:-1]) / 2
    found = feedback.rounded(weights, lambda column, values: palette[np.searchsorted(bounds, values)])
    bias = (rows[:, -1] + (weights - found) @ mean).astype(np.float16)
    return np.concatenate([found, bias[:, None]], axis=1)


def _palette(weights: Array, costs: Array, entries: int) -> Array:
    """The entries, fp16 and ascending, from which the squares of the weights' distances cost least.

    Lloyd's iterations from a good guess were tried first; with 256 entries they ended at eight times the change.
    """
    values, places = np.unique(weights.astype(np.float16), return_inverse=True)
    total = np.bincount(places.ravel(), costs.ravel())
    found = kmeans1d.cluster(values.astype(np.float64), min(entries, len(values)), weights=total).centroids
    return np.unique(np.asarray(found).astype(np.float16)).astype(np.float64)
