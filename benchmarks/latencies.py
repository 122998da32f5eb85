"""A benchmark as the report shows it."""

from __future__ import annotations

from pathlib import Path

from benchmarks import formats
from benchmarks.results import Run
from benchmarks.shown import UNKNOWN, interval, megabytes, tenths, whole
from benchmarks.statistics import summarise
from modnet_export.record.latencies import Latencies


def latencies(path: Path) -> list[Latencies]:
    """One row for each run of a benchmark's .json; raises ExportError for another file."""
    return [
        Latencies(run.name, run.samples_ms, run.at_s, _columns(run), _conditions(run), run.marks)
        for run in formats.load(path).runs
    ]


def _columns(run: Run) -> dict[str, str]:
    summary, energy = summarise(run.samples_ms, of_blocks=bool(run.blocks)), run.energy
    return {
        "median ms": f"{summary.median_ms:.1f}",
        "mean ms (95 %)": f"{summary.mean_ms:.1f} ({interval(summary.mean_low_ms, summary.mean_high_ms)})",
        "min": f"{run.min_ms:.1f}",
        "p90": tenths(summary.p90_ms),
        "p99": tenths(summary.p99_ms),
        "init": whole(run.init_ms),
        "first": whole(run.first_ms),
        "peak MB": megabytes(run.peak_memory_bytes),
        "PSS MB": megabytes(max(run.pss_bytes, default=None)),
        "J (estimate)": UNKNOWN if energy is None else f"{energy.joules_per_inference:.2g}",
    }


def _conditions(run: Run) -> str:
    return ", ".join(f"{key} {value}" for key, value in run.conditions.items() if key != "sha256")
