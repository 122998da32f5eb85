"""What fails a verification: missed limits, checks that failed, and results worse than a baseline."""

from __future__ import annotations

from collections.abc import Sequence

from converters.errors import CheckFailedError, ExportError
from modnet_export.record.measures import MEASURES, Measurement, Tolerance, short_name
from modnet_export.verifying.result import Link, Regression, Verification


def require(result: Verification) -> None:
    """Raise CheckFailedError with every failed check, and with the stage that made the first failing artefact.

    Where all checks passed but some inputs could not be read, raise ExportError.
    """
    problems = list(result.problems())
    if problems:
        guilty = result.guilty
        raise CheckFailedError(
            "\n  ".join([f"{len(problems)} check(s) failed:", *problems[:20]]),
            next_step=None
            if guilty is None
            else f"{guilty.artefact} is the first in the chain that differs: {_look_at(result, guilty)}",
        )
    if result.unreadable:
        shown = [text.replace("\n", "\n  ") for text in list(result.unreadable.values())[:8]]
        raise ExportError(
            "\n  ".join([f"{len(result.unreadable)} input(s) could not be read; the rest passed:", *shown])
        )


def _look_at(result: Verification, guilty: Link) -> str:
    """Where a failure is to be looked for."""
    if any(item.rounding and item.artefact == guilty.artefact for item in result.suspects):
        return "no op of it is wrong, its rounding is too coarse: `explain` lists the ops that lose most"
    found = "" if result.suspects else ", or verify again with `bisect`, which finds the op"
    return f"look at {guilty.stage}{found}"


def describe(measurements: Sequence[Measurement], tolerance: Tolerance) -> str:
    """Every limit that was missed, with the worst value and its input; empty where all are held."""
    parts: list[str] = []
    for name, measure in MEASURES.items():
        failing = [item for item in measurements if name in item.missed]
        if not failing:
            continue
        values = {item.input: getattr(item, name) for item in failing}
        none = next((key for key, value in values.items() if value is None), None)
        pick = min if measure.at_least else max
        worst = none or pick(values, key=lambda key: values[key])
        shown = "not finite" if values[worst] is None else f"{values[worst]:.2e}"
        limit = tolerance.limits.get(name)
        parts.append(
            f"{short_name(name)} {shown} on {worst}"
            + ("" if limit is None else f", allowed {limit:g}")
            + (f" ({len(failing)} inputs)" if len(failing) > 1 else "")
        )
    return "; ".join(parts)


_SLACK, _NOISE_FLOOR = 0.1, 1e-5


def regressions(links: Sequence[Link], baseline: Verification) -> tuple[Regression, ...]:
    """The measures whose means, over the inputs that both have, are worse than the baseline's by over 10 % and 1e-5.

    Raises ExportError when the two have no artefact and input in common.
    """
    found: list[Regression] = []
    common = 0
    old = {link.name: link for link in baseline.links}
    for link in links:
        if link.name not in old:
            continue
        before = {item.input: item for item in old[link.name].measurements}
        for name, measure in MEASURES.items():
            if not measure.compared:
                continue
            pairs = [
                (getattr(before[item.input], name), getattr(item, name))
                for item in link.measurements
                if item.input in before
            ]
            pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
            if not pairs:
                continue
            common += 1
            was, now = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
            worse = was - now if measure.at_least else now - was
            if worse > _SLACK * abs(was) + _NOISE_FLOOR:
                found.append(Regression(link=link.name, measure=name, before=was, now=now))
    if not common:
        raise ExportError(
            "the baseline has no artefact and input in common with this run",
            where="`baseline`",
            expected="the result of a verification of the same artefacts on the same inputs",
            next_step="verify again without a baseline, and keep the JSON of that result as the new one",
        )
    return tuple(found)
