"""What a benchmark gives: frozen values that keep raw samples and conditions, and refuse nonsense when they are made.

Every class here raises ValueError for values that no measurement can have given, with a message that names the value.
Summaries are derived from the samples (``benchmarks.statistics``) and never stored instead of them.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

HOST = "host"
"""The name of the target that is this machine."""
FUNCTIONAL = "functional only"
"""Marks the latencies of an emulator, which say nothing about those of a phone."""
EVALUATED = "evaluated, not run by Core ML"
"""Marks the latencies of the evaluator that runs Core ML packages without a Mac."""
THROTTLED = "throttled"
RAN_ON = "ran on"
"""The condition that a run finds out for itself: how its GPU was reached."""
SCHEMA_VERSION: Literal[2] = 2


def _check(owner: str, name: str, *values: float | None, above_0: bool = False) -> None:
    """Raise ValueError for a value that is known, and is not finite, or below 0, or 0 where it must be above."""
    known = [value for value in values if value is not None]
    if not all(map(math.isfinite, known)) or min(known, default=1) < 0 or (above_0 and 0 in known):
        wrong = next(value for value in known if not (math.isfinite(value) and value >= 0 and (value or not above_0)))
        raise ValueError(
            f"{owner}: {name} is {wrong}, but must be a finite number {'above 0' if above_0 else 'of at least 0'}"
        )


@dataclass(frozen=True)
class Block:
    """One process of benchmark_model. Times in ms; ``statistics`` are the tool's own, over ``count`` runs."""

    count: int
    mean_ms: float
    statistics: Mapping[str, float]
    """``min``, ``max``, ``std``, ``p5``, ``median``, ``p95``: those that this build prints."""
    init_ms: float | None = None
    first_ms: float | None = None
    warmup_ms: float | None = None
    peak_memory_bytes: int | None = None
    delegated: tuple[int, int] | None = None
    """Nodes that the wanted delegate took, and all nodes, where the tool says so."""
    api: str | None = None
    """How a GPU was reached (OpenCL, OpenGL, WebGPU), where the tool says so."""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"a block of {self.count} runs: at least 1 is needed")
        _check("a block", "mean_ms", self.mean_ms, above_0=True)
        for name in ("init_ms", "first_ms", "warmup_ms", "peak_memory_bytes"):
            _check("a block", name, getattr(self, name))
        for name, value in self.statistics.items():
            _check("a block", name, value)


@dataclass(frozen=True)
class Moment:
    """What a device told of itself while a model ran. What it does not tell is left out."""

    at_s: float
    """Seconds since the measurement began."""
    thermal_status: int | None = None
    """0 (none) to 6 (shutdown), as android.os.PowerManager has it."""
    scaling_cur_freq: str = ""
    """The clock of each core in kHz, separated by commas."""

    def __post_init__(self) -> None:
        _check("a moment", "at_s", self.at_s)


@dataclass(frozen=True)
class OpTime:
    """One op of a profile: its mean time and its share, in [0, 1], of the time of all ops."""

    op: str
    name: str
    mean_ms: float
    share: float

    def __post_init__(self) -> None:
        _check(f"op {self.name}", "mean_ms", self.mean_ms)
        if not 0 <= self.share <= 1:
            raise ValueError(f"op {self.name}: share is {self.share}, but only a number from 0 to 1 makes sense")


@dataclass(frozen=True)
class Energy:
    """An estimate for the whole device, from the battery's current and voltage sampled while the model ran."""

    mean_watts: float
    joules_per_inference: float
    samples: int

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"an estimate of energy from {self.samples} samples: at least 1 is needed")
        _check("an estimate of energy", "mean_watts", self.mean_watts)
        _check("an estimate of energy", "joules_per_inference", self.joules_per_inference)


@dataclass(frozen=True)
class Run:
    """Latencies of one model, run in one way on one target. ``warmup_ms`` are kept apart and enter no summary.

    A run that has just begun has no samples yet; a finished ``Bench`` holds none of these.
    """

    name: str
    """Unique within a ``Bench``; on the host the same on every machine, so that files can be compared."""
    samples_ms: tuple[float, ...]
    warmup_ms: tuple[float, ...]
    conditions: Mapping[str, str | int] = field(default_factory=dict)
    """What must agree before two runs are compared."""
    before: Mapping[str, str | int | float] = field(default_factory=dict)
    after: Mapping[str, str | int | float] = field(default_factory=dict)
    """What varies: temperatures, thermal status, frequencies, battery."""
    marks: tuple[str, ...] = ()
    """What a reader of the numbers must know."""
    blocks: tuple[Block, ...] = ()
    """What benchmark_model printed, where it measured: it tells no single runs, so each sample is a block's mean."""
    at_s: tuple[float, ...] = ()
    """When each sample was taken, in seconds since the measurement began; empty where nobody kept it."""
    trace: tuple[Moment, ...] = ()
    """What the device told meanwhile, about once a second."""
    profile: tuple[OpTime, ...] = ()
    pss_bytes: tuple[int, ...] = ()
    """Proportional set sizes of the process, sampled in a pass of their own."""
    energy: Energy | None = None
    energy_refused: str | None = None
    """Why there is no estimate, where one was asked for."""
    init_ms: float | None = None
    """Loading the model, up to the first run."""
    first_ms: float | None = None
    """The first run, in which engines finish their preparations."""
    end_to_end_ms: tuple[float, ...] = ()
    """From a camera's frame to the composited one, where an app measured."""
    cold_start_ms: tuple[float, ...] = ()
    """From the start of an app's process to its first matte, one for each block."""
    peak_memory_bytes: int | None = None
    """The process's highest resident memory, less what it had before it loaded the model."""
    allocated_bytes: int | None = None
    """What the engine had allocated after its first run, without mapped files: its arena and the weights it packed."""
    target: str = HOST
    """The name of the target that it was measured on; see ``benchmarks.session.Target``."""

    def __post_init__(self) -> None:
        # No run takes 0 ms, and to such a run there would be no ratio.
        _check(self.name, "one of samples_ms", *self.samples_ms, above_0=True)
        for name in ("warmup_ms", "at_s", "pss_bytes", "end_to_end_ms", "cold_start_ms"):
            _check(self.name, f"one of {name}", *getattr(self, name))
        for name in ("init_ms", "first_ms", "peak_memory_bytes", "allocated_bytes"):
            _check(self.name, name, getattr(self, name))
        for name in ("at_s", "blocks"):
            if getattr(self, name) and len(getattr(self, name)) != len(self.samples_ms):
                raise ValueError(
                    f"{self.name}: {len(getattr(self, name))} values of {name} for {len(self.samples_ms)} samples: "
                    "one for each sample is expected, or none at all"
                )

    @property
    def min_ms(self) -> float:
        """The fastest run that is known, also within a block."""
        return min([*self.samples_ms, *(block.statistics["min"] for block in self.blocks if "min" in block.statistics)])

    @property
    def median_ms(self) -> float:
        return statistics.median(self.samples_ms)


@dataclass(frozen=True)
class Failure:
    """A measurement that could not be taken, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Parity:
    """One model's matte, computed on the target, against the reference's. None: not defined, or not finite."""

    name: str
    """That of the run."""
    input: str
    max_abs_difference: float | None
    mad: float | None
    passed: bool

    def __post_init__(self) -> None:
        _check(self.name, "max_abs_difference", self.max_abs_difference)
        _check(self.name, "mad", self.mad)


@dataclass(frozen=True)
class Bench:
    """Everything that one benchmark measured, raw. The models of a target took turns."""

    session: str
    """Tells one benchmark from another."""
    runs: tuple[Run, ...] = ()
    failures: tuple[Failure, ...] = ()
    parity: tuple[Parity, ...] = ()
    schema_version: Literal[2] = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if twice := [name for name, count in Counter(run.name for run in self.runs).items() if count > 1]:
            raise ValueError(f"there are two runs called {', '.join(twice)}: each needs a name of its own")
        if empty := [run.name for run in self.runs if not run.samples_ms]:
            raise ValueError(f"{', '.join(empty)}: a finished run needs at least one sample")
