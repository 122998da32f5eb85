"""Measurements on this machine and on devices; their results keep raw samples and the conditions they were taken under.

>>> from pathlib import Path
>>> from benchmarks import AdbTarget, AndroidSettings, BenchRequest, HostTarget, bench
>>> phone = AdbTarget(settings=AndroidSettings(benchmark_model=Path("benchmark_model")))
>>> result = bench(BenchRequest(dist=Path("dist"), targets=(HostTarget(), phone)))  # doctest: +SKIP
>>> [(run.name, run.median_ms) for run in result.runs]  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

PART_OF = "modnet-export"

if TYPE_CHECKING:
    from benchmarks.android.emulator import EmulatorTarget
    from benchmarks.android.settings import Activity, AndroidSettings
    from benchmarks.android.target import AdbTarget
    from benchmarks.comparing import Compared, CompareRequest, Comparisons, compare
    from benchmarks.host.target import HostTarget
    from benchmarks.qemu import QemuTarget
    from benchmarks.results import Bench
    from benchmarks.run import BenchRequest, bench

__all__ = [
    "Activity",
    "AdbTarget",
    "AndroidSettings",
    "Bench",
    "BenchRequest",
    "CompareRequest",
    "Compared",
    "Comparisons",
    "EmulatorTarget",
    "HostTarget",
    "QemuTarget",
    "bench",
    "compare",
]

_HOMES = {
    "Activity": "android.settings",
    "AdbTarget": "android.target",
    "AndroidSettings": "android.settings",
    "Bench": "results",
    "BenchRequest": "run",
    "CompareRequest": "comparing",
    "Compared": "comparing",
    "Comparisons": "comparing",
    "EmulatorTarget": "android.emulator",
    "HostTarget": "host.target",
    "QemuTarget": "qemu",
    "bench": "run",
    "compare": "comparing",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: the command line must not load an engine to show its help."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'benchmarks' has no attribute '{name}'")
    return getattr(import_module(f"benchmarks.{_HOMES[name]}"), name)
