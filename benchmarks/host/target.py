"""Latency and memory on this machine: a pinned process a model, which take turns."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.host.profile import profile
from benchmarks.measure import Run, host_conditions
from benchmarks.session import HOST, Candidate, Plan, Record, missing, resumed
from converters.errors import ExportError

WARMUP_ROUNDS = 3
_KEEP_SECONDS = 2.0
_PACKAGES = ("ai-edge-litert", "onnxruntime", "modnet-export")


class _Worker:
    """A running ``benchmarks.host.worker``."""

    def __init__(self, candidate: Candidate, photo: Path) -> None:
        command = [candidate.path, photo, candidate.threads, candidate.delegate]
        self._name = candidate.name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.host.worker", *map(str, command)],
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
                next_step="check it with `modnet-export verify`",
            )
        return answer

    def run(self, count: int) -> dict[str, Any]:
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


@dataclass(frozen=True)
class HostTarget:
    """This machine."""

    name: str = HOST

    def measure(self, plan: Plan, record: Record, stop: threading.Event) -> None:
        """One run of every model a round, A B C A B C: what disturbs the machine disturbs them all alike.

        Raises ExportError for a model that does not load or a process that dies; what was measured stays.
        """
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="modnet_export_"))
            photo = Path(folder) / "image.npy"
            np.save(photo, plan.image_nhwc)
            workers: dict[str, _Worker] = {}
            runs: dict[str, Run] = {}
            for candidate in plan.candidates:
                if candidate.delegate == "nnapi":
                    record.fail(candidate.name, "NNAPI is Android's: measure it with --target adb")
                    continue
                record.status(self.name, f"loading {candidate.name}", 0, 0)
                conditions = {
                    **host_conditions(candidate.threads, _PACKAGES),
                    "target": self.name,
                    "artefact": candidate.file,
                    "sha256": candidate.sha256,
                    "delegate": candidate.delegate,
                    "size": "x".join(map(str, plan.image_nhwc.shape[1:3])),
                }
                try:
                    worker = _Worker(candidate, photo)
                except ExportError as error:
                    record.fail(candidate.name, str(error))
                    continue
                stack.callback(worker.close)
                run = resumed(record, candidate.name, {**conditions, "engine": worker.started["engine"]})
                started = {name: worker.started[name] for name in ("init_ms", "first_ms", "allocated_bytes")}
                runs[candidate.name] = replace(run, **started)
                workers[candidate.name] = worker
            self._rounds(plan, record, stop, workers, runs)
            if plan.profile:
                for candidate in plan.candidates:
                    # What a GPU does op by op is not to be seen from here.
                    if candidate.name in workers and candidate.delegate == "cpu" and not stop.is_set():
                        record.status(self.name, f"profiling {candidate.name}", 0, 0)
                        ops = profile(candidate.path, plan.image_nhwc, candidate.threads)
                        record.keep(replace(runs[candidate.name], profile=ops))

    def _rounds(
        self, plan: Plan, record: Record, stop: threading.Event, workers: dict[str, _Worker], runs: dict[str, Run]
    ) -> None:
        def answers(name: str) -> dict[str, Any]:
            try:
                return workers[name].run(1)
            except ExportError as error:
                record.fail(name, str(error))
                del workers[name]
                return {}

        for done in range(WARMUP_ROUNDS):
            record.status(self.name, "warming up", done, WARMUP_ROUNDS)
            for name in list(workers):
                taken = answers(name).get("samples_ms", ())
                runs[name] = replace(runs[name], warmup_ms=(*runs[name].warmup_ms, *taken))
        started, kept = time.monotonic(), time.monotonic()
        while not stop.is_set() and any(_wanted(plan, runs[name]) for name in workers):
            for name in list(workers):
                at_s = time.monotonic() - started
                if not _wanted(plan, runs[name]) or not (answer := answers(name)):
                    continue
                before = runs[name]
                runs[name] = replace(
                    before,
                    samples_ms=(*before.samples_ms, *answer["samples_ms"]),
                    at_s=(*before.at_s, at_s),
                    peak_memory_bytes=max(before.peak_memory_bytes or 0, answer["peak_bytes"]),
                )
            if time.monotonic() - kept > _KEEP_SECONDS:  # not after each of thousands of fast runs
                record.keep(*runs.values())
                kept = time.monotonic()
            first = next(iter(runs.values()))
            done, total = len(first.samples_ms), plan.runs if plan.seconds is None else 0
            record.status(self.name, "measuring", done, total)
        record.keep(*runs.values())


def _wanted(plan: Plan, run: Run) -> bool:
    if plan.sustained_minutes is not None:
        return not run.at_s or run.at_s[-1] < plan.sustained_minutes * 60
    return missing(plan, run)
