"""Latencies on an Android device: blocks of runs, the models in turn, on a device that is cool."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from benchmarks.android import app, facts
from benchmarks.android.session import DeviceSession
from benchmarks.plan import Plan, Subject
from benchmarks.results import THROTTLED, Run

BLOCKS = 5
"""The number of processes that the runs of a model are spread over, in turn with the other models."""


def measure(session: DeviceSession, plan: Plan, subjects: Sequence[Subject]) -> None:
    """Blocks of every model in turn, until each has its runs; what there is of them is kept after each block.

    Raises ExportError for runs that were begun under other conditions, StoppedError, DeviceGoneError.
    """
    per_block = max(1, -(-plan.runs // BLOCKS))
    per_sample = 1 if session.settings.app else per_block  # an app tells every single run
    runs: dict[Subject, Run] = {}
    for subject in subjects:
        conditions = {**session.conditions, **plan.conditions(subject), "runs a sample": per_sample}
        runs[subject] = session.record.begun(subject, conditions)
    started = time.monotonic()

    def wants_more(run: Run) -> bool:
        return plan.wants_more(
            taken=len(run.samples_ms) * per_sample,
            taken_ms=sum(run.samples_ms) * per_sample,
            elapsed_s=time.monotonic() - started,
        )

    while any(wants_more(run) for run in runs.values()):
        for subject, before in list(runs.items()):
            session.device.adb.raise_if_stopped()
            if not wants_more(before):
                continue
            total = 0 if plan.seconds or plan.sustained_minutes else plan.runs
            session.record.progress(session.record.run_name(subject), len(before.samples_ms) * per_sample, total)
            step = partial(_step, session, plan, subject, before, per_block, started)
            run = session.retried(subject, "", step)
            if run is None:
                del runs[subject]
            else:
                session.record.keep(run)
                runs[subject] = run


def _step(session: DeviceSession, plan: Plan, subject: Subject, before: Run, runs: int, started: float) -> Run:
    """A run with one block more, and what the device said about itself before and after it.

    ``started``: when the measurement began, by the monotonic clock. Before a block the device must be cool, but where
    a load is to be sustained.
    """
    warm = _cool(session) if plan.sustained_minutes is None else ()
    state, at_s = facts.state(session.device), time.monotonic() - started
    taken = _taken(session, plan, subject, before, runs, at_s)
    after = facts.state(session.device)
    marks = {*taken.marks, *session.marks, *warm, *_throttled(state, after)}
    in_app = taken.after if session.settings.app else {}
    return replace(
        taken,
        before=before.before or {**state, **taken.before},
        after={**after, **in_app},
        marks=tuple(sorted(marks)),
    )


def _taken(session: DeviceSession, plan: Plan, subject: Subject, before: Run, runs: int, at_s: float) -> Run:
    """A run with one block more, which began ``at_s`` seconds after the measurement."""
    if session.settings.app is not None:
        result, _ = app.drive(session, subject, plan.image_nhwc, runs)
        return replace(
            before,
            samples_ms=(*before.samples_ms, *result.samples_ms),
            at_s=(*before.at_s, *([at_s] * len(result.samples_ms))),
            warmup_ms=(*before.warmup_ms, *result.warmup_ms),
            init_ms=before.init_ms or result.init_ms,
            first_ms=before.first_ms or result.first_ms,
            end_to_end_ms=(*before.end_to_end_ms, *result.end_to_end_ms),
            cold_start_ms=before.cold_start_ms + (() if result.cold_start_ms is None else (result.cold_start_ms,)),
            pss_bytes=before.pss_bytes + (() if result.pss_bytes is None else (result.pss_bytes,)),
            before=before.before or _in_app(result.before),
            after=_in_app(result.after),
        )
    block = session.block(subject, runs)
    marks = set(before.marks)
    if subject.delegate != "cpu" and block.delegated is not None and block.delegated[0] < block.delegated[1]:
        marks.add(f"only {block.delegated[0]} of {block.delegated[1]} nodes on the {subject.delegate}")
    peaks = [peak for peak in (before.peak_memory_bytes, block.peak_memory_bytes) if peak is not None]
    return replace(
        before,
        samples_ms=(*before.samples_ms, block.mean_ms),
        at_s=(*before.at_s, at_s),
        warmup_ms=before.warmup_ms + (() if block.warmup_ms is None else (block.warmup_ms,)),
        blocks=(*before.blocks, block),
        init_ms=before.init_ms or block.init_ms,
        first_ms=before.first_ms or block.first_ms,
        peak_memory_bytes=max(peaks, default=None),
        marks=tuple(sorted(marks)),
    )


def _in_app(state: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    """What an app read of the device, by names that tell it from what adb's shell reads."""
    return {f"{name} in the app": value for name, value in state.items()}


def _cool(session: DeviceSession) -> tuple[str, ...]:
    """Wait until the device says that it is cool. What to mark the run with where it stays warm, or does not say."""
    deadline = time.monotonic() + session.settings.cool_timeout_s
    while True:
        status = facts.thermal_status(session.device)
        if status == 0:
            return ()
        if status is None:
            return ("thermal status unknown",)
        if time.monotonic() >= deadline:
            return (f"started warm: thermal status {facts.thermal_name(status)}",)
        session.record.progress(f"cooling down ({facts.thermal_name(status)})")
        session.device.adb.pause(2)


def _throttled(before: Mapping[str, str | int | float], after: Mapping[str, str | int | float]) -> set[str]:
    """Marks for throttling, from the device's states before and after a block (see ``facts.state``)."""
    marks = set[str]()
    status = max(int(before.get("thermal_status", 0)), int(after.get("thermal_status", 0)))
    if int(after.get("thermal_status", 0)) > 0:
        marks.add(f"{THROTTLED}: thermal status {facts.thermal_name(status)}")
    limits = [str(state.get("scaling_max_freq", "")) for state in (before, after)]
    if limits[0] and limits[1] and _total(limits[1]) < _total(limits[0]):
        marks.add(f"{THROTTLED}: frequencies capped")
    return marks


def _total(frequencies: str) -> int:
    return sum(int(value) for value in frequencies.split(", ") if value.isdecimal())
