"""Results refuse what no measurement can have given."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.results import Bench, Block, Energy, OpTime, Parity, Run

NONSENSE = [-1.0, math.nan, math.inf]


@pytest.mark.parametrize("value", [*NONSENSE, 0.0])
def test_a_sample_that_no_run_can_have_taken_is_refused(value):
    with pytest.raises(ValueError, match=r"m 1T: one of samples_ms is .*, but must be a finite number above 0"):
        Run("m 1T", (1.0, value), ())


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", ["warmup_ms", "pss_bytes"])
def test_other_times_and_sizes_are_refused_too(name, value):
    with pytest.raises(ValueError, match=f"one of {name} is"):
        Run(**{"name": "m 1T", "samples_ms": (1.0,), "warmup_ms": (), name: (value,)})


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize("name", ["init_ms", "first_ms", "peak_memory_bytes", "allocated_bytes"])
def test_single_times_and_sizes_are_refused_too(name, value):
    with pytest.raises(ValueError, match=f"m 1T: {name} is"):
        Run("m 1T", (1.0,), (), **{name: value})


@pytest.mark.parametrize("at_s", [(0.0,), (0.0, 1.0, 2.0)])
def test_times_of_another_number_of_samples_are_refused(at_s):
    with pytest.raises(ValueError, match="values of at_s for 2 samples"):
        Run("m 1T", (1.0, 2.0), (), at_s=at_s)


def test_blocks_of_another_number_of_samples_are_refused():
    with pytest.raises(ValueError, match="1 values of blocks for 2 samples"):
        Run("m 1T", (1.0, 2.0), (), blocks=(Block(1, 1.0, {}),))


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_outside_0_and_1_is_refused(share):
    with pytest.raises(ValueError, match="share is"):
        OpTime("CONV_2D", "a", 1.0, share)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Energy(1.0, 0.1, 0), "from 0 samples"),
        (lambda: Energy(math.nan, 0.1, 5), "mean_watts is nan"),
        (lambda: Energy(1.0, -0.1, 5), "joules_per_inference is -0.1"),
        (lambda: Block(0, 1.0, {}), "a block of 0 runs"),
        (lambda: Block(1, 0.0, {}), "mean_ms is 0.0"),
        (lambda: Block(1, 1.0, {"p95": -1.0}), "p95 is -1.0"),
        (lambda: Block(1, 1.0, {}, init_ms=math.inf), "init_ms is inf"),
        (lambda: OpTime("CONV_2D", "a", -1.0, 0.5), "mean_ms is -1.0"),
        (lambda: Parity("m 1T", "photo", math.nan, 0.0, True), "max_abs_difference is nan"),
        (lambda: Parity("m 1T", "photo", 0.0, -1.0, True), "mad is -1.0"),
    ],
)
def test_nonsense_is_refused_where_it_is_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_two_runs_of_one_name_are_refused(make_run):
    with pytest.raises(ValueError, match="two runs called m 1T"):
        Bench("x", (make_run(), make_run()))


def test_a_finished_run_has_samples(make_run):
    begun = Run("n 1T", (), ())
    with pytest.raises(ValueError, match="n 1T: a finished run needs at least one sample"):
        Bench("x", (make_run(), begun))


@given(samples=st.lists(st.floats(min_value=0, exclude_min=True, allow_infinity=False), min_size=1))
def test_every_positive_sample_is_kept(samples):
    run = Run("m 1T", tuple(samples), ())
    assert Bench("x", (run,)).runs[0].min_ms == min(samples)
