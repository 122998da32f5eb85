"""What a report shows of a benchmark: ``benchmarks`` fills it in, ``report`` draws it, and neither knows the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Latencies:
    """One run: raw samples in ms, when each was taken in seconds, and the columns of the table."""

    name: str
    samples_ms: tuple[float, ...]
    at_s: tuple[float, ...]
    columns: Mapping[str, str]
    """The same headings in every run."""
    conditions: str
    notes: tuple[str, ...] = ()
