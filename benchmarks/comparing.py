"""Measurements compared: which one is faster, or that it cannot be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import median

from benchmarks import formats
from benchmarks.results import Bench, Failure, Run
from benchmarks.statistics import Comparison, compare_models, compare_sessions, corrected
from converters.errors import ExportError

# What two runs may differ in and still be compared, because it is what one compares.
_MAY_DIFFER = frozenset({"sha256", "modnet-export"})
_COMPARED = frozenset({"artefact", "threads", "delegate", "engine"})
"""What the models of one file may differ in."""


@dataclass(frozen=True)
class CompareRequest:
    """Two files, run by run; or one file, where the first run on each target is compared with the others there."""

    first: Path
    """A .json that a benchmark wrote."""
    second: Path | None = None
    again: tuple[Path, ...] = ()
    """Other sessions of what ``first`` holds: they tell how the machine differs from one session to another."""


@dataclass(frozen=True)
class Compared:
    """Two runs by name, and what their samples say about the second against the first."""

    first: str
    second: str
    comparison: Comparison


@dataclass(frozen=True)
class Comparisons:
    """What could be compared, and the models that could not be measured in one of the files."""

    compared: tuple[Compared, ...]
    failures: tuple[Failure, ...]


def compare(request: CompareRequest) -> Comparisons:
    """Compare the runs of the files that a request names.

    Raises ExportError for files that hold no benchmark, have no runs to compare, or were measured under conditions
    that do not agree.
    """
    first = formats.load(request.first)
    if request.second is None:
        if request.again:
            raise ExportError(
                "there is nothing to compare the sessions with", where="`again`", expected="`second`, another file"
            )
        return Comparisons(_within(request.first, first), _crashes(first))
    second = formats.load(request.second)
    failures = _crashes(first, second)
    if failures and not {run.name for run in first.runs} & {run.name for run in second.runs}:
        return Comparisons((), failures)
    pairs = comparable(first, second)
    sessions = _sessions(request, first, second, pairs)
    found = corrected([compare_sessions(sessions[a.name], [b.samples_ms], of_blocks=bool(a.blocks)) for a, b in pairs])
    return Comparisons(_named(pairs, found), failures)


def _sessions(
    request: CompareRequest, first: Bench, second: Bench, pairs: Sequence[tuple[Run, Run]]
) -> Mapping[str, list[Sequence[float]]]:
    """By run: its samples in the first file and in every further session of it."""
    sessions: dict[str, list[Sequence[float]]] = {run.name: [run.samples_ms] for run, _ in pairs}
    seen = {first.session, second.session}
    for path in request.again:
        other = formats.load(path)
        if other.session in seen:
            raise ExportError(f"{path.name} is a session that is already there", where=path, expected="another session")
        seen.add(other.session)
        for run, repeated in comparable(first, other):
            sessions.setdefault(run.name, []).append(repeated.samples_ms)
    return sessions


def _named(pairs: Sequence[tuple[Run, Run]], found: Sequence[Comparison]) -> tuple[Compared, ...]:
    return tuple(Compared(a.name, b.name, item) for (a, b), item in zip(pairs, found, strict=True))


def _crashes(*benches: Bench) -> tuple[Failure, ...]:
    """What failed as a whole, by name; not a part of it, such as its profile, whose name goes on after a colon."""
    failures = {item.name: item for bench in benches for item in bench.failures if ": " not in item.name}
    return tuple(failures.values())


def _within(path: Path, bench: Bench) -> tuple[Compared, ...]:
    """The models of one session, which took turns; those of each target by themselves."""
    targets: dict[str, list[Run]] = {}
    for run in bench.runs:
        targets.setdefault(run.target, []).append(run)
    groups = [[(runs[0], run) for run in runs[1:]] for runs in targets.values() if len(runs) > 1]
    if not groups and not _crashes(bench):
        raise ExportError(
            f"{path.name} holds {len(bench.runs)} run(s), and a comparison needs two on one target",
            where=path,
            next_step="choose a file with more runs, or a second file",
        )
    compared: list[Compared] = []
    for pairs in groups:
        _require_alike([(_bare(a), _bare(b)) for a, b in pairs], _COMPARED)
        of_blocks = any(run.blocks or len(_rounds(run)) < len(run.samples_ms) for both in pairs for run in both)
        compared += _named(pairs, compare_models([_together(a, b) for a, b in pairs], of_blocks=of_blocks))
    return tuple(compared)


def _bare(run: Run) -> Run:
    """Without the marks that say how much of a model a delegate took: delegates are what is compared."""
    return replace(run, marks=tuple(mark for mark in run.marks if " nodes on the " not in mark))


def _together(first: Run, second: Run) -> tuple[list[float], list[float]]:
    """The rounds that both took part in: a model that was done earlier, or that failed, leaves the others alone."""
    ours, theirs = _rounds(first), _rounds(second)
    common = min(len(ours), len(theirs))
    return ours[:common], theirs[:common]


def _rounds(run: Run) -> list[float]:
    """One value for each turn: the median of what was taken in one go, as inside an app."""
    if len(run.at_s) != len(run.samples_ms):
        return list(run.samples_ms)
    taken = zip(run.at_s, run.samples_ms, strict=True)
    return [median(sample for _, sample in turn) for _, turn in groupby(taken, key=lambda item: item[0])]


def comparable(first: Bench, second: Bench) -> list[tuple[Run, Run]]:
    """Runs of the same name; raises ExportError where none are, or where their conditions do not agree."""
    others = {run.name: run for run in second.runs}
    pairs = [(run, others[run.name]) for run in first.runs if run.name in others]
    if not pairs:
        raise ExportError(
            "the two files have no run in common",
            expected=f"one of {', '.join(run.name for run in first.runs)}",
        )
    _require_alike(pairs)
    return pairs


def _require_alike(pairs: Sequence[tuple[Run, Run]], may_differ: Collection[str] = ()) -> None:
    """Raise ExportError where the conditions or the marks of a pair do not agree, but for what ``may_differ``."""
    differing = sorted(
        {
            f"{key}: {a.conditions.get(key)} and {b.conditions.get(key)}"
            for a, b in pairs
            for key in {*a.conditions, *b.conditions} - _MAY_DIFFER - {*may_differ}
            if a.conditions.get(key) != b.conditions.get(key)
        }
    )
    differing += sorted(
        f"{a.name if a.name == b.name else f'{a.name} and {b.name}'}: "
        f"{', '.join(a.marks) or 'no marks'} and {', '.join(b.marks) or 'no marks'}"
        for a, b in pairs
        if set(a.marks) != set(b.marks)
    )
    if differing:
        raise ExportError(
            "\n  ".join(["the two were not measured under the same conditions:", *differing]),
            next_step="measure both on one machine, with the same versions and threads",
        )
