from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.tflite.int8.graph import Group
from converters.tflite.int8.ranges import Parameters, Spread, parameters


@given(
    low=st.floats(-1e4, 1e4),
    width=st.floats(1e-3, 1e4),
    share=st.floats(0, 1),
)
def test_a_value_in_range_moves_by_at_most_half_a_step_and_zero_not_at_all(low, width, share):
    found = Parameters.of(low, low + width)
    value = np.float32(low + share * width)
    # One step more at an end, where the zero point was rounded.
    assert abs(float(found.rounded(np.array([value]))[0]) - value) <= 1.01 * found.scale + 1e-4 * abs(value)
    assert found.rounded(np.zeros(1, np.float32))[0] == 0


@given(st.floats(1e-6, 1e6), st.floats(0.98, 1.02))
def test_no_zero_point_is_0(reach, skew):
    """MediaTek's compiler takes such a tensor for a symmetric one."""
    found = Parameters.of(-reach, reach * skew)
    assert found.zero_point != 0
    ends = np.array([-reach, reach * skew])
    assert np.abs(found.rounded(ends.astype(np.float32)) - ends).max() <= 1.01 * found.scale
    assert found.scale <= 1.02 * reach * (1 + skew) / 255


def spread(values):
    return {0: Spread(np.array([values.min()]), np.array([values.max()]), values.astype(np.float32))}


def test_an_outlier_widens_min_max_and_nothing_else():
    values = np.random.default_rng(0).standard_normal(100_000)
    values[0] = 1000
    group = [Group((0,), 1)]
    scale = {
        setting: parameters(group, spread(values), setting)[0].scale for setting in ("min-max", "percentile", "mse")
    }
    assert scale["min-max"] == pytest.approx(1004 / 255, rel=0.01)
    assert scale["percentile"] < scale["min-max"] / 50
    assert scale["mse"] <= scale["min-max"]


def test_mse_is_never_worse_than_min_max_on_what_it_saw():
    rng = np.random.default_rng(1)
    for values in (rng.laplace(size=50_000), rng.uniform(0, 6, 50_000)):
        group, spreads = [Group((0,), 1)], spread(values)
        errors = [
            np.square(parameters(group, spreads, setting)[0].rounded(spreads[0].values) - spreads[0].values)
            for setting in ("mse", "min-max")
        ]
        assert errors[0].mean() <= errors[1].mean()
