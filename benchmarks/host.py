"""Latency and memory on this machine: a pinned process a model, which take turns."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.measure import Bench, Run, host_conditions
from converters.errors import ExportError
from converters.runtimes import Delegate, Image

WARMUP_ROUNDS = 3
_PACKAGES = ("ai-edge-litert", "onnxruntime", "modnet-export")


@dataclass(frozen=True)
class Candidate:
    """One model, run in one way."""

    file: str
    path: Path
    sha256: str
    threads: int
    delegate: Delegate = "cpu"

    @property
    def name(self) -> str:
        delegate = "" if self.delegate == "cpu" else f" {self.delegate}"
        return f"{self.file} {self.threads}T{delegate}"


class _Worker:
    """A running ``benchmarks.worker``."""

    def __init__(self, candidate: Candidate, photo: Path) -> None:
        command = [candidate.path, photo, candidate.threads, candidate.delegate]
        self._name = candidate.name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
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


def measure(
    candidates: Sequence[Candidate],
    image_nhwc: Image,
    *,
    rounds: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Bench:
    """One run of every model a round, A B C A B C: what disturbs the machine disturbs them all alike.

    Raises ExportError for a model that does not load or a process that dies.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="modnet_export_"))
        photo = Path(folder) / "image.npy"
        np.save(photo, image_nhwc)
        workers: list[_Worker] = []
        for candidate in candidates:
            workers.append(_Worker(candidate, photo))
            stack.callback(workers[-1].close)
        taken: list[list[float]] = [[] for _ in candidates]
        peaks = [0] * len(candidates)
        for done in range(WARMUP_ROUNDS + rounds):
            for index, worker in enumerate(workers):
                answer = worker.run(1)
                taken[index] += answer["samples_ms"]
                peaks[index] = answer["peak_bytes"]
            progress(done + 1, WARMUP_ROUNDS + rounds)
    return Bench(
        session=uuid.uuid4().hex,
        runs=tuple(
            Run(
                candidate.name,
                tuple(samples[WARMUP_ROUNDS:]),
                tuple(samples[:WARMUP_ROUNDS]),
                {
                    **host_conditions(candidate.threads, _PACKAGES),
                    "target": "host",
                    "artefact": candidate.file,
                    "sha256": candidate.sha256,
                    "delegate": candidate.delegate,
                    "engine": worker.started["engine"],
                    "size": "x".join(map(str, image_nhwc.shape[1:3])),
                },
                init_ms=worker.started["init_ms"],
                first_ms=worker.started["first_ms"],
                peak_memory_bytes=peak,
            )
            for candidate, samples, worker, peak in zip(candidates, taken, workers, peaks, strict=True)
        ),
    )
