from __future__ import annotations

import io

import pytest

from modnet_export.terminal import console


@pytest.fixture
def shown(monkeypatch):
    """What a table of two columns to spare looks like at a width, on a terminal or in a pipe."""

    def print_at(width: int, *, terminal: bool) -> list[str]:
        target = io.StringIO()
        there = console.Console(file=target, width=width, force_terminal=terminal, color_system=None)
        monkeypatch.setattr(console, "OUT", there)
        table = console.table(("artefact", "for"), ("MB", "max", "verdict"))
        table.add_row("modnet_int8_weights.tflite", "cpu", "25.9", "1.1e-05", "passed")
        console.show(table, spare=("for", "MB"))
        return [line.rstrip() for line in target.getvalue().splitlines() if line.strip()]

    return print_at


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_without_a_terminal_nothing_is_cut(shown, width):
    heading, _, row = shown(width, terminal=False)
    assert heading.split() == ["artefact", "for", "MB", "max", "verdict"]
    assert row.split() == ["modnet_int8_weights.tflite", "cpu", "25.9", "1.1e-05", "passed"]


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (80, ["artefact", "for", "MB", "max", "verdict"]),
        (56, ["artefact", "MB", "max", "verdict"]),
        (50, ["artefact", "max", "verdict"]),
    ],
)
def test_a_narrow_terminal_loses_columns_and_no_digits(shown, width, headings):
    lines = shown(width, terminal=True)
    assert lines[0].split() == headings
    assert lines[-1].split()[-2:] == ["1.1e-05", "passed"]


def test_words_between_colons_stay_words(capsys):
    """rich would draw a runner."""
    console.say("androidx.test:runner:1.7.0")
    assert capsys.readouterr().out == "androidx.test:runner:1.7.0\n"
