"""One model in a process of its own: loads it, then runs it as often as each line on standard input says.

Its first answer, before any line, is about loading the model: ``engine``, ``init_ms``, ``first_ms`` and
``allocated_bytes``, or ``error``. It answers every line with ``samples_ms`` and ``peak_bytes``. Each answer is one line
of JSON. ``benchmarks.host.target`` starts it; by hand:
``python -m benchmarks.host.worker MODEL IMAGE.npy THREADS DELEGATE [foreign]``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np


def _peak_bytes() -> int:
    """The highest resident memory that the process has had."""
    try:
        # Not getrusage: on Linux its value is inherited from the process that started this one.
        with Path("/proc/self/status").open(encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _allocated_bytes() -> int | None:
    """The process's resident memory without mapped files; None where the system does not tell."""
    try:
        with Path("/proc/self/status").open(encoding="ascii") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:")), None)
    except OSError:
        return None


def _opened(model: Path, threads: int, delegate: str, image_nhwc: Any, foreign: bool) -> tuple[str, Callable[[], Any]]:
    """An engine's name, and one run of the model, a ``foreign`` one on its own port's type; raises ExportError."""
    if not foreign:
        from converters.runtimes import open_runtime

        runtime = open_runtime(model, threads=threads, delegate=delegate)  # type: ignore[arg-type]
        return runtime.engine, partial(runtime.run, image_nhwc)
    from converters.runtimes.raw import open_raw
    from modnet_export.verifying.foreign.reading import plainly_given

    raw = open_raw(model, threads=threads, delegate=delegate)  # type: ignore[arg-type]
    return raw.engine, partial(raw.run, plainly_given(raw, model.name, image_nhwc))


def main() -> None:
    model, photo, threads, delegate, *foreign = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):  # Linux: threads that move between cores are slower and less steady
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(threads)])
    from converters.errors import ExportError

    image_nhwc = np.load(photo)
    answer: dict[str, Any]
    try:
        before, own, start = _peak_bytes(), _allocated_bytes(), time.perf_counter()
        engine, run = _opened(Path(model), int(threads), delegate, image_nhwc, bool(foreign))
        loaded = time.perf_counter()
        run()
        first, after = time.perf_counter(), _allocated_bytes()
    except ExportError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    answer = {"engine": engine, "init_ms": (loaded - start) * 1e3, "first_ms": (first - loaded) * 1e3}
    answer["allocated_bytes"] = None if own is None or after is None else max(after - own, 0)
    print(json.dumps(answer), flush=True)
    for line in sys.stdin:
        samples: list[float] = []
        for _ in range(int(line)):
            start = time.perf_counter()
            run()
            samples.append((time.perf_counter() - start) * 1e3)
        print(json.dumps({"samples_ms": samples, "peak_bytes": max(_peak_bytes() - before, 0)}), flush=True)


if __name__ == "__main__":
    main()
