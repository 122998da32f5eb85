"""How to measure on an Android device."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.android.flags import Gpu
from converters.errors import ExportError

_ACTIVITY = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+/\.?[A-Za-z]\w*(\.[A-Za-z]\w*)*")
_CORES = re.compile(r"all|big|little|mid|prime|0x0*[1-9a-f][0-9a-f]{0,7}")


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

    benchmark_model: Path | tuple[Path, ...] | None = None
    """LiteRT's native tool; needed unless ``app`` measures. Of several, a device gets the one for its ABI."""
    run_model: Path | tuple[Path, ...] | None = None
    """LiteRT's tool of that name, beside its benchmark_model, which gives no matte."""
    app: Activity | None = None
    """Measures inside an app instead."""
    push: tuple[Path, ...] = ()
    """Libraries to put beside it, where it is told to look for them."""
    environment: tuple[str, ...] = ()
    """``NAME=VALUE``: with which it is started."""
    gpu: Gpu = field(default_factory=Gpu)
    """How benchmark_model is to compute on a GPU."""
    cores: str = "all"
    """What benchmark_model is pinned to: ``all``, ``big``, ``little``, ``mid``, ``prime``, or a mask such as 0xf0."""
    fixed_performance: bool = False
    """Switch Android 11's mode of steady, lower clocks on while measuring, where the device has it."""
    blocks: int = 20
    """The number of processes, or starts of an app, that a model's runs are spread over, in turn with other models."""
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
    logs: Path | None = None
    """A folder for all that benchmark_model printed, one file for each run."""
    profiles: Path | None = None
    """A folder for the CSV file of every profile of ops."""
    functional: bool = False
    """Whether the device is an emulator, whose latencies are marked."""

    def __post_init__(self) -> None:
        for item in self.push:
            if not item.is_file():
                raise ExportError(f"there is no {item}", where="`push`", expected="a library for the device")
        if not _CORES.fullmatch(self.cores):
            raise ExportError(
                f"'{self.cores}' names no cores",
                where="`cores`",
                expected="all, big, little, mid, prime, or a mask of them such as 0xf0",
            )
        for variable in self.environment:
            if not re.fullmatch(r"[A-Za-z_]\w*=.*", variable):
                raise ExportError(f"'{variable}' sets no variable", where="`env`", expected="NAME=VALUE")
        if self.app is None:
            return
        if self.benchmark_model or self.run_model:
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
