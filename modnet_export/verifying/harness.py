"""Runs many models on many images: in chunks, in several processes or on a cluster, resumable, in constant memory.

A chunk of images goes through the reference first; the fitted images and the reference's mattes stay on disk. Then each
model takes the chunks in turn, so that a worker holds one model at a time. Only numbers come back.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from converters.choices import ComputeUnit, Delegate
from converters.errors import ExportError, needs
from converters.progress import Progress, silent
from converters.runtimes import Runtime, open_runtime
from modnet_export.images.imaging import Pixels, Placement, restore_matte
from modnet_export.images.inputs import Input, fit, read_frames
from modnet_export.model.checkpoint import Source
from modnet_export.record.choices import Engine
from modnet_export.record.contract import Size
from modnet_export.record.files import write_bytes
from modnet_export.verifying import metrics

CHUNK = 8
_REFERENCE = "reference"
PARTLY = "not fully accelerated: a part ran on the CPU"
FALLBACK = "bit-identical to the CPU's matte: the GPU was not used"
# Fewer inputs than this are done sooner than another process is started.
_WORTH_A_PROCESS = 6

R = TypeVar("R")


@dataclass(frozen=True)
class Workers:
    """What runs the work. ``jobs`` None: one process for a few inputs, else up to four."""

    jobs: int | None = None
    engine: Engine = "processes"
    cluster: str | None = None
    """The address of a running dask cluster; None: a local one."""

    def count(self, inputs: int) -> int:
        """How many processes ``inputs`` are worth."""
        if self.jobs is not None:
            return self.jobs
        return 1 if inputs < _WORTH_A_PROCESS else max(1, min(os.cpu_count() or 1, 4))


@dataclass(frozen=True)
class Candidate:
    """One model run in one way. ``identity`` tells it from every other in a state folder."""

    file: str
    path: Path
    sha256: str
    delegate: Delegate = "cpu"
    compute_unit: ComputeUnit = "ALL"

    @property
    def identity(self) -> str:
        return f"{self.sha256}:{self.delegate}:{self.compute_unit}"


@dataclass(frozen=True)
class Row:
    """What one model gave on one input; ``error`` says why there is nothing."""

    candidate: str
    key: str
    values: dict[str, float] = field(default_factory=dict)
    truth: dict[str, float] = field(default_factory=dict)
    engine: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Results:
    """All rows by candidate and input; ``unreadable`` names the inputs that no model could be given, and why."""

    rows: Mapping[tuple[str, str], Row]
    unreadable: Mapping[str, str]

    def of(self, candidate: Candidate | None, item: Input) -> Row | None:
        return self.rows.get((_REFERENCE if candidate is None else candidate.identity, item.key))


@dataclass(frozen=True)
class _Chunk:
    """Consecutive inputs; the first of them may be there only as the frame before the second."""

    inputs: tuple[Input, ...]
    lead: bool
    size: Size
    cache: Path
    threads: int | None

    @property
    def asked(self) -> tuple[Input, ...]:
        return self.inputs[1:] if self.lead else self.inputs


def _cached(chunk: _Chunk, item: Input) -> Path:
    return chunk.cache / f"{item.key}.npz"


def _load(inputs: Sequence[Input], size: Size) -> Iterator[tuple[Input, tuple[Pixels, Placement] | ExportError]]:
    """Every input as a model takes it, or the reason why there is none."""
    if all(item.kind == "frame" for item in inputs):
        pending = list(inputs)
        try:
            for item, pixels in read_frames(inputs):
                pending.remove(item)
                yield item, fit(pixels, size)
        except ExportError as error:
            yield from ((item, error) for item in pending)
        return
    for item in inputs:
        try:
            yield item, item.load(size)
        except ExportError as error:
            yield item, error


@lru_cache(maxsize=1)
def _reference(source: Source, threads: int | None) -> Any:
    import torch

    from modnet_export.model.reference import open_reference

    if threads is not None:
        torch.set_num_threads(threads)
    return open_reference(source)


def _run_reference(source: Source, chunk: _Chunk) -> list[Row]:
    """Fit the images, run the reference, keep both on disk."""
    reference = _reference(source, chunk.threads)
    rows: list[Row] = []
    for item, loaded in _load(chunk.asked, chunk.size):
        try:
            if isinstance(loaded, ExportError):
                raise loaded
            image_nhwc, placement = loaded
            truth = item.read_truth((placement.height, placement.width))
        except ExportError as error:
            rows.append(Row(_REFERENCE, item.key, error=str(error)))
            continue
        matte_nhwc = reference.run(image_nhwc)
        buffer = io.BytesIO()
        place = np.array([getattr(placement, name) for name in Placement.__dataclass_fields__])
        np.savez(buffer, image=np.rint(image_nhwc * 255).astype(np.uint8), matte=matte_nhwc, placement=place)
        write_bytes(_cached(chunk, item), buffer.getvalue())
        rows.append(
            Row(_REFERENCE, item.key, truth=_truth_errors(matte_nhwc, placement, truth), engine=reference.engine)
        )
    return rows


def _truth_errors(matte_nhwc: Pixels, placement: Placement, truth: Pixels | None) -> dict[str, float]:
    if truth is None:
        return {}
    return metrics.against_truth(restore_matte(matte_nhwc, placement, "letterbox"), truth)


@lru_cache(maxsize=1)
def _runtime(candidate: Candidate, threads: int | None) -> Runtime:
    return open_runtime(
        candidate.path, threads=threads, compute_unit=candidate.compute_unit, delegate=candidate.delegate
    )


def _run_candidate(candidate: Candidate, chunk: _Chunk) -> list[Row]:
    """Run a model on a chunk that the reference has seen, and compare."""
    try:
        runtime = _runtime(candidate, chunk.threads)
    except ExportError as error:
        return [Row(candidate.identity, item.key, error=str(error)) for item in chunk.asked]
    rows: list[Row] = []
    before: tuple[Pixels, Pixels] | None = None
    for item in chunk.inputs:
        path = _cached(chunk, item)
        if not path.exists():  # it could not be read
            before = None
            continue
        with np.load(path) as stored:
            image_nhwc = stored["image"].astype(np.float32) / np.float32(255)
            expected_nhwc, placement = stored["matte"], Placement(*map(int, stored["placement"]))
        matte_nhwc = runtime.run(image_nhwc)
        predicted, expected = matte_nhwc[0, :, :, 0], expected_nhwc[0, :, :, 0]
        if item in chunk.asked:
            values = metrics.against_reference(predicted, expected)
            if item.follows and before is not None:
                values["flicker"] = metrics.flicker((predicted, before[0]), (expected, before[1]))
            errors = _truth_errors(matte_nhwc, placement, item.read_truth((placement.height, placement.width)))
            notes = _gpu_notes(runtime, matte_nhwc, candidate, image_nhwc) if candidate.delegate == "gpu" else ()
            rows.append(Row(candidate.identity, item.key, values, errors, runtime.engine, notes=notes))
        before = (predicted, expected)
    return rows


def _gpu_notes(runtime: Any, matte_nhwc: Pixels, candidate: Candidate, image_nhwc: Pixels) -> tuple[str, ...]:
    """What gives a GPU run away that ran on the CPU."""
    notes = () if runtime.fully_accelerated else (PARTLY,)
    on_cpu = (open_runtime(candidate.path, delegate=delegate).run(image_nhwc) for delegate in ("cpu", "builtin"))
    return (*notes, FALLBACK) if any(np.array_equal(matte, matte_nhwc) for matte in on_cpu) else notes


def _call(task: Callable[[], R]) -> R:
    return task()


@contextmanager
def _workers(workers: Workers, jobs: int) -> Iterator[Callable[[Iterable[Callable[[], R]]], Iterator[R]]]:
    """Something that runs tasks and yields their results as they come."""
    if workers.engine == "dask":
        needs("distributed", extra="cluster")
        from distributed import Client, LocalCluster, as_completed

        with ExitStack() as stack:
            cluster = workers.cluster or stack.enter_context(
                LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
            )
            client = stack.enter_context(Client(cluster))

            def run_dask(tasks: Iterable[Callable[[], R]]) -> Iterator[R]:
                for _, result in as_completed(client.map(_call, list(tasks), pure=False), with_results=True):
                    yield result

            yield run_dask
    elif jobs == 1:
        yield partial(map, _call)
    else:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures import as_completed as completed

        # A forked copy of a process that has run torch or TensorFlow may hang.
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:

            def run_processes(tasks: Iterable[Callable[[], R]]) -> Iterator[R]:
                futures = [pool.submit(_call, task) for task in tasks]
                try:
                    for future in completed(futures):
                        yield future.result()
                finally:
                    for future in futures:
                        future.cancel()

            yield run_processes


def _chunks(inputs: Sequence[Input], wanted: Callable[[Input], bool], make: Callable[..., _Chunk]) -> Iterator[_Chunk]:
    """The wanted inputs in chunks, each with the frame before its first one where it follows it."""
    for start in range(0, len(inputs), CHUNK):
        indices = [index for index in range(start, min(start + CHUNK, len(inputs))) if wanted(inputs[index])]
        # Frames must stay consecutive: one that follows a frame which is done already needs that frame again.
        if indices:
            first = indices[0]
            lead = inputs[first].follows and first > 0
            span = range(indices[0], indices[-1] + 1) if any(item.follows for item in inputs) else indices
            yield make(inputs=tuple(inputs[index] for index in ([first - 1] if lead else []) + list(span)), lead=lead)


class _State:
    """Finished rows in a folder, one JSON object a line, written as they come."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.cache = folder / "inputs"
        self.cache.mkdir(parents=True, exist_ok=True)
        self._path = folder / "rows.jsonl"
        owner = folder / "state.json"
        if owner.exists() and json.loads(owner.read_text()) != identity:
            raise ExportError(
                f"{folder} holds the state of another verification",
                where=folder,
                expected="the same checkpoint and size as when it was written",
                next_step="choose another folder with --state, or remove this one",
            )
        write_bytes(owner, json.dumps(identity).encode())
        self.rows: dict[tuple[str, str], Row] = {}
        for line in self._path.read_text().splitlines() if self._path.exists() else []:
            try:
                content = json.loads(line)
            except json.JSONDecodeError:  # the line that a killed run was writing
                continue
            row = Row(**{**content, "notes": tuple(content["notes"])})
            if not row.error:  # what failed is tried again
                self.rows[(row.candidate, row.key)] = row

    def add(self, rows: Iterable[Row]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            for row in rows:
                self.rows[(row.candidate, row.key)] = row
                file.write(json.dumps(vars(row)) + "\n")


def run(
    source: Source,
    size: Size,
    inputs: Sequence[Input],
    candidates: Sequence[Candidate],
    *,
    state: Path,
    asked: Callable[[Candidate, Input], bool] = lambda candidate, item: True,
    workers: Workers | None = None,
    progress: Progress = silent,
) -> Results:
    """Measure every candidate on every input that it is ``asked`` about, against the reference at ``size``.

    ``state`` keeps what is finished: a run that was stopped goes on from there. On a cluster it must be a
    folder that all machines see. An input that cannot be read is reported in the result, and the rest goes on.
    """
    workers = workers or Workers()
    jobs = workers.count(len(inputs))
    threads = None if jobs == 1 else max(1, (os.cpu_count() or 1) // jobs)
    kept = _State(state, f"{source.sha256} {size}")
    make = partial(_Chunk, size=size, cache=kept.cache.resolve(), threads=threads)

    def missing(name: str, item: Input) -> bool:
        done = (name, item.key) in kept.rows
        return not done or (name == _REFERENCE and not (kept.cache / f"{item.key}.npz").exists())

    with _workers(workers, jobs) as work:
        total, done = len(inputs), 0
        stage = "running the reference"
        progress(stage, done, total)
        chunks = list(_chunks(inputs, partial(missing, _REFERENCE), partial(make)))
        done = total - sum(len(chunk.asked) for chunk in chunks)
        for rows in work([partial(_run_reference, source, chunk) for chunk in chunks]):
            kept.add(rows)
            done += len(rows)
            progress(stage, done, total)
        unreadable = {item.name: row.error for item in inputs if (row := kept.rows[(_REFERENCE, item.key)]).error}
        tasks: list[Callable[[], list[Row]]] = []
        todo = 0
        for candidate in candidates:

            def wanted(item: Input, candidate: Candidate = candidate) -> bool:
                return item.name not in unreadable and asked(candidate, item) and missing(candidate.identity, item)

            for chunk in _chunks(inputs, wanted, make):
                tasks.append(partial(_run_candidate, candidate, chunk))
                todo += len(chunk.asked)
        done, stage = 0, f"running {len(candidates)} models"
        progress(stage, done, todo)
        for rows in work(tasks):
            kept.add(rows)
            done += len(rows)
            progress(stage, done, todo)
    return Results(kept.rows, unreadable)
