"""A frozen run: raw samples and the conditions they were taken under; every summary derives from them."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """Latencies of one artefact. ``warmup_ms`` are kept apart and enter no summary."""

    name: str
    samples_ms: tuple[float, ...]
    warmup_ms: tuple[float, ...]
    conditions: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def min_ms(self) -> float:
        return min(self.samples_ms)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.samples_ms)


def host_conditions(threads: int, packages: Sequence[str]) -> dict[str, str | int]:
    """What decides a latency on this machine and can be known."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    return {
        "cpu": model,
        "cpus": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        **{package: version(package) for package in packages},
    }


def interleaved(
    candidates: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warmup_rounds: int = 2,
    conditions: Mapping[str, str | int],
) -> list[Run]:
    """Time every candidate once a round, A B C A B C: what disturbs the machine disturbs them all alike."""
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(warmup_rounds + rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            samples[name].append((time.perf_counter() - start) * 1e3)
    return [
        Run(name, tuple(taken[warmup_rounds:]), tuple(taken[:warmup_rounds]), dict(conditions))
        for name, taken in samples.items()
    ]
