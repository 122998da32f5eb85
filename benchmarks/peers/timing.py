"""Models of several engines, timed in turns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from benchmarks.results import Run


def interleaved(
    models: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warmup_rounds: int = 2,
    conditions: Mapping[str, str | int],
    rest_s: float = 0.0,
    seconds: float = math.inf,
) -> list[Run]:
    """Time every model once in each round (A B C A B C), so that a busy machine slows all of them alike.

    ``rest_s`` passes before each turn: threads of an engine that wait for more work keep a core busy for a while. No
    round begins after ``seconds``, but one always does.
    """
    samples: dict[str, list[float]] = {name: [] for name in models}
    begun = time.perf_counter()
    for count in range(warmup_rounds + rounds):
        if count > warmup_rounds and time.perf_counter() - begun > seconds:
            break
        for name, call in models.items():
            time.sleep(rest_s)
            start = time.perf_counter()
            call()
            samples[name].append((time.perf_counter() - start) * 1e3)
    return [
        Run(name, tuple(taken[warmup_rounds:]), tuple(taken[:warmup_rounds]), dict(conditions))
        for name, taken in samples.items()
    ]
