"""What docs/verification.md claims of ``--baseline``: a small part of it here, more among the slow tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from modnet_export.verifying import simulate
from modnet_export.verifying.simulate import FAULTS, PRECISIONS, Cell, Scale

PAGE = Path(__file__).parents[3] / "docs" / "verification.md"
SMALL = Scale(simulations=60, pictures=5, machines=4)
CERTAIN = [
    "one input, error x 10",
    "one input, matte empty",
    "one input, matte moved by a pixel",
    "all inputs, error x 1.3",
]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_another_machine_alone_does_not_fail(precision):
    sound = simulate.measured(SMALL, precision)
    assert simulate.cell(sound, sound, 10, SMALL.simulations).failed == 0


@pytest.mark.parametrize("fault", CERTAIN)
def test_plain_faults_are_found(fault):
    change, all_inputs = FAULTS[fault]
    sound, faulty = simulate.measured(SMALL, "int8"), simulate.measured(SMALL, "int8", change)
    assert simulate.cell(sound, faulty, 20, 40, all_inputs=all_inputs).failed == 40


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_sound_runs_of_all_sizes_fail_in_less_than_one_of_a_hundred():
    scale = Scale(simulations=500)
    for precision in PRECISIONS:
        assert all(cell.failed <= 5 for cell in simulate.false_alarms(scale, precision, 1))


def test_the_page_has_the_tables_that_the_command_prints(monkeypatch):
    """Their titles, rows and columns; the numbers are those of the version that the page was written with."""
    monkeypatch.setattr(simulate, "cell", lambda *_, **__: Cell(1, 0))
    printed = "\n".join(simulate.tables(Scale(simulations=1, pictures=0))).splitlines()
    page = PAGE.read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1] for line in page if line.startswith("|")}
    assert not [line for line in printed if line.startswith("**") and line not in page]
    assert not [line for line in printed if line.startswith("|") and line.split("|")[1] not in rows]
