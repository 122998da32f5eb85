"""One `modnet-export bench`: what is to be measured, on which targets, and the results as they come."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from benchmarks.android.adb import DeviceGoneError, StoppedError
from benchmarks.choices import Delegate
from benchmarks.measure import Bench, Failure, Parity, Run, dump, load
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.contract import Contract
from modnet_export.record.files import write_bytes
from modnet_export.record.measures import Tolerance
from modnet_export.verifying.parity import Sample

HOST = "host"


@dataclass(frozen=True)
class Candidate:
    """One model, run in one way."""

    file: str
    path: Path
    sha256: str
    threads: int
    delegate: Delegate = "cpu"
    contract: Contract | None = None
    tolerance: Tolerance | None = None
    """What ``contract`` and ``tolerance`` say is needed where the target checks parity."""

    @property
    def name(self) -> str:
        delegate = "" if self.delegate == "cpu" else f" {self.delegate}"
        return f"{self.file} {self.threads}T{delegate}"


@dataclass(frozen=True)
class Plan:
    """What every target is asked for. ``seconds``, where given, instead of ``runs``: time for each model."""

    candidates: tuple[Candidate, ...]
    image_nhwc: Image
    runs: int = 50
    seconds: float | None = None
    sustained_minutes: float | None = None
    profile: bool = False
    energy: bool = False
    samples: tuple[Sample, ...] = ()
    """Inputs and the reference's mattes, where parity is to be checked on the target."""


class Watcher(Protocol):
    """Told of a target's name, what it does, and how much of it is done; and of every run as it grows."""

    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0, /) -> None: ...

    def latest(self, target: str, run: Run, /) -> None: ...


class _Unseen:
    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0, /) -> None: ...

    def latest(self, target: str, run: Run, /) -> None: ...


UNSEEN: Watcher = _Unseen()
"""A ``Watcher`` that shows nothing."""


class Record:
    """The results as they come: on disk before the next measurement starts. Safe to use from several threads."""

    def __init__(self, path: Path | None = None, earlier: Bench | None = None, status: Watcher = UNSEEN) -> None:
        self._path, self._lock = path, threading.Lock()
        self._runs = {run.name: run for run in earlier.runs} if earlier else dict[str, Run]()
        self._failures: dict[str, Failure] = {}
        self._parity = {(item.name, item.input): item for item in earlier.parity} if earlier else {}
        self._session = uuid.uuid4().hex
        self.status = status

    @property
    def bench(self) -> Bench:
        return Bench(
            session=self._session,
            runs=tuple(run for run in self._runs.values() if run.samples_ms),
            failures=tuple(self._failures.values()),
            parity=tuple(self._parity.values()),
        )

    def of(self, name: str) -> Run | None:
        """What was measured before under this name."""
        with self._lock:
            return self._runs.get(name)

    def has_parity(self, name: str, item: str) -> bool:
        with self._lock:
            return (name, item) in self._parity

    def keep(self, *runs: Run) -> None:
        """A run, whole or what there is of it so far."""
        with self._lock:
            self._runs.update({run.name: run for run in runs})
            self._write()
        for run in runs:
            self.status.latest(target_of(run), run)

    def fail(self, name: str, reason: str) -> None:
        with self._lock:
            self._failures[name] = Failure(name, reason)
            self._write()

    def agree(self, parity: Parity) -> None:
        with self._lock:
            self._parity[parity.name, parity.input] = parity
            self._write()

    def _write(self) -> None:
        if self._path is not None:
            write_bytes(self._path, dump(self.bench))


def continued(path: Path, status: Watcher = UNSEEN) -> Record:
    """The record of an earlier session that goes on; a new one where there is no file yet."""
    return Record(path, load(path) if path.exists() else None, status)


def resumed(record: Record, name: str, conditions: Mapping[str, str | int]) -> Run:
    """What there is of a run so far, none at first. Raises ExportError where it was taken under other conditions."""
    before = record.of(name)
    if before is None:
        return Run(name, (), (), dict(conditions))
    differing = [
        f"{key}: {before.conditions.get(key)} then, {conditions.get(key)} now"
        for key in sorted({*before.conditions, *conditions})
        if before.conditions.get(key) != conditions.get(key)
    ]
    if differing:
        raise ExportError(
            "\n  ".join([f"{name} was begun under other conditions:", *differing]),
            next_step="measure anew: leave --resume out",
        )
    return before


def missing(plan: Plan, run: Run, per_sample: int = 1) -> bool:
    """Whether a run is not whole yet; ``per_sample``: how many runs of the model each sample stands for."""
    if plan.seconds is not None:
        return sum(run.samples_ms) * per_sample < plan.seconds * 1e3
    return len(run.samples_ms) * per_sample < plan.runs


class Target(Protocol):
    """Something that models are measured on."""

    @property
    def name(self) -> str: ...

    def measure(self, plan: Plan, record: Record, stop: threading.Event) -> None:
        """Take what the plan asks for, and hand it to ``record`` as it comes.

        One measurement that fails is recorded and the others go on; raises ExportError where
        nothing can be measured at all. Ends soon, and leaves the target as it was, once ``stop`` is set.
        """
        ...


def labelled(candidate: Candidate, target: str) -> str:
    """The name of a run: the same on every machine for the host, so that its files compare."""
    return candidate.name if target == HOST else f"{candidate.name} on {target}"


def target_of(run: Run) -> str:
    """The target's name in a run's; see ``labelled``."""
    return run.name.rpartition(" on ")[2] if " on " in run.name else HOST


def measure(targets: Sequence[Target], plan: Plan, record: Record) -> Bench:
    """All targets at once, each in its own thread. Raises KeyboardInterrupt when all have been put in order.

    A target on which nothing can be measured is a failure under its own name; with one target only it raises.
    """
    stop = threading.Event()
    ended = {target.name: threading.Event() for target in targets}
    unexpected: list[BaseException] = []

    def work(target: Target) -> None:
        try:
            target.measure(plan, record, stop)
            record.status(target.name, "done", 1, 1)
        except StoppedError:
            record.status(target.name, "stopped", 0, 0)
        except ExportError as error:
            record.fail(target.name, str(error))
            record.status(target.name, f"failed: {error.what.splitlines()[0]}", 0, 0)
            # A device that went away leaves what was measured; anything else is known before that.
            if len(targets) == 1 and not (isinstance(error, DeviceGoneError) and record.bench.runs):
                unexpected.append(error)
        except BaseException as error:
            unexpected.append(error)
            stop.set()
        finally:
            ended[target.name].set()

    for target in targets:
        threading.Thread(target=work, args=(target,), name=target.name).start()
    interrupted = False
    # Not by Thread.join: an interrupted one takes a running thread for ended (Python 3.11).
    while not all(item.is_set() for item in ended.values()):
        try:
            for item in ended.values():
                item.wait(0.2)
        except KeyboardInterrupt:
            interrupted = True
            stop.set()
    if interrupted:
        raise KeyboardInterrupt
    if unexpected:
        raise unexpected[0]
    return record.bench


def extended(run: Run, samples_ms: Sequence[float], **changes: object) -> Run:
    """A run with more samples."""
    return replace(run, samples_ms=(*run.samples_ms, *samples_ms), **changes)  # type: ignore[arg-type]
