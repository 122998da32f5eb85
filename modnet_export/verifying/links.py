"""From what was measured to verdicts: one link for each artefact and each way to run it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

from modnet_export.record.measures import Measurement, Tolerance
from modnet_export.record.recipes import Recipe
from modnet_export.verifying.gates import decided
from modnet_export.verifying.gpu import SENTENCES, is_failure, shortfalls
from modnet_export.verifying.harness import Results, Trial
from modnet_export.verifying.result import Link, TruthErrors
from modnet_export.verifying.state import Row


class Judged(Protocol):
    """A model file and what it is held to: an artefact of ours, or somebody else's file."""

    @property
    def file(self) -> str: ...

    @property
    def tolerance(self) -> Tolerance: ...

    @property
    def recipe(self) -> Recipe: ...


def link(artefact: Judged, trial: Trial, measured: Results) -> Link:
    """The verdict on one artefact, run in one way, over all inputs that it is judged on."""
    readable = [item for item in trial.inputs if item.name not in measured.unreadable]
    expected = [item.name for item in readable]
    rows = [(item, row) for item in readable if (row := measured.of(trial.candidate, item)) is not None]
    taken = [(item, row) for item, row in rows if not row.error]
    measurements = [Measurement.judged(item.name, row.values, artefact.tolerance) for item, row in taken]
    verdict, reason = decided(expected, measurements, artefact.tolerance)
    found = shortfalls([row.signs for _, row in taken])
    if verdict == "passed" and any(map(is_failure, found)):
        verdict = "failed"
    refused = next((row.error for _, row in rows if row.error), "")
    return Link(
        artefact=artefact.file,
        delegate=trial.candidate.delegate,
        function=trial.candidate.function,
        stage=artefact.recipe.stage,
        engine=" and ".join(dict.fromkeys(row.engine for _, row in taken)),
        tolerance=artefact.tolerance,
        verdict=verdict,
        reason="; ".join(filter(None, [reason, refused, *(SENTENCES[item] for item in found)])),
        expected=tuple(expected),
        measurements=tuple(measurements),
        truth=mean_truth(row for _, row in taken),
    )


def mean_truth(rows: Iterable[Row]) -> TruthErrors | None:
    """The mean errors against the ground truth; None where no row has one, or a matte is not finite."""
    errors = [row.truth for row in rows if row.truth]
    if not errors:
        return None
    means = {name: sum(item[name] for item in errors) / len(errors) for name in errors[0]}
    if not all(map(math.isfinite, means.values())):
        return None
    return TruthErrors.model_validate({"images": len(errors), **means})
