"""A benchmark as the report shows it."""

from __future__ import annotations

from pathlib import Path

from benchmarks import measure
from benchmarks.statistics import summarise
from modnet_export.record.latencies import Latencies


def latencies(path: Path) -> list[Latencies]:
    """A benchmark as the report shows it; raises ExportError for another file."""
    found: list[Latencies] = []
    for run in measure.load(path).runs:
        item = summarise(run.samples_ms)
        memory = run.peak_memory_bytes
        energy = run.energy
        columns = {
            "median ms": f"{item.median_ms:.1f}",
            "mean ms (95 %)": f"{item.mean_ms:.1f} ({item.mean_low_ms:.1f} to {item.mean_high_ms:.1f})",
            "min": f"{run.min_ms:.1f}",
            "p90": f"{item.p90_ms:.1f}",
            "p99": f"{item.p99_ms:.1f}",
            "init": "–" if run.init_ms is None else f"{run.init_ms:.0f}",
            "first": "–" if run.first_ms is None else f"{run.first_ms:.0f}",
            "peak MB": "–" if memory is None else f"{memory / 1e6:.0f}",
            "PSS MB": f"{max(run.pss_bytes) / 1e6:.0f}" if run.pss_bytes else "–",
            "J (estimate)": "–" if energy is None else f"{energy.joules_per_inference:.2g}",
        }
        conditions = ", ".join(f"{key} {value}" for key, value in run.conditions.items() if key != "sha256")
        found.append(Latencies(run.name, run.samples_ms, run.at_s, columns, conditions, run.marks))
    return found
