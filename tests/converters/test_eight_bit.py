from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converters.eight_bit import from_bytes, to_bytes

numbers = st.floats(-1e6, 1e6, width=32)


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4, max_side=5)))
def test_levels_come_back(levels):
    values = from_bytes(levels)
    assert values.dtype == np.float32
    assert ((values >= 0) & (values <= 1)).all()
    np.testing.assert_array_equal(to_bytes(values), levels)


@given(hnp.arrays(np.float32, 8, elements=st.floats(0, 1, width=32)))
def test_a_value_moves_by_at_most_half_a_level(values):
    assert np.abs(from_bytes(to_bytes(values)).astype(np.float64) - values).max() <= 0.5 / 255 + 1e-7


@given(hnp.arrays(np.float32, 8, elements=numbers))
def test_values_beyond_the_range_are_clipped(values):
    found = to_bytes(values)
    assert found.dtype == np.uint8
    assert (found[values <= 0] == 0).all()
    assert (found[values >= 1] == 255).all()


@given(numbers, numbers)
def test_a_larger_value_never_gets_a_smaller_level(one, other):
    low, high = to_bytes(np.array(sorted([one, other]), np.float32))
    assert low <= high


@pytest.mark.parametrize(("value", "level"), [(0.5 / 255, 0), (1.5 / 255, 2), (2.5 / 255, 2), (254.5 / 255, 254)])
def test_half_way_goes_to_the_even_level(value, level):
    assert to_bytes(np.float64(value)) == level
