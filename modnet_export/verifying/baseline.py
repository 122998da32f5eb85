"""A verification held against an earlier one: what is worse now, and what cannot be compared.

``modnet_export.verifying.simulate`` tells how often sound runs fail by these rules, and how often faults are found.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Protocol

from converters.errors import ExportError, few
from modnet_export.record.choices import Convention
from modnet_export.record.contract import Size
from modnet_export.record.manifest import SourceRecord
from modnet_export.record.measures import MEASURES
from modnet_export.verifying.gates import NAMED
from modnet_export.verifying.result import Link, Regression, Verification

# How much larger an error may be than the baseline's, beside the noise of its measure: on one input, where another
# machine's arithmetic tells most, and over all.
_SLACK_OF_ONE, _SLACK = 0.5, 0.1


class Compared(Protocol):
    """What a run is of: a manifest, or what stands for one."""

    @property
    def source(self) -> SourceRecord: ...

    @property
    def size(self) -> Size: ...


def check_comparable(
    baseline: Verification, recorded: Compared, convention: Convention, links: Collection[str], inputs: Collection[str]
) -> None:
    """Raise ExportError where a run of a folder cannot be held against the baseline.

    It must be of the same checkpoint, size and convention, and have every link and every input that the baseline has.
    """
    conditions = (
        ("checkpoint", baseline.source.sha256, recorded.source.sha256),
        ("size", str(baseline.size), str(recorded.size)),
        ("metrics convention", baseline.metrics_convention, convention),
    )
    for what, before, now in conditions:
        if before != now:
            raise _refusal(f"the baseline is of another {what}: {before}", f"{what} {now}, as this run has")
    _check_links(baseline, links)
    _refuse_missing("input", baseline.inputs, inputs)


def _check_links(baseline: Verification, now: Collection[str]) -> None:
    _refuse_missing("artefact", [link.name for link in baseline.links], now)
    empty = [link.name for link in baseline.links if not link.measurements]
    if empty:
        raise _refusal(f"the baseline has no result of {', '.join(empty)}", "one of every artefact that it names")


def _refuse_missing(what: str, before: Sequence[str], now: Collection[str]) -> None:
    gone = [name for name in before if name not in now]
    if gone:
        raise _refusal(
            f"{len(gone)} {what}(s) of the baseline are not in this run: {few(gone, NAMED)}",
            f"every {what} that the baseline has",
        )


def _refusal(problem: str, expected: str) -> ExportError:
    return ExportError(
        problem,
        where="`baseline`",
        expected=expected,
        next_step="verify the same again, or without a baseline, and keep the JSON of that result as the new one",
    )


def regressions(
    links: Sequence[Link], baseline: Verification, unreadable: Collection[str] = ()
) -> tuple[Regression, ...]:
    """The measures of links that are worse than the baseline's, each where it is worst.

    A measure is worse where its error on one input is more than half as large again, or where its mean or its largest
    over all inputs is more than a tenth larger; by more than its noise, too. ``unreadable`` inputs, and links that were
    not run, do not pass anyway and are left out. A measure that was taken before and is not now is worse. Raises
    ExportError where the baseline has a link that is not there, or one without a result.
    """
    now = {link.name: link for link in links}
    _check_links(baseline, now)
    thousand_pixels = baseline.size.height * baseline.size.width / 1000
    found: list[Regression] = []
    for before in baseline.links:
        for name, measure in MEASURES.items():
            if measure.noise is not None and now[before.name].measurements:
                noise = measure.noise * (1 if measure.unit == "1" else thousand_pixels)
                worse = _worse(name, _errors(before, name), now[before.name], noise, unreadable)
                found += islice(worse, 1)
    return tuple(found)


def _errors(link: Link, name: str) -> dict[str, float]:
    """By input: how far a measure is from what equal mattes have."""
    measure = MEASURES[name]
    taken = {item.input: value for item in link.measurements if (value := getattr(item, name)) is not None}
    return {key: 1 - value if measure.at_least else abs(value) for key, value in taken.items()}


def _worse(
    name: str, before: dict[str, float], link: Link, noise: float, unreadable: Collection[str]
) -> Iterator[Regression]:
    """Where a measure is worse: what is missing first, then the input that got worst, the mean, and the largest."""
    now = _errors(link, name)

    def regression(where: str, was: float, new: float | None) -> Regression:
        if MEASURES[name].at_least:
            was, new = 1 - was, None if new is None else 1 - new
        return Regression(link=link.name, measure=name, before=was, now=new, where=where)

    for key, error in before.items():
        if key not in now and key not in (*unreadable, *link.missing):
            yield regression(f"on {key}", error, None)
    both = [key for key in before if key in now]
    one = [key for key in both if now[key] > (1 + _SLACK_OF_ONE) * before[key] + noise]
    if one:
        worst = max(one, key=lambda key: now[key] / (before[key] + noise))
        yield regression(f"on {worst}", before[worst], now[worst])
    if both:
        pairs = {
            "in the mean": (sum(before[key] for key in both) / len(both), sum(now[key] for key in both) / len(both)),
            "at worst": (max(before[key] for key in both), max(now[key] for key in both)),
        }
        for where, (was, new) in pairs.items():
            if new > (1 + _SLACK) * was + noise:
                yield regression(where, was, new)
