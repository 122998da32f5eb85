"""From what was measured to verdicts: one link for each artefact and each way to run it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from modnet_export.record.choices import Verdict
from modnet_export.record.manifest import Artefact
from modnet_export.record.measures import Measurement
from modnet_export.verifying.gates import describe
from modnet_export.verifying.gpu import SENTENCES, is_failure
from modnet_export.verifying.harness import Results, Trial
from modnet_export.verifying.result import Link, TruthErrors
from modnet_export.verifying.state import Row


def link(artefact: Artefact, trial: Trial, measured: Results) -> Link:
    """The verdict on one artefact, run in one way, over all inputs that it is judged on."""
    readable = [item for item in trial.inputs if item.name not in measured.unreadable]
    rows = [(item, row) for item in readable if (row := measured.of(trial.candidate, item)) is not None]
    taken = [(item, row) for item, row in rows if not row.error]
    measurements = tuple(Measurement.judged(item.name, row.values, artefact.tolerance) for item, row in taken)
    made = partial(
        Link,
        artefact=artefact.file,
        delegate=trial.candidate.delegate,
        stage=artefact.recipe.stage,
        engine=next((row.engine for _, row in taken), ""),
        tolerance=artefact.tolerance,
        measurements=measurements,
        truth=mean_truth(row for _, row in taken),
    )
    refused = next((row.error for _, row in rows if row.error), None)
    if refused is not None or not measurements:
        return made(verdict="not run", reason=refused or "none of the inputs is one that it is judged on")
    missed = describe(measurements, artefact.tolerance)
    shortfalls = list(dict.fromkeys(item for _, row in taken for item in row.shortfalls))
    verdict: Verdict = "failed" if missed or any(map(is_failure, shortfalls)) else "passed"
    reasons = [*filter(None, [missed]), *(SENTENCES[item] for item in shortfalls)]
    return made(verdict=verdict, reason="; ".join(reasons))


def mean_truth(rows: Iterable[Row]) -> TruthErrors | None:
    """The mean errors against the ground truth; None where no row has one."""
    errors = [row.truth for row in rows if row.truth]
    if not errors:
        return None
    means = {name: sum(item[name] for item in errors) / len(errors) for name in errors[0]}
    return TruthErrors.model_validate({"images": len(errors), **means})
