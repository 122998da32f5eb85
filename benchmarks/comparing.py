"""Two measurements compared: which is faster, or that it cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure, statistics
from benchmarks.statistics import Comparison
from converters.errors import ExportError


@dataclass(frozen=True)
class CompareRequest:
    """``second`` None: the models of the first file with its first one."""

    first: Path
    """A .json that a benchmark wrote."""
    second: Path | None = None


@dataclass(frozen=True)
class Compared:
    """Two runs by name, and what their samples say of the second against the first."""

    first: str
    second: str
    comparison: Comparison


def compare(request: CompareRequest) -> tuple[Compared, ...]:
    """Raises ExportError for files that hold no benchmark, or none that may be compared."""
    old = measure.load(request.first)
    if request.second is None:
        if len(old.runs) < 2:
            raise ExportError(
                f"{request.first.name} holds one run", where=request.first, expected="two, or a second file"
            )
        pairs = [(old.runs[0], run) for run in old.runs[1:]]
    else:
        pairs = measure.comparable(old, measure.load(request.second))
    return tuple(
        Compared(
            a.name,
            b.name,
            statistics.compare(
                a.samples_ms,
                b.samples_ms,
                interleaved=request.second is None and len(a.samples_ms) == len(b.samples_ms),
            ),
        )
        for a, b in pairs
    )
