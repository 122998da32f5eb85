"""One verdict for every artefact: the chain of links, their tolerances, what is wrong and where."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from converters.choices import Delegate
from modnet_export.record.choices import Stage, Verdict
from modnet_export.record.contract import Size
from modnet_export.record.files import read_validated
from modnet_export.record.manifest import SourceRecord
from modnet_export.record.measures import MEASURES, Measurement, Tolerance


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TruthErrors(_Model):
    """Mean errors over all images that have a ground truth, at the images' own sizes."""

    images: int
    mad: float
    mse: float
    sad: float
    grad: float
    conn: float


class Link(_Model):
    """One artefact, run in one way, against the reference."""

    artefact: str
    delegate: Delegate
    stage: Stage
    engine: str
    tolerance: Tolerance
    verdict: Verdict
    reason: str = ""
    """Why it failed or was not run."""
    measurements: tuple[Measurement, ...]
    truth: TruthErrors | None = None

    @property
    def name(self) -> str:
        return self.artefact if self.delegate == "cpu" else f"{self.artefact} ({self.delegate})"

    def mean(self, measure: str) -> float | None:
        """Over all inputs for which the measure was taken."""
        values = [value for item in self.measurements if (value := getattr(item, measure)) is not None]
        return sum(values) / len(values) if values else None

    def worst(self, measure: str) -> float | None:
        values = [value for item in self.measurements if (value := getattr(item, measure)) is not None]
        return (min if MEASURES[measure].at_least else max)(values) if values else None


class Agreement(_Model):
    """Two ways to run one artefact on the first input, compared with each other."""

    artefact: str
    ways: str
    max_abs_difference: float
    mad: float
    limit: float
    """Of ``mad``."""
    passed: bool


class HalfTensor(_Model):
    """One tensor of a graph and what it would need of fp16."""

    op: str
    tensor: str
    largest: float
    """The largest magnitude of an element, or of a sum that a reduction adds up."""
    what: Literal["element", "sum"]


class HalfSafety(_Model):
    """Whether a graph survives fp16, by its largest numbers and by running it rounded to fp16 after every op."""

    artefact: str
    images: int
    largest: tuple[HalfTensor, ...]
    """The ten nearest to 65504, the worst first."""
    overflows: tuple[HalfTensor, ...]
    """All beyond it, in the order of the graph: the first one is where to look."""
    mad: float | None
    """Of the rounded run against the graph's own matte; null where it is not finite."""
    passed: bool


class Suspect(_Model):
    """The first op of a failing artefact whose output leaves its parent's."""

    artefact: str
    parent: str
    op: str
    tensor: str
    reader: str
    """The op that reads it first; empty for the last one."""
    parent_op: str
    """The op of the parent that computes what is missing; empty where none could be told."""
    snr_db: float | None
    """Of the nearest tensor of the parent."""
    inputs_snr_db: float | None
    explanation: str


class Regression(_Model):
    """A measure that is worse than in the baseline."""

    link: str
    measure: str
    before: float
    now: float


class Verification(_Model):
    """The whole result of ``modnet-export verify``."""

    schema_version: Literal[1] = 1
    source: SourceRecord
    size: Size
    reference: str
    versions: dict[str, str]
    environment: dict[str, str]
    seconds: float
    inputs: tuple[str, ...]
    unreadable: dict[str, str]
    """Inputs that could not be read, and why; the rest was measured."""
    links: tuple[Link, ...]
    truth: TruthErrors | None = None
    """The reference's own errors against the ground truth."""
    agreements: tuple[Agreement, ...] = ()
    half: tuple[HalfSafety, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    regressions: tuple[Regression, ...] = ()

    @property
    def passed(self) -> bool:
        """Every link ran and is within its tolerance, and no other check failed. Unreadable inputs are apart."""
        return bool(self.links) and not list(self.problems())

    def problems(self) -> Iterable[str]:
        """Every failed check, a line each, in the order of the chain."""
        for link in self.links:
            if link.verdict != "passed":
                yield f"{link.name} {'was not run' if link.verdict == 'not run' else 'failed'}: {link.reason}"
        for agreement in self.agreements:
            if not agreement.passed:
                yield (
                    f"{agreement.artefact} depends on how it is run: {agreement.ways} differ by a mean of "
                    f"{agreement.mad:.1e}, allowed {agreement.limit:.0e}"
                )
        for half in self.half:
            if not half.passed:
                worst = f"{half.overflows[0].op} {half.overflows[0].tensor} first" if half.overflows else "by its matte"
                yield f"{half.artefact} does not survive fp16: {worst}"
        for item in self.regressions:
            yield f"{item.link}: {item.measure} was {item.before:.3g} in the baseline and is {item.now:.3g}"

    @property
    def guilty(self) -> Link | None:
        """The first link of the chain that failed: the stage that made it is the one to look at."""
        return next((link for link in self.links if link.verdict == "failed"), None)


def load(path: Path) -> Verification:
    """A result that ``verify --json`` printed; raises ExportError for anything else."""
    return read_validated(
        path,
        Verification.model_validate_json,
        "the result of a verification",
        "what `modnet-export verify DIST --json` printed",
    )
