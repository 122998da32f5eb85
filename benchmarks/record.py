"""The results of a benchmark as they come: on disk before the next measurement starts."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from benchmarks.formats import dump, load
from benchmarks.plan import Subject
from benchmarks.results import RAN_ON, Bench, Failure, Parity, Run
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.files import write_bytes
from modnet_export.record.measures import Tolerance
from modnet_export.verifying import parity
from modnet_export.verifying.parity import Sample


class Watcher(Protocol):
    """Told of each target's progress (see ``converters.progress.Progress``), and of every run as it grows."""

    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0, /) -> None: ...

    def latest(self, run: Run, /) -> None: ...


class _Unwatched:
    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0, /) -> None: ...

    def latest(self, run: Run, /) -> None: ...


UNWATCHED: Watcher = _Unwatched()
"""A ``Watcher`` that shows nothing."""


class Record:
    """All results so far; several threads may use it at once."""

    def __init__(self, path: Path | None = None, earlier: Bench | None = None, watcher: Watcher = UNWATCHED) -> None:
        self._path, self._lock = path, threading.Lock()
        self._runs = {run.name: run for run in earlier.runs} if earlier else dict[str, Run]()
        self._failures: dict[str, Failure] = {}
        self._parity = {(item.name, item.input): item for item in earlier.parity} if earlier else {}
        self._session = uuid.uuid4().hex
        self.watcher = watcher

    @classmethod
    def continued(cls, path: Path, watcher: Watcher = UNWATCHED) -> Record:
        """The record of an earlier benchmark that goes on; a new one where there is no file yet.

        Raises ExportError for a file that holds no benchmark.
        """
        return cls(path, load(path) if path.exists() else None, watcher)

    @property
    def bench(self) -> Bench:
        """What was measured so far, without runs that have only begun."""
        return Bench(
            session=self._session,
            runs=tuple(run for run in self._runs.values() if run.samples_ms),
            failures=tuple(self._failures.values()),
            parity=tuple(self._parity.values()),
        )

    def run(self, name: str) -> Run | None:
        """What was measured under this name."""
        with self._lock:
            return self._runs.get(name)

    def parity(self, name: str, input: str) -> Parity | None:
        """What was found for this name and input."""
        with self._lock:
            return self._parity.get((name, input))

    def keep(self, *results: Run | Failure | Parity) -> None:
        """Results; a run may be whole, or what there is of it so far."""
        with self._lock:
            for item in results:
                if isinstance(item, Run):
                    self._runs[item.name] = item
                elif isinstance(item, Failure):
                    self._failures[item.name] = item
                else:
                    self._parity[item.name, item.input] = item
            if self._path is not None:
                write_bytes(self._path, dump(self.bench))
        for item in results:
            if isinstance(item, Run):
                self.watcher.latest(item)


class TargetRecord:
    """The record as one target uses it: every result and every word of progress carries the target's name."""

    def __init__(self, record: Record, target: str, run_suffix: str) -> None:
        self._record, self.target, self._suffix = record, target, run_suffix

    def progress(self, stage: str, done: int = 0, total: int = 0, /) -> None:
        """See ``converters.progress.Progress``."""
        self._record.watcher(self.target, stage, done, total)

    def run_name(self, subject: Subject) -> str:
        return f"{subject.name}{self._suffix}"

    def run(self, subject: Subject) -> Run | None:
        """What there is of a run."""
        return self._record.run(self.run_name(subject))

    def begun(self, subject: Subject, conditions: Mapping[str, str | int]) -> Run:
        """What there is of a run, which has no samples at first.

        Raises ExportError where it was begun under other conditions.
        """
        before, name = self.run(subject), self.run_name(subject)
        if before is None:
            return Run(name, (), (), dict(conditions), target=self.target)
        differing = [
            f"{key}: {before.conditions.get(key)} then, {conditions.get(key)} now"
            for key in sorted({*before.conditions, *conditions} - {RAN_ON})
            if before.conditions.get(key) != conditions.get(key)
        ]
        if differing:
            raise ExportError(
                "\n  ".join([f"{name} was begun under other conditions:", *differing]),
                next_step="measure from the start: leave `resume` out",
            )
        return before

    def keep(self, *runs: Run) -> None:
        self._record.keep(*runs)

    def fail(self, subject: Subject, reason: str, part: str = "") -> None:
        """One measurement failed, or one ``part`` of it."""
        name = self.run_name(subject)
        self._record.keep(Failure(f"{name}: {part}" if part else name, reason))

    def judged(self, subject: Subject, sample: Sample) -> bool:
        """Whether the subject's matte of an input has been judged."""
        return self._record.parity(self.run_name(subject), sample.name) is not None

    def judge(self, subject: Subject, sample: Sample, matte_nhwc: Image, tolerance: Tolerance) -> None:
        """Compare a matte that the target computed, 1 x H x W x 1 in [0, 1], with the reference's."""
        found = parity.compare(sample, matte_nhwc, tolerance)
        name = self.run_name(subject)
        self._record.keep(Parity(name, sample.name, found.max_abs_difference, found.mad, found.passed))
