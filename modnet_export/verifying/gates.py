"""What fails a verification: missed limits, and checks that failed."""

from __future__ import annotations

from collections.abc import Sequence

from converters.errors import CheckFailedError, ExportError, few
from modnet_export.record.choices import Verdict
from modnet_export.record.measures import MEASURES, Measurement, Tolerance, short_name
from modnet_export.verifying.result import Link, Verification


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
            else f"{guilty.artefact} is the first {'that' if result.assumed else 'in the chain that'} differs: "
            f"{_look_at(result, guilty)}",
        )
    if result.unreadable:
        shown = [text.replace("\n", "\n  ") for text in list(result.unreadable.values())[:8]]
        raise ExportError(
            "\n  ".join([f"{len(result.unreadable)} input(s) could not be read; the rest passed:", *shown])
        )


NAMED = 3
"""How many inputs or artefacts a message names."""


def decided(expected: Sequence[str], measurements: Sequence[Measurement], tolerance: Tolerance) -> tuple[Verdict, str]:
    """The verdict on one way to run an artefact, and its reason where it has not passed.

    It has passed where each of the ``expected`` inputs was measured, each measurement holds every limit, and each
    measure with a limit was taken at least once. What missed a limit has failed, whatever else was not run.
    """
    measured = {item.input for item in measurements}
    missing = [name for name in expected if name not in measured]
    gap = "" if expected else "none of the inputs is one that it is judged on"
    if missing:
        gap = f"{len(missing)} of {len(expected)} inputs have no result: {few(missing, NAMED)}"
    untaken = (
        f"{short_name(name)} was taken on no input"
        for name in tolerance.limits
        if MEASURES[name].between_frames and not gap and all(item.values[name] is None for item in measurements)
    )
    fault = "; ".join(filter(None, [describe(measurements, tolerance), *untaken]))
    return "failed" if fault else "not run" if gap else "passed", "; ".join(filter(None, [fault, gap]))


def _look_at(result: Verification, guilty: Link) -> str:
    """Where a failure is to be looked for."""
    mend = next((item.mend for item in result.diagnoses if item.artefact == guilty.artefact and item.explained), None)
    if mend is not None:
        return mend
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
        none = next((item for item in failing if values[item.input] is None), None)
        if none is None:
            worst = (min if measure.at_least else max)(values, key=lambda key: values[key])
            shown = f"{values[worst]:.2e}"
        else:
            worst, shown = none.input, "not finite" if none.max_abs_difference is None else "has no value"
        limit = tolerance.limits.get(name)
        parts.append(
            f"{short_name(name)} {shown} on {worst}"
            + ("" if limit is None else f", allowed {limit:g}")
            + (f" ({len(failing)} inputs)" if len(failing) > 1 else "")
        )
    return "; ".join(parts)
