"""Two measurements compared: which one is faster, or that it cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import formats
from benchmarks.results import Bench, Run
from benchmarks.statistics import Comparison, latency_ratio
from converters.errors import ExportError

# What two runs may differ in and still be compared, because it is what one compares.
_MAY_DIFFER = frozenset({"sha256", "modnet-export"})


@dataclass(frozen=True)
class CompareRequest:
    """Two files, run by run; or one file, whose first run is compared with each of its others."""

    first: Path
    """A .json that a benchmark wrote."""
    second: Path | None = None


@dataclass(frozen=True)
class Compared:
    """Two runs by name, and what their samples say about the second against the first."""

    first: str
    second: str
    comparison: Comparison


def compare(request: CompareRequest) -> tuple[Compared, ...]:
    """Compare the runs of the files that a request names.

    Raises ExportError for files that hold no benchmark, have no runs to compare, or were measured under conditions
    that do not agree.
    """
    first = formats.load(request.first)
    if request.second is not None:
        pairs = comparable(first, formats.load(request.second))
    elif len(first.runs) > 1:
        pairs = [(first.runs[0], run) for run in first.runs[1:]]
    else:
        raise ExportError(
            f"{request.first.name} holds {len(first.runs)} run(s), and a comparison needs two",
            where=request.first,
            next_step="choose a file with more runs, or a second file",
        )
    return tuple(
        Compared(
            a.name,
            b.name,
            # Only on one target do the models of a benchmark take turns.
            latency_ratio(
                a.samples_ms,
                b.samples_ms,
                paired=request.second is None and a.target == b.target and len(a.samples_ms) == len(b.samples_ms),
            ),
        )
        for a, b in pairs
    )


def comparable(first: Bench, second: Bench) -> list[tuple[Run, Run]]:
    """Runs of the same name; raises ExportError where none are, or where their conditions do not agree."""
    others = {run.name: run for run in second.runs}
    pairs = [(run, others[run.name]) for run in first.runs if run.name in others]
    if not pairs:
        raise ExportError(
            "the two files have no run in common",
            expected=f"one of {', '.join(run.name for run in first.runs)}",
        )
    differing = sorted(
        {
            f"{key}: {a.conditions.get(key)} and {b.conditions.get(key)}"
            for a, b in pairs
            for key in {*a.conditions, *b.conditions} - _MAY_DIFFER
            if a.conditions.get(key) != b.conditions.get(key)
        }
    )
    differing += sorted(
        f"{a.name}: {', '.join(a.marks) or 'no marks'} and {', '.join(b.marks) or 'no marks'}"
        for a, b in pairs
        if set(a.marks) != set(b.marks)
    )
    if differing:
        raise ExportError(
            "\n  ".join(["the two were not measured under the same conditions:", *differing]),
            next_step="measure both on one machine, with the same versions and threads",
        )
    return pairs
