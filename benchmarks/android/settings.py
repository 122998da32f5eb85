"""How to measure on an Android device."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.choices import Cores
from converters.errors import ExportError

_ACTIVITY = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+/\.?[A-Za-z]\w*(\.[A-Za-z]\w*)*")


@dataclass(frozen=True)
class Activity:
    """An app's activity that measures models; what it must do is in docs/benchmarks.md."""

    package: str
    name: str

    def __str__(self) -> str:
        return f"{self.package}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Activity:
        """From ``PACKAGE/ACTIVITY``, as Android writes it; raises ExportError."""
        if not _ACTIVITY.fullmatch(text):
            raise ExportError(
                f"'{text}' is not the name of an activity",
                where="`app`",
                expected="PACKAGE/ACTIVITY, for example com.example.app/.Bench",
            )
        return cls(*text.split("/"))


@dataclass(frozen=True)
class AndroidSettings:
    """How to measure on a device. Raises ExportError for settings that cannot be used together."""

    benchmark_model: Path | None = None
    """LiteRT's native tool for the device's ABI; needed unless ``app`` measures."""
    app: Activity | None = None
    """Measures inside an app instead."""
    cores: Cores = "all"
    """What benchmark_model is pinned to."""
    fixed_performance: bool = True
    """Switch Android 11's mode of steady clocks on while measuring, where the device has it."""
    cool_timeout_s: float = 300
    """How long to wait for a warm device to cool down."""
    block_timeout_s: float = 300
    """After this long, one process of runs counts as hung."""
    return_timeout_s: float = 60
    """How long to wait for a device that went away."""
    memory: bool = True
    """Sample the process's proportional set size (PSS), in a pass of its own; not inside an app."""
    keep_files: bool = False
    """Leave models and tool on the device, so that the next benchmark need not push them."""
    profiles: Path | None = None
    """A folder for the CSV file of every profile of ops."""
    functional: bool = False
    """Whether the device is an emulator, whose latencies are marked."""

    def __post_init__(self) -> None:
        if self.app is None:
            return
        if self.benchmark_model is not None:
            raise ExportError(
                "an app measures without benchmark_model",
                where="`benchmark_model` and `app`",
                next_step="leave one of them out",
            )
        if self.cores != "all":
            raise ExportError(
                "only benchmark_model can be pinned to cores, not an app",
                where="`cores`",
                next_step="leave `cores` or `app` out",
            )
