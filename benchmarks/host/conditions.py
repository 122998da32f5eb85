"""What decides a latency on this machine and can be known."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def host_conditions(threads: int, packages: Sequence[str]) -> dict[str, str | int]:
    """The machine, the number of threads, and the versions of ``packages``."""
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
