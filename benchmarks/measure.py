"""A frozen run: raw samples and the conditions they were taken under; every summary derives from them."""

from __future__ import annotations

import csv
import io
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from benchmarks.android.benchmark_model import Block, OpTime
from converters.errors import ExportError
from modnet_export.record.files import read_validated

FUNCTIONAL = "functional only"
"""Marks latencies that say nothing of a device's: those of an emulator."""
THROTTLED = "throttled"


@dataclass(frozen=True)
class Energy:
    """An estimate, from the battery's current and voltage sampled while the model ran; of the whole device."""

    mean_watts: float
    joules_per_inference: float
    samples: int


@dataclass(frozen=True)
class Run:
    """Latencies of one artefact. ``warmup_ms`` are kept apart and enter no summary."""

    name: str
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
    """Where a tool ran the model in blocks and tells only each one's statistics: a sample is a block's mean."""
    at_s: tuple[float, ...] = ()
    """When each sample was taken, in seconds from the first one's start, where that matters."""
    profile: tuple[OpTime, ...] = ()
    pss_bytes: tuple[int, ...] = ()
    """Proportional set sizes, sampled in a pass of their own."""
    energy: Energy | None = None
    energy_refused: str | None = None
    """Why there is no estimate, where one was asked for."""
    init_ms: float | None = None
    """Loading the model, up to the first run."""
    first_ms: float | None = None
    """The first run, in which engines finish their preparations."""
    peak_memory_bytes: int | None = None
    """The process's high-water mark above what it had before it loaded the model."""
    allocated_bytes: int | None = None
    """What the engine had allocated after its first run, mapped files apart: its arena and the weights it packed."""

    @property
    def min_ms(self) -> float:
        return min([*self.samples_ms, *(block.statistics["min"] for block in self.blocks if "min" in block.statistics)])

    @property
    def median_ms(self) -> float:
        return statistics.median(self.samples_ms)


@dataclass(frozen=True)
class Failure:
    """A measurement that did not come about, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Parity:
    """One artefact's matte, computed where it was measured, against the reference's."""

    name: str
    input: str
    max_abs_difference: float | None
    mad: float | None
    passed: bool


@dataclass(frozen=True)
class Bench:
    """What one `modnet-export bench` took, raw; its runs took turns, so their samples are paired."""

    session: str
    """Tells one from another: samples are paired only within a session."""
    runs: tuple[Run, ...] = ()
    failures: tuple[Failure, ...] = ()
    parity: tuple[Parity, ...] = ()
    schema_version: Literal[1] = 1


def dump(bench: Bench) -> bytes:
    """As JSON."""
    return TypeAdapter(Bench).dump_json(bench, indent=2) + b"\n"


def load(path: Path) -> Bench:
    """What ``dump`` wrote; raises ExportError for anything else."""
    return read_validated(
        path, TypeAdapter(Bench).validate_json, "a benchmark", "what `modnet-export bench DIST -o FILE` wrote"
    )


def as_csv(bench: Bench) -> str:
    """A line a run: its name, what derives from its samples, and its marks."""
    from benchmarks.statistics import summarise

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    derived = ("median_ms", "min_ms", "p90_ms", "p99_ms", "mean_ms")
    writer.writerow(["name", *derived, "init_ms", "first_ms", "peak_memory_bytes", "samples", "marks"])
    for run in bench.runs:
        summary = summarise(run.samples_ms)
        writer.writerow(
            [
                run.name,
                *(run.min_ms if name == "min_ms" else getattr(summary, name) for name in derived),
                *(run.init_ms, run.first_ms, run.peak_memory_bytes, len(run.samples_ms), "; ".join(run.marks)),
            ]
        )
    return buffer.getvalue()


# What two runs may differ in and still be compared: it is what one compares.
_MAY_DIFFER = frozenset({"sha256", "modnet-export"})


def comparable(first: Bench, second: Bench) -> list[tuple[Run, Run]]:
    """Runs of the same name; raises ExportError where none are, or where their conditions do not agree."""
    others = {run.name: run for run in second.runs}
    pairs = [(run, others[run.name]) for run in first.runs if run.name in others]
    if not pairs:
        raise ExportError(
            "the two files have no run in common",
            expected=f"one of {', '.join(run.name for run in first.runs)}",
        )
    differing = sorted(
        {
            f"{key}: {a.conditions.get(key)} and {b.conditions.get(key)}"
            for a, b in pairs
            for key in {*a.conditions, *b.conditions} - _MAY_DIFFER
            if a.conditions.get(key) != b.conditions.get(key)
        }
    )
    differing += sorted(
        f"{a.name}: {', '.join(a.marks) or 'no marks'} and {', '.join(b.marks) or 'no marks'}"
        for a, b in pairs
        if set(a.marks) != set(b.marks)
    )
    if differing:
        raise ExportError(
            "\n  ".join(["the two were not measured under the same conditions:", *differing]),
            next_step="measure both on one machine, with the same versions and threads",
        )
    return pairs


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
