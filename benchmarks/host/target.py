"""Latency and memory on this machine: one pinned process for each model; they take turns."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np

from benchmarks.choices import Observation
from benchmarks.host.conditions import host_conditions
from benchmarks.host.profile import profile
from benchmarks.plan import Plan, Subject
from benchmarks.record import TargetRecord
from benchmarks.results import EVALUATED, HOST, Run
from converters.errors import ExportError, ExportWarning
from modnet_export.record.choices import Format
from modnet_export.record.files import scratch_folder

WARMUP_ROUNDS = 3
_KEEP_SECONDS = 2.0
_PACKAGES = ("ai-edge-litert", "onnxruntime", "modnet-export")
# Not ``-m``: that looks for modules in the working directory first, which may have a folder called benchmarks.
_START = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from benchmarks.host.worker import main; main()"


class _Worker:
    """A running ``benchmarks.host.worker``. Raises ExportError where it does not answer, or answers with an error."""

    def __init__(self, subject: Subject, photo: Path) -> None:
        command = [
            json.dumps([str(place) for place in sys.path]),
            subject.path,
            photo,
            subject.threads,
            subject.delegate,
            *(["foreign"] if subject.foreign else []),
        ]
        self._name = subject.name
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the parent, which ends it in order
        )
        self.started = self._answer()

    def _stream(self, name: str) -> IO[str]:
        stream: IO[str] | None = getattr(self._process, name)
        assert stream is not None
        return stream

    def _answer(self) -> dict[str, Any]:
        line = self._stream("stdout").readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if not line or "error" in answer:
            self.close()
            last = "" if line else "\n".join(self._stream("stderr").read().strip().splitlines()[-3:])
            raise ExportError(
                f"{self._name} did not run: {answer.get('error') or last or f'exit code {self._process.returncode}'}",
                next_step="verify this model, which says more about it",
            )
        return answer

    def run(self, count: int) -> dict[str, Any]:
        """Run the model ``count`` times; its answer is described in ``benchmarks.host.worker``."""
        with suppress(BrokenPipeError):  # a process that died says so where the answer is missing
            self._stream("stdin").write(f"{count}\n")
            self._stream("stdin").flush()
        return self._answer()

    def close(self) -> None:
        try:
            self._stream("stdin").close()
            self._process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()


class _Measured:
    """One model while it is measured. Samples may be many: they become a ``Run`` only when it is asked for."""

    def __init__(self, subject: Subject, worker: _Worker, begun: Run) -> None:
        self.subject, self.worker, self._begun = subject, worker, begun
        self._samples_ms, self._at_s, self._warmup_ms = list(begun.samples_ms), list(begun.at_s), list(begun.warmup_ms)
        self._taken_ms, self._peak_bytes = sum(begun.samples_ms), begun.peak_memory_bytes

    @property
    def count(self) -> int:
        return len(self._samples_ms)

    @property
    def run(self) -> Run:
        """What there is of it so far."""
        return replace(
            self._begun,
            samples_ms=tuple(self._samples_ms),
            warmup_ms=tuple(self._warmup_ms),
            at_s=tuple(self._at_s),
            peak_memory_bytes=self._peak_bytes,
        )

    def warm_up(self) -> None:
        """Run the model once before the timed runs; raises ExportError."""
        self._warmup_ms += self.worker.run(1)["samples_ms"]

    def take(self, at_s: float) -> None:
        """Run the model once, timed; raises ExportError."""
        answer = self.worker.run(1)
        self._samples_ms += answer["samples_ms"]
        self._at_s.append(at_s)
        self._taken_ms += sum(answer["samples_ms"])
        self._peak_bytes = max(self._peak_bytes or 0, answer["peak_bytes"])

    def wants_more(self, plan: Plan) -> bool:
        elapsed_s = self._at_s[-1] if self._at_s else 0.0
        return plan.wants_more(taken=self.count, taken_ms=self._taken_ms, elapsed_s=elapsed_s)


@dataclass(frozen=True)
class HostTarget:
    """This machine."""

    name: ClassVar[str] = HOST
    run_suffix: ClassVar[str] = ""
    formats: ClassVar[frozenset[Format]] = frozenset({"onnx", "tflite", "coreml"})
    observations: ClassVar[frozenset[Observation]] = frozenset({"latency", "profile"})

    def measure(self, plan: Plan, record: TargetRecord, stop: threading.Event) -> None:
        """See ``session.Target``. One run of every model in each round (A B C A B C), so that all are slowed alike.

        A model that does not load and a process that dies are failures of that model; what was measured stays.
        """
        with ExitStack() as stack:
            folder = stack.enter_context(scratch_folder())
            photo = folder / "image.npy"
            np.save(photo, plan.image_nhwc)
            measured: list[_Measured] = []
            for subject in plan.of_formats(self.formats, self.name):
                if subject.delegate in ("npu", "nnapi"):
                    what = (
                        "NNAPI is a part of Android" if subject.delegate == "nnapi" else "an NPU is a part of a phone"
                    )
                    record.fail(subject, f"{what}: measure it on a device")
                    continue
                record.progress(f"loading {subject.name}")
                try:
                    worker = _Worker(subject, photo)
                except ExportError as error:
                    record.fail(subject, str(error))
                    continue
                stack.callback(worker.close)
                measured.append(_Measured(subject, worker, _begun(subject, plan, worker, record)))
            _rounds(plan, record, stop, measured)
            if plan.profile and not stop.is_set():
                _profile(plan, record, stop, measured)


def _begun(subject: Subject, plan: Plan, worker: _Worker, record: TargetRecord) -> Run:
    conditions = {
        **host_conditions(subject.threads, _PACKAGES),
        "target": HOST,
        **plan.conditions(subject),
        "engine": worker.started["engine"],
    }
    started = {name: worker.started[name] for name in ("init_ms", "first_ms", "allocated_bytes")}
    marks = (EVALUATED,) if str(worker.started["engine"]).startswith("evaluated") else ()
    return replace(record.begun(subject, conditions), **started, marks=marks)


def _rounds(plan: Plan, record: TargetRecord, stop: threading.Event, measured: list[_Measured]) -> None:
    """Run the models in turns until each has its samples. A model whose process dies leaves ``measured``."""
    every = list(measured)

    def turns(models: list[_Measured], work: Callable[[_Measured], None]) -> None:
        for item in models:
            try:
                work(item)
            except ExportError as error:
                record.fail(item.subject, str(error))
                measured.remove(item)

    for done in range(WARMUP_ROUNDS):
        record.progress("warming up", done, WARMUP_ROUNDS)
        turns(list(measured), _Measured.warm_up)
    started = kept = time.monotonic()
    while not stop.is_set() and (wanting := [item for item in measured if item.wants_more(plan)]):
        turns(wanting, lambda item: item.take(time.monotonic() - started))
        if time.monotonic() - kept > _KEEP_SECONDS:  # not after each of thousands of fast runs
            record.keep(*(item.run for item in every))
            kept = time.monotonic()
        total = plan.runs if plan.seconds is None and plan.sustained_minutes is None else 0
        record.progress("measuring", every[0].count, total)
    record.keep(*(item.run for item in every))


def _profile(plan: Plan, record: TargetRecord, stop: threading.Event, measured: list[_Measured]) -> None:
    """Time the ops of every model that runs on the CPU."""
    for item in measured:
        if item.subject.delegate != "cpu":
            warnings.warn(
                ExportWarning(
                    f"{item.subject.name}: its ops were not timed, which is possible here with `delegates=cpu`"
                ),
                stacklevel=2,
            )
        elif not stop.is_set():
            record.progress(f"profiling {item.subject.name}")
            ops = profile(item.subject.path, plan.image_nhwc, item.subject.threads)
            record.keep(replace(item.run, profile=ops))
