"""What docs/statistics.md claims, on simulated machines: a tenth of them here, all of them among the slow tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks import simulate
from benchmarks.simulate import MACHINES, OWN, SIMULATIONS, STUDIES, Tally
from benchmarks.statistics import FEWEST, FEWEST_FOR_MEAN

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
_UNLIKELY = 1e-4
"""There are hundreds of cells: less likely than this, by chance, fails."""


def problems(tally: Tally, equal: bool) -> list[str]:
    """What is more often wrong than claimed, beyond chance."""
    found = []
    if stats.binom.sf(tally.wrong - 1, tally.simulations, 0.05) < _UNLIKELY:
        found.append(f"{tally.wrong} of {tally.simulations} runs have an interval that misses the truth")
    # Where few runs get one, those are the runs that look better than they are.
    usual = tally.given >= tally.simulations / 2
    if usual and stats.binom.sf(tally.wrong - 1, tally.given, 1 - 0.93) < _UNLIKELY:
        found.append(f"{tally.wrong} of {tally.given} intervals miss the truth")
    if equal and stats.binom.sf(tally.called - 1, tally.simulations, 0.05) < _UNLIKELY:
        found.append(f"{tally.called} of {tally.simulations} equal models are called faster or slower")
    return found


def failing(simulations: int, studies: list[simulate.Study]) -> list[str]:
    return [
        f"{study.corner}, {row}, {column}: {problem}"
        for study in studies
        for row, tallies in study.run(simulations).items()
        for column, tally in zip(study.columns, tallies, strict=True)
        for problem in problems(tally, study.equal)
    ]


@pytest.mark.long
def test_a_tenth_of_the_simulations_holds_what_is_claimed():
    assert not failing(SIMULATIONS // 10, [study for study in STUDIES if study.claimed and study.equal])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_simulations_hold_what_is_claimed():
    assert not failing(SIMULATIONS, [study for study in STUDIES if study.claimed])


def test_claims_cover_what_is_asked_for():
    counts = (3, 5, 6, 8, 10, 20, 50, 200)
    assert SIMULATIONS >= 2000
    assert [tuple(study.columns.values()) for study in STUDIES[:3]] == [counts] * 3
    assert [study.corner for study in STUDIES if not study.claimed] == ["what is hidden"] * 2


@pytest.mark.parametrize("count", [3, 5])
def test_too_few_rounds_give_neither_an_interval_nor_a_verdict(count):
    assert count < FEWEST
    for study in (simulate.in_turn, simulate.apart):
        assert study(simulate.STEADY, count, 20) == Tally(20)


@pytest.mark.parametrize("machine", [*MACHINES, *OWN], ids=lambda machine: machine.name)
def test_six_rounds_always_give_an_interval_of_the_ratio(machine):
    assert simulate.in_turn(machine, FEWEST, 20).given == 20


def test_fifty_runs_of_a_steady_machine_give_an_interval_of_the_mean():
    assert simulate.mean_interval(simulate.STEADY, FEWEST_FOR_MEAN - 1, 20).given == 0
    assert simulate.mean_interval(simulate.STEADY, FEWEST_FOR_MEAN, 100).given >= 90


@pytest.mark.parametrize(
    "machine",
    [machine for machine in (*MACHINES, *OWN) if not machine.name.startswith("random walk")],
    ids=lambda machine: machine.name,
)
def test_machines_have_the_mean_that_they_say(machine):
    """The truth that intervals are held against, by the law of large numbers; a walk's is where it begins."""
    taken, truth = machine.factors(np.random.default_rng(0), 4000, 2, 20)
    assert taken.shape == (4000, 2, 20)
    assert taken[:, 0].mean() == pytest.approx(truth.mean(), rel=0.005)


def test_a_cell_does_not_depend_on_the_others():
    first = simulate.in_turn(MACHINES[1], 10, 50)
    simulate.apart(MACHINES[0], 10, 50)
    assert simulate.in_turn(MACHINES[1], 10, 50) == first


def test_the_page_has_the_tables_that_the_command_prints():
    """Their titles, rows and columns; the numbers are those of the version that the page names."""
    printed = "\n".join(simulate.tables(2)).splitlines()
    page = PAGE.read_text(encoding="utf-8").splitlines()
    missing = [line for line in printed if line.startswith("**") and line not in page]
    rows = [line.split("|")[1] for line in page if line.startswith("|")]
    missing += [row for line in printed if line.startswith("|") for row in [line.split("|")[1]] if row not in rows]
    assert not missing
