"""Rows for the table of devices in docs/phones.md: what a stranger may see, and what a reader must know."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.results import RAN_ON, Bench, Run
from benchmarks.shown import tenths
from benchmarks.statistics import summarise

HEADINGS = ("device", "SoC, system", "tool", "model", "ran on", "median ms (mean, 95 %)", "matte", "marks")


def rows(bench: Bench) -> list[str]:
    """One row of Markdown for each run on a phone; none for those of this machine. They name no serial number."""
    judged = {item.name: item.passed for item in bench.parity}
    return [_row(_cells(run, judged.get(run.name))) for run in bench.runs if run.conditions.get("device")]


def heading() -> list[str]:
    """The table's first two lines."""
    return [_row(HEADINGS), "|" + "---|" * len(HEADINGS)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |"


def _cells(run: Run, passed: bool | None) -> tuple[str, ...]:
    known, summary = run.conditions, summarise(run.samples_ms, of_blocks=bool(run.blocks))
    mean = "" if summary.mean_low_ms is None else f" ({tenths(summary.mean_low_ms)} to {tenths(summary.mean_high_ms)})"
    way = ", ".join(str(known[key]) for key in ("delegate", RAN_ON, "precision") if key in known)
    return (
        str(known["device"]),
        ", ".join(str(known[key]) for key in ("soc", "android", "os") if key in known),
        str(known.get("tool", "")),
        f"{known.get('artefact', '')}, {known.get('size', '')}, {known.get('threads', '')}T",
        way,
        f"{tenths(summary.median_ms)}{mean}",
        {True: "right", False: "WRONG", None: "not compared"}[passed],
        ", ".join(run.marks) or "none",
    )
