"""Models of several engines, timed in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from benchmarks.results import Run


def interleaved(
    models: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warmup_rounds: int = 2,
    conditions: Mapping[str, str | int],
) -> list[Run]:
    """Time every model once in each round (A B C A B C), so that a busy machine slows all of them alike."""
    samples: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(warmup_rounds + rounds):
        for name, call in models.items():
            start = time.perf_counter()
            call()
            samples[name].append((time.perf_counter() - start) * 1e3)
    return [
        Run(name, tuple(taken[warmup_rounds:]), tuple(taken[:warmup_rounds]), dict(conditions))
        for name, taken in samples.items()
    ]
