"""Where a compressed graph loses precision, and the reason that is given."""

from __future__ import annotations

import numpy as np
import pytest

from converters.diagnose.drift import drift
from converters.diagnose.tracing import Step, Tensor, sample
from converters.errors import ExportError


def chain(arrays, names="abcdefgh"):
    """Steps that each read the one before."""
    return [
        Step(name, "CONV_2D", name, (index - 1,) if index else (), sample(array[None]))
        for index, (name, array) in enumerate(zip(names, arrays, strict=False))
    ]


@pytest.fixture
def clean():
    rng = np.random.default_rng(0)
    return [rng.standard_normal((16, 40, 50)).astype(np.float32) for _ in range(4)]


def noisy(array, level, seed=1):
    return array + level * np.random.default_rng(seed).standard_normal(array.shape).astype(np.float32)


def test_the_op_that_adds_the_noise_is_told_from_those_that_inherit_it(clean):
    found = drift(chain([clean[0], noisy(clean[1], 0.1), noisy(clean[2], 0.1), noisy(clean[3], 0.1)]), chain(clean))
    assert [item.reason for item in found[1:]] == ["rounding", "accumulated drift", "accumulated drift"]
    assert max(found, key=lambda item: item.added).name == "b"
    assert found[1].snr_db == pytest.approx(20, abs=0.2)
    assert found[0].snr_db == 120


def test_outlier_channel_is_named(clean):
    bad = clean[1].copy()
    bad[5] = noisy(bad[5], 1.0)
    found = drift(chain([clean[0], bad, *clean[2:]]), chain(clean))
    assert (found[1].reason, found[1].detail) == ("outlier channel", "channel 5 of 16 holds 100% of the noise")


def test_range_that_few_values_decide_is_named(clean):
    clean[1][3, 7, 9] = 500
    step = 1000 / 255
    bad = (np.rint(clean[1] / step) * step).astype(np.float32)
    found = drift(chain([clean[0], bad, *clean[2:]]), chain(clean))
    assert found[1].reason == "range"


def test_a_large_tensors_sample_visits_every_channel_row_and_column():
    shape = (24, 128, 256)
    places = Tensor.places(int(np.prod(shape)))
    assert len(np.unique(places)) == len(places) == 65536
    for indices, size in zip(np.unravel_index(places, shape), shape, strict=True):
        assert len(np.unique(indices)) == size


def test_graphs_of_other_ops_are_refused(clean):
    with pytest.raises(ExportError, match="do not have the same ops"):
        drift(chain(clean), chain(clean, "stuv"))
