"""Grad and Conn in each convention, against implementations that share nothing with ours: OpenCV and SciPy's labels.

They are written from what the programs behind published tables do, and copy none of them.
"""

from __future__ import annotations

import math
from typing import get_args

import cv2
import numpy as np
import pytest
from scipy import ndimage

from modnet_export.record.choices import Convention
from modnet_export.record.measures import CONVENTIONS
from modnet_export.verifying import metrics
from tests.modnet_export.verifying.test_metrics import plain_connectivity, plain_gradient, portrait

PAIRS = {
    "two edges": (portrait(0), portrait(100)),
    "one too faint": (0.8 * portrait(1) + 0.05, portrait(101)),
    "both faint": (0.55 * portrait(2), 0.35 * portrait(102)),
    "an island": (np.maximum(portrait(3), np.pad(np.full((9, 9), 0.7), ((2, 53), (2, 69)))), portrait(103)),
    "constant": (np.full((64, 80), 0.4), portrait(4)),
    "noise": tuple(np.random.default_rng(5).random((2, 40, 30))),
}


def stretched(matte):
    """MATLAB's mat2gray."""
    return matte if matte.min() == matte.max() else cv2.normalize(matte, None, 0.0, 1.0, cv2.NORM_MINMAX)


def derivative_gradient(matte):
    """SciPy's gaussian_filter of order 1, entry by entry: derivatives as they are, to four sigmas, mirrored border."""
    sigma, radius = 1.4, 6
    offsets = np.arange(-radius, radius + 1)
    smooth = np.array([math.exp(-0.5 * (x / sigma) ** 2) for x in offsets])
    smooth /= smooth.sum()
    slope = offsets / sigma**2 * smooth
    down, across = (
        cv2.sepFilter2D(matte, cv2.CV_64F, *kernels, borderType=cv2.BORDER_REFLECT)
        for kernels in ((smooth, slope), (slope, smooth))
    )
    return np.sqrt(down**2 + across**2)


def connectivity_without_empty_levels(p, r):
    """As GFM: a threshold that nothing reaches in both decides nothing."""
    level = np.full(p.shape, -1.0)
    for step in range(1, 11):
        parts, count = ndimage.label((p >= step * 0.1) & (r >= step * 0.1))
        if count:
            areas = ndimage.sum_labels(np.ones(p.shape), parts, range(1, count + 1))
            level = np.where((level == -1) & (parts != 1 + np.argmax(areas)), (step - 1) * 0.1, level)
    level[level == -1] = 1
    far = [np.where(matte - level >= 0.15, matte - level, 0) for matte in (p, r)]
    return np.abs(far[0] - far[1]).sum() / 1000


GRADIENTS = {
    "plain": lambda matte: plain_gradient(matte) / math.sqrt(1000),
    "dim": lambda matte: plain_gradient(stretched(matte)) / math.sqrt(1000),
    "gfm": lambda matte: derivative_gradient(matte) / math.sqrt(10),
}
CONNECTIVITIES = {
    "plain": plain_connectivity,
    "dim": plain_connectivity,
    "gfm": connectivity_without_empty_levels,
}


def test_every_convention_is_described_and_tested():
    assert set(get_args(Convention)) == set(CONVENTIONS) == set(GRADIENTS) == set(CONNECTIVITIES)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("convention", CONVENTIONS)
class TestAgainstIndependentImplementations:
    def test_gradient_error(self, convention, pair):
        p, r = (matte.astype(np.float64) for matte in PAIRS[pair])
        expected = np.square(GRADIENTS[convention](p) - GRADIENTS[convention](r)).sum()
        assert expected > 0
        assert metrics.gradient_error(p, r, convention=convention) == pytest.approx(expected, rel=1e-9)

    def test_connectivity_error(self, convention, pair):
        p, r = (matte.astype(np.float64) for matte in PAIRS[pair])
        expected = CONNECTIVITIES[convention](p, r)
        assert metrics.connectivity_error(p, r, convention=convention) == pytest.approx(expected, rel=1e-6, abs=1e-12)

    def test_measures_are_all_in_it(self, convention, pair):
        p, r = PAIRS[pair]
        found, band = metrics.against_reference(p, r, convention), metrics.edge_band(r)
        assert found["grad"] == metrics.gradient_error(p, r, None, convention)
        assert found["conn"] == metrics.connectivity_error(p, r, None, convention)
        assert found["edge_grad"] == metrics.gradient_error(p, r, band, convention)
        assert found["edge_conn"] == metrics.connectivity_error(p, r, band, convention)
        assert metrics.against_truth(p, r, convention).items() <= found.items()


def test_conventions_differ_where_they_are_said_to():
    whole = ndimage.gaussian_filter(portrait().astype(np.float64), 2)
    whole /= whole.max()
    faint = 0.5 * whole
    grads = {name: metrics.gradient_error(faint, whole, convention=name) for name in CONVENTIONS}
    assert grads["dim"] < 1e-9 < grads["plain"]
    assert grads["gfm"] / grads["plain"] == pytest.approx(1.06, abs=0.01)
    conns = {name: metrics.connectivity_error(faint, whole, convention=name) for name in CONVENTIONS}
    assert conns["gfm"] < conns["plain"] == conns["dim"]
