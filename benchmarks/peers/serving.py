"""The part that all engines' scripts share: one run for every line on standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt


def pin(threads: int) -> None:
    """Keep this process on as many cores as it has threads (Linux), before any library starts its own."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def serve(run: Callable[[], npt.ArrayLike], matte: Path | str) -> None:
    """Write the matte_nhwc of a first run and say "ready"; then run once for every line, and say "done" each time."""
    np.save(matte, np.asarray(run(), np.float32))
    print("ready", flush=True)
    for _ in sys.stdin:
        run()
        print("done", flush=True)
