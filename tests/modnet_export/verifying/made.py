"""Records of a verification as they would be made, without a model and without a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from modnet_export.images.inputs import Input
from modnet_export.record.contract import Contract, Size
from modnet_export.record.manifest import Artefact, SourceRecord
from modnet_export.record.measures import Measurement, Tolerance
from modnet_export.record.recipes import Recipe
from modnet_export.verifying.harness import Candidate, Results, Trial
from modnet_export.verifying.links import link
from modnet_export.verifying.result import Link, Verification
from modnet_export.verifying.state import Cache, Row

SIZE = Size(height=64, width=64)
SOURCE = SourceRecord(name="demo", kind="checkpoint", sha256="0" * 64)
Values = Mapping[str, Mapping[str, float]]
"""By input: every measure by its name."""


def artefact(row: Recipe, values: Values, tolerance: Tolerance | None = None) -> Artefact:
    """An artefact whose parity are these values, held to its recipe's limits where no others are given."""
    limits = row.tolerance if tolerance is None else tolerance
    return Artefact(
        file=row.file,
        format=row.format,
        precision=row.precision,
        optimised=row.tuning is not None,
        tuning=row.tuning,
        opset=None,
        bytes=1,
        sha256="1" * 64,
        contract=Contract.of(row.format, SIZE),
        tolerance=limits,
        engine="an engine",
        parity=tuple(Measurement.judged(name, found, limits) for name, found in values.items()),
    )


def linked(made: Artefact, names: Sequence[str], rows: Mapping[str, Row]) -> Link:
    """The link of an artefact that is judged on all ``names``, with what was measured."""
    inputs = {name: Input(name) for name in names}
    candidate = Candidate(made.file, Path(made.file), made.sha256)
    found = {(candidate.identity, inputs[name].key): row for name, row in rows.items()}
    return link(made, Trial(candidate, tuple(inputs.values())), Results(found, {}, Cache(Path())))


def row(values: Mapping[str, float], **more) -> Row:
    return Row("", "", dict(values), **more)


def verification(*links: Link, inputs: Sequence[str]) -> Verification:
    """The whole result of these links, which were all that was asked for."""
    return Verification(
        source=SOURCE,
        size=SIZE,
        reference="PyTorch",
        versions={"modnet-export": "0"},
        environment={},
        seconds=1,
        inputs=tuple(inputs),
        unreadable={},
        expected=tuple(item.name for item in links),
        links=links,
    )
