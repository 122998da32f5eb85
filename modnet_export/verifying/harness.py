"""Runs many models on many images: in chunks, in several processes or on a cluster, resumable, in constant memory.

A chunk of images goes through the reference first; the fitted images and the reference's mattes stay on disk. Then each
model takes the chunks in turn. Only numbers come back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from converters.progress import Progress, silent
from modnet_export.images.inputs import Input
from modnet_export.model.checkpoint import Source
from modnet_export.record.choices import Convention
from modnet_export.record.contract import Size
from modnet_export.verifying import tasks
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.state import Cache, Owner, Row, State
from modnet_export.verifying.tasks import REFERENCE, Candidate, Chunk
from modnet_export.verifying.workers import Pool, Workers

CHUNK = 8


@dataclass(frozen=True)
class Trial:
    """One model and the inputs that it is judged on."""

    candidate: Candidate
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Plan:
    """What to measure: every trial against the reference of ``source`` at ``size``.

    ``inputs`` are all that the reference runs on. ``state`` is a folder that keeps what is finished; on a cluster all
    machines must see it.
    """

    source: Source
    size: Size
    inputs: tuple[Input, ...]
    trials: tuple[Trial, ...]
    state: Path
    convention: Convention = "plain"
    """Of Grad and Conn."""


@dataclass(frozen=True)
class Results:
    """All rows by candidate and input, and the fitted inputs, as long as the state folder is there."""

    rows: Mapping[tuple[str, str], Row]
    unreadable: Mapping[str, str]
    """The inputs that no model could be given, and why."""
    cache: Cache

    def of(self, candidate: Candidate | None, item: Input) -> Row | None:
        """A candidate's row; None for the reference's."""
        return self.rows.get((REFERENCE if candidate is None else candidate.identity, item.key))

    def sample(self, item: Input) -> Sample:
        """A readable input with the reference's matte for it, as the candidates were given it."""
        return self.cache.get(item).sample(item.name)


def _chunks(inputs: Sequence[Input], wanted: Callable[[Input], bool], make: Callable[..., Chunk]) -> Iterator[Chunk]:
    """The wanted inputs in chunks, each with the frame before its first one where that one follows another."""
    for start in range(0, len(inputs), CHUNK):
        indices = [index for index in range(start, min(start + CHUNK, len(inputs))) if wanted(inputs[index])]
        # Frames must stay consecutive: one that follows a frame which is done already needs that frame again.
        if indices:
            first = indices[0]
            lead = inputs[first].follows and first > 0
            span = range(indices[0], indices[-1] + 1) if any(item.follows for item in inputs) else indices
            yield make(inputs=tuple(inputs[index] for index in ([first - 1] if lead else []) + list(span)), lead=lead)


@dataclass(frozen=True)
class _Work:
    """The tasks of one stage, of whose ``total`` inputs ``done`` are finished already."""

    stage: str
    tasks: list[Callable[[], list[Row]]]
    total: int
    done: int = 0


def run(plan: Plan, workers: Workers | None = None, progress: Progress = silent) -> Results:
    """Measure every trial of a plan.

    A run that was stopped goes on from its state folder. An input that cannot be read is reported in the result, and
    the rest goes on. Raises ExportError for a state folder that belongs to something else.
    """
    workers = workers or Workers()
    jobs = workers.count(len(plan.inputs))
    threads = None if jobs == 1 else max(1, (os.cpu_count() or 1) // jobs)
    state = State(plan.state, Owner.present(plan.source, plan.size, plan.convention))
    make = partial(Chunk, size=plan.size, cache=state.cache, threads=threads, convention=plan.convention)
    with workers.pool(jobs) as pool:
        _finish(_of_reference(plan, state, make), pool, state, progress)
        rows = {item.name: state.rows.get((REFERENCE, item.key)) for item in plan.inputs}
        lost = {name: "the reference has no result" for name, row in rows.items() if row is None}
        unreadable = lost | {name: row.error for name, row in rows.items() if row is not None and row.error}
        _finish(_of_trials(plan, state, make, unreadable), pool, state, progress)
    return Results(state.rows, unreadable, state.cache)


def _finish(work: _Work, pool: Pool, state: State, progress: Progress) -> None:
    """Run the tasks, and keep each one's rows as soon as they are there."""
    done = work.done
    progress(work.stage, done, work.total)
    for rows in pool(work.tasks):
        state.add(rows)
        done += len(rows)
        progress(work.stage, done, work.total)


def _of_reference(plan: Plan, state: State, make: Callable[..., Chunk]) -> _Work:
    def wanted(item: Input) -> bool:
        return (REFERENCE, item.key) not in state.rows or not state.cache.holds(item)

    chunks = list(_chunks(plan.inputs, wanted, make))
    todo = sum(len(chunk.asked) for chunk in chunks)
    work = [partial(tasks.run_reference, plan.source, chunk) for chunk in chunks]
    return _Work("running the reference", list(work), len(plan.inputs), len(plan.inputs) - todo)


def _of_trials(plan: Plan, state: State, make: Callable[..., Chunk], unreadable: Collection[str]) -> _Work:
    work: list[Callable[[], list[Row]]] = []
    todo = 0
    for trial in plan.trials:
        judged, identity = set(trial.inputs), trial.candidate.identity

        def wanted(item: Input, judged: set[Input] = judged, identity: str = identity) -> bool:
            return item in judged and item.name not in unreadable and (identity, item.key) not in state.rows

        for chunk in _chunks(plan.inputs, wanted, make):
            work.append(partial(tasks.run_candidate, trial.candidate, chunk))
            todo += len(chunk.asked)
    return _Work(f"running {len(plan.trials)} models", work, todo)
