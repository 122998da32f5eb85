"""Latencies on an Android device: blocks of runs, the models in turn, on a device that is cool."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from benchmarks.android import app, facts
from benchmarks.android.flags import Timing
from benchmarks.android.session import DeviceSession
from benchmarks.choices import Delegate
from benchmarks.plan import Plan, Subject
from benchmarks.results import RAN_ON, THROTTLED, Run

_BLOCK_S = 2.0
"""How long a block runs at least: clocks and schedulers need that long to settle."""
_SUSTAINED_BLOCK_S = 30.0
_WARMUP_S: Mapping[Delegate, float] = {"gpu": 2.0}
"""How long a process warms up at least; 1 s where nothing is said."""
_DROPPED = 10
"""So many blocks that made the device throttle are taken again, for each model; the next ones stay and are marked."""
_IDLE_MARK = "idle for"
_IDLE = 0.8
"""A sustained load that works for less of its time than this is marked: it heats less than it says."""


def measure(session: DeviceSession, plan: Plan, subjects: Sequence[Subject]) -> None:
    """Blocks of every model in turn, until each has its runs; what there is of them is kept after each block.

    A sustained load has its models one after the other. Raises ExportError for runs that were begun under other
    conditions, StoppedError, DeviceGoneError.
    """
    in_app = session.settings.app is not None
    # A start of an app is a block, too: it tells every run, but models are compared turn by turn.
    runs = max(1, -(-plan.runs // session.settings.blocks))
    timing = Timing(runs, 0 if session.settings.functional else _BLOCK_S)
    if plan.sustained_minutes is not None:
        # An app tells every run of one long process; of benchmark_model's process there would be one mean.
        timing = Timing(1, plan.sustained_minutes * 60 if in_app else _SUSTAINED_BLOCK_S)
    sample = "one run" if in_app else f"the mean of at least {timing.runs} runs and {timing.seconds:g} s"
    begun: dict[Subject, Run] = {}
    for subject in subjects:
        conditions = {**session.conditions, **plan.conditions(subject), "a sample is": sample}
        if subject.delegate == "gpu":
            conditions |= session.settings.gpu.conditions(None if session.tool is None else session.tool.kind)
        begun[subject] = session.record.begun(subject, conditions)
    for together in [begun] if plan.sustained_minutes is None else [{key: run} for key, run in begun.items()]:
        _in_turn(session, plan, together, timing)


def _in_turn(session: DeviceSession, plan: Plan, runs: dict[Subject, Run], timing: Timing) -> None:
    """Blocks of every model in turn, until each has its runs."""
    started, wanted = time.monotonic(), session.settings.blocks

    def wants_more(run: Run) -> bool:
        taken = _blocks(run) if plan.sustained_minutes is not None else plan.runs * (_blocks(run) >= wanted)
        return plan.wants_more(taken=taken, taken_ms=_busy_ms(run), elapsed_s=time.monotonic() - started)

    while any(wants_more(run) for run in runs.values()):
        for subject, before in list(runs.items()):
            session.device.adb.raise_if_stopped()
            if not wants_more(before):
                continue
            timed = plan.seconds or plan.sustained_minutes
            session.record.progress(session.record.run_name(subject), _blocks(before), 0 if timed else wanted)
            run = session.retried(subject, "", partial(_step, session, plan, subject, before, timing, started))
            if run is None:
                del runs[subject]
            else:
                session.record.keep(run)
                runs[subject] = run


def _blocks(run: Run) -> int:
    """How many there are; those of an app, but of a sustained load, have one time for all samples of each start."""
    return len(run.blocks) or len(set(run.at_s))


def _busy_ms(run: Run) -> float:
    """How long all timed runs took together."""
    if run.blocks:
        return sum(block.mean_ms * block.count for block in run.blocks)
    return sum(run.samples_ms)


def _step(session: DeviceSession, plan: Plan, subject: Subject, before: Run, timing: Timing, started: float) -> Run:
    """A run with one block more, and what the device said about itself before and after it.

    ``started``: when the measurement began, by the monotonic clock. Before a block the device must be cool, and one
    that made it throttle is dropped and taken again, unless the load is to be sustained.
    """
    sustained = plan.sustained_minutes is not None
    warm = () if sustained else _cool(session)
    # A sustained load goes on from what was read after its last block: every question is a pause.
    state = before.after if sustained and before.blocks else facts.state(session.device)
    at_s = time.monotonic() - started
    if not sustained or not before.blocks:
        timing = replace(timing, warmup_s=0 if not timing.seconds else _WARMUP_S.get(subject.delegate, 1.0))
    taken = _taken(session, plan, subject, before, timing, at_s)
    after = facts.state(session.device)
    throttled = _throttled(state, after)
    dropped = int(before.after.get("dropped_blocks", 0))
    if throttled and not warm and not sustained and dropped < _DROPPED:
        return replace(before, after={**before.after, "dropped_blocks": dropped + 1})
    marks = {*taken.marks, *session.marks, *warm, *throttled, *_capped(state), *session.unpinned()}
    if "off" in (state.get("screen"), after.get("screen")):
        marks.add("screen off")
    if plan.samples and not session.takes_image(subject):
        marks.add("matte not compared")
    more: dict[str, str | int | float] = {"dropped_blocks": dropped} if dropped else {}
    if sustained:
        more["duty_cycle"] = duty = round(min(1, _busy_ms(taken) / 1e3 / (time.monotonic() - started)), 3)
        marks = {mark for mark in marks if not mark.startswith(_IDLE_MARK)}
        if duty < _IDLE:
            marks.add(f"{_IDLE_MARK} {1 - duty:.0%} of the time")
    in_app = taken.after if session.settings.app else {}
    clocks, moments = session.clocks(at_s)
    return replace(
        taken,
        trace=(*taken.trace, *moments),
        before=before.before or {**state, **session.state, **taken.before},
        after={**after, **in_app, **clocks, **more},
        marks=tuple(sorted(marks)),
    )


def _taken(session: DeviceSession, plan: Plan, subject: Subject, before: Run, timing: Timing, at_s: float) -> Run:
    """A run with one block more, which began ``at_s`` seconds after the measurement."""
    if session.settings.app is not None:
        result, _ = app.drive(session, subject, plan.image_nhwc, timing)
        # What was taken in one go has one time: comparisons take it for one turn. A sustained load has one go only.
        since_s = (plan.sustained_minutes is not None and result.at_s) or (0.0,) * len(result.samples_ms)
        return replace(
            before,
            samples_ms=(*before.samples_ms, *result.samples_ms),
            at_s=(*before.at_s, *(at_s + since for since in since_s)),
            trace=(*before.trace, *(replace(moment, at_s=at_s + moment.at_s) for moment in result.trace)),
            warmup_ms=(*before.warmup_ms, *result.warmup_ms),
            init_ms=before.init_ms or result.init_ms,
            first_ms=before.first_ms or result.first_ms,
            end_to_end_ms=(*before.end_to_end_ms, *result.end_to_end_ms),
            cold_start_ms=before.cold_start_ms + (() if result.cold_start_ms is None else (result.cold_start_ms,)),
            pss_bytes=before.pss_bytes + (() if result.pss_bytes is None else (result.pss_bytes,)),
            before=before.before or _in_app(result.before),
            after=_in_app(result.after),
        )
    block = session.block(subject, timing)
    marks = set(before.marks)
    if block.delegated and block.delegated[0] < block.delegated[1]:
        marks.add(f"only {block.delegated[0]} of {block.delegated[1]} nodes on the {subject.delegate}")
    ran_on = before.conditions.get(RAN_ON, block.api)
    if block.api is not None and ran_on != block.api:
        marks.add(f"ran on {ran_on}, then on {block.api}")
    return replace(
        before,
        conditions={**before.conditions, **({} if ran_on is None else {RAN_ON: ran_on})},
        samples_ms=(*before.samples_ms, block.mean_ms),
        at_s=(*before.at_s, at_s),
        warmup_ms=before.warmup_ms + (() if block.warmup_ms is None else (block.warmup_ms,)),
        blocks=(*before.blocks, block),
        init_ms=before.init_ms or block.init_ms,
        first_ms=before.first_ms or block.first_ms,
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
    limits_khz = [facts.frequencies_khz(state.get("scaling_max_freq")) for state in (before, after)]
    if 0 < limits_khz[1] < limits_khz[0]:
        marks.add(f"{THROTTLED}: frequencies capped")
    return marks


def _capped(state: Mapping[str, str | int | float]) -> set[str]:
    """A mark where the device allows its cores less than they have, even before anything runs."""
    share = facts.allowed_share(state)
    return {f"cores capped at {share:.0%}"} if share is not None and share < 1 else set()
