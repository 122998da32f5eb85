"""Where one graph leaves another, when they do not have the same ops."""

from __future__ import annotations

import numpy as np
import pytest

from converters.diagnose.bisect import diverge
from converters.diagnose.tracing import Step, sample

RNG = np.random.default_rng(0)
ARRAYS = [RNG.standard_normal((16, 20, 30)).astype(np.float32) for _ in range(4)]


def chain(arrays, prefix):
    """Steps that each read the one before."""
    return [
        Step(f"{prefix}{index}", "CONV_2D", f"{prefix}{index}", (index - 1,) if index else (), sample(array[None]))
        for index, array in enumerate(arrays)
    ]


PARENT = chain(ARRAYS, "p")


def test_the_same_values_under_other_names_do_not_diverge():
    assert diverge(chain(ARRAYS, "g"), PARENT, 70) is None


def test_a_step_that_is_written_differently_is_sound_when_right_values_follow():
    own_way = RNG.standard_normal((16, 20, 30)).astype(np.float32)
    assert diverge(chain([ARRAYS[0], own_way, *ARRAYS[1:]], "g"), PARENT, 70) is None


def test_the_first_step_after_which_nothing_comes_back_is_named():
    wrong = [-np.abs(array) for array in ARRAYS[2:]]
    found = diverge(chain([*ARRAYS[:2], *wrong], "g"), PARENT, 70)
    assert found is not None
    assert (found.op.name, found.kind) == ("g2", "leaves")
    assert found.reader is not None
    assert found.parent_op is not None
    assert (found.reader.name, found.parent_op.name) == ("g3", "p2")
    assert found.snr_db < 70 <= found.inputs_snr_db


def test_a_factor_that_a_norm_takes_out_again_is_named():
    found = diverge(chain([ARRAYS[0], 3 * ARRAYS[1], *ARRAYS[2:]], "g"), PARENT, 70)
    assert found is not None
    assert (found.op.name, found.kind, found.parent_op) == ("g1", "scales", None)


@pytest.mark.parametrize(("level", "kind"), [(1e-3, "leaves"), (1e-4, "drops")])
def test_in_graphs_of_the_same_names_it_is_the_largest_loss(level, kind):
    noisy = [array + level * np.float32(RNG.standard_normal(array.shape)) for array in ARRAYS[2:]]
    found = diverge(chain([*ARRAYS[:2], *noisy], "p"), PARENT, 70)
    assert found is not None
    assert (found.op.name, found.kind) == ("p2", kind)
    assert found.parent_op is PARENT[2]
