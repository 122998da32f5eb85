"""The result of a verification: the chain of links, their tolerances, what is wrong and where."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from converters.choices import ComputeUnit, Delegate
from modnet_export.record.choices import Convention, Precision, Stage, Temporal, Verdict
from modnet_export.record.contract import Size
from modnet_export.record.files import FileFormat, read_versioned
from modnet_export.record.manifest import SourceRecord
from modnet_export.record.measures import MEASURES, Measurement, Tolerance, check_measurements
from modnet_export.record.strict import Strict, repeated

FORMAT = FileFormat(
    "the result of a verification", 2, "the JSON that a verification printed", "verify again and keep its JSON"
)


class TruthErrors(Strict):
    """Mean errors over all images that have a ground truth, at the images' own sizes: ``measures.TRUTH_MEASURES``."""

    images: int = Field(gt=0)
    mad: float = Field(ge=0)
    mse: float = Field(ge=0)
    sad: float = Field(ge=0)
    grad: float = Field(ge=0)
    conn: float = Field(ge=0)


def link_name(
    artefact: str, delegate: Delegate, compute_unit: ComputeUnit | None = None, function: str | None = None
) -> str:
    """What one way to run an artefact is called."""
    way = compute_unit or function or delegate
    return artefact if way == "cpu" else f"{artefact} ({way})"


class Link(Strict):
    """One artefact, run in one way, against the reference."""

    artefact: str = Field(min_length=1)
    delegate: Delegate
    stage: Stage
    engine: str
    tolerance: Tolerance
    verdict: Verdict
    reason: str = ""
    """Why it failed or was not run."""
    expected: tuple[str, ...]
    """The inputs that it was to be measured on."""
    measurements: tuple[Measurement, ...]
    truth: TruthErrors | None = None
    compute_unit: ComputeUnit | None = None
    """Where a Mac was asked to run a Core ML package; null for what was run here."""
    function: str | None = None
    """A further function of a Core ML package, which has a size of its own; null: the default one."""

    @model_validator(mode="after")
    def _verdict_has_its_grounds(self) -> Link:
        check_measurements(self.measurements, self.tolerance)
        foreign = next((item.input for item in self.measurements if item.input not in self.expected), None)
        if foreign is not None:
            raise ValueError(f"'{foreign}' is measured, and is not one of the expected inputs")
        if self.verdict == "passed":
            if not self.measurements:
                raise ValueError("a link without a measurement has not passed")
            if not all(item.passed for item in self.measurements):
                raise ValueError("a link with a measurement that failed has not passed")
            if self.missing:
                raise ValueError(f"a link without a measurement of '{self.missing[0]}' has not passed")
        elif not self.reason:
            raise ValueError(f"a link with the verdict '{self.verdict}' needs a reason")
        return self

    @property
    def missing(self) -> tuple[str, ...]:
        """The inputs that it was to be measured on, and was not."""
        measured = {item.input for item in self.measurements}
        return tuple(name for name in self.expected if name not in measured)

    @property
    def name(self) -> str:
        return link_name(self.artefact, self.delegate, self.compute_unit, self.function)

    def summary(self, measure: str) -> float | None:
        """One number over all inputs for which the measure was taken: their worst or their mean, as the table says.

        NaN where a matte is not finite, whatever the other inputs gave.
        """
        if any(item.max_abs_difference is None for item in self.measurements):
            return math.nan
        kind = MEASURES[measure]
        values: list[float] = [value for item in self.measurements if (value := getattr(item, measure)) is not None]
        if not values:
            return None
        if kind.worst:
            return (min if kind.at_least else max)(values)
        return sum(values) / len(values)


class Agreement(Strict):
    """Two ways to run one artefact on the first input, compared with each other."""

    artefact: str
    ways: str
    max_abs_difference: float | None = Field(ge=0)
    mad: float | None = Field(ge=0)
    """Both are null where a matte is not finite."""
    limit: float = Field(ge=0)
    """Of ``mad``."""
    passed: bool

    @model_validator(mode="after")
    def _verdict_follows(self) -> Agreement:
        if self.passed != (self.mad is not None and self.mad <= self.limit):
            raise ValueError("two ways agree if, and only if, their mean difference is within its limit")
        return self

    @property
    def difference(self) -> str:
        """What the two ways differ by, in words."""
        return "something that is not finite" if self.mad is None else f"a mean of {self.mad:.1e}"


class Fp16Tensor(Strict):
    """One tensor of a graph and what it would need of fp16."""

    op: str
    tensor: str
    largest: float = Field(ge=0)
    """The largest magnitude of an element, or of a partial sum inside a convolution."""
    what: Literal["element", "sum"]


LARGEST_SUM_ERROR = 0.01
"""What a convolution's sums may lose. Sums of 32,000 products lost 3.5 %; the worst of the fp16 file now lose 0.5 %."""


class Fp16Sum(Strict):
    """What a convolution loses where it adds up in fp16, as a GPU does unless FP16_WITH_FP32_ACCUM is asked for."""

    op: str
    tensor: str
    terms: int = Field(gt=0)
    """How many products each sum has."""
    relative_error: float = Field(ge=0)
    """The root mean square of the sums' errors over that of the sums, of a sample of them."""


class Fp16Safety(Strict):
    """Whether a graph survives fp16, by its largest numbers and by running it rounded to fp16 after every op."""

    artefact: str
    images: int = Field(gt=0)
    largest: tuple[Fp16Tensor, ...] = Field(min_length=1)
    """The ten nearest to 65504, the worst first."""
    overflows: tuple[Fp16Tensor, ...]
    """All beyond it, in the order of the graph: the first one is where to look."""
    sums: tuple[Fp16Sum, ...] = ()
    """The ten convolutions whose sums lose most, the worst first."""
    mad: float | None = Field(ge=0)
    """Of the rounded run against the graph's own matte, the mean over all inputs; null where one is not finite."""
    worst_mad: float | None = Field(ge=0)
    """Of the input that it moves most."""
    worst_input: str
    passed: bool

    @property
    def loses(self) -> bool:
        """Whether a convolution's sums lose more than they may."""
        return bool(self.sums) and self.sums[0].relative_error > LARGEST_SUM_ERROR

    @model_validator(mode="after")
    def _verdict_has_its_grounds(self) -> Fp16Safety:
        if self.passed and (self.overflows or self.loses or self.worst_mad is None):
            raise ValueError("a graph that overflows, loses sums, or whose matte is not finite, does not survive fp16")
        return self


class Suspect(Strict):
    """The op of a failing artefact that is to blame, each op judged by itself on its parent's values."""

    artefact: str
    rounding: bool = False
    """No op is wrong: rounding is the cause, and this op's moves the matte most."""
    parent: str
    op: str
    tensor: str
    reader: str
    """The op that reads it first; empty for the last one."""
    parent_op: str
    """The op of the parent that computes what is missing; empty where that is not known."""
    snr_db: float | None
    """Of its result on the parent's values, against what the parent has."""
    explanation: str

    @property
    def headline(self) -> str:
        """What is wrong, in a few words before the op's name."""
        return f"{self.artefact} {'loses most' if self.rounding else f'leaves {self.parent}'} at"


class Assumed(Strict):
    """How a file without a manifest was read."""

    artefact: str
    image: str
    """Its input: the port, and what it is given."""
    matte: str
    """Its output: the port, and what it gives."""
    code: str
    """A line that makes the input of an app's bytes."""
    precision: Precision
    """What it is held to the tolerance of."""
    found: tuple[str, ...] = ()
    """What the file does not say, and was found by its behaviour."""


class Diagnosis(Strict):
    """Why a file that somebody else converted gives another matte."""

    artefact: str
    input: str
    """The input that it was found on."""
    hypotheses: tuple[str, ...]
    """The faults that explain the difference, by their names; empty where none does."""
    cause: str
    without: float | None
    """The mean difference of the matte; null where it is not finite."""
    left: float | None
    """What is left of it: the mean difference once the fault is accounted for. Null where it cannot be told."""
    mend: str

    @property
    def explained(self) -> bool:
        return bool(self.hypotheses)

    @property
    def effect(self) -> str:
        """The matte's difference with and without the cause."""
        before = "not finite" if self.without is None else f"off by a mean of {self.without:.2g}"
        return f"its matte is {before}" + (
            "" if self.left is None else f", and by {self.left:.2g} once this is accounted for"
        )


class Regression(Strict):
    """A measure that is worse than in the baseline."""

    link: str
    measure: str
    before: float
    now: float | None
    """None: it could not be taken."""
    where: str = "in the mean"
    """Or at worst, over all inputs; or on which one."""

    def __str__(self) -> str:
        now = "has no value" if self.now is None else f"is {self.now:.3g}"
        return f"was {self.before:.3g} in the baseline and {now}, {self.where}"


class Steadiness(Strict):
    """The reference's mattes of a video, in one way against flicker; see ``steadiness``."""

    temporal: Temporal
    flicker: float = Field(ge=0)
    """mean |p_t - warp(p_(t-1))|, along the motion of the picture."""
    mad: float = Field(ge=0)
    """Mean distance from the true mattes, or from those that the network gives: what smears or lags has more of it."""
    true: bool = False
    """Whether ``mad`` is from true mattes."""


class Verification(Strict):
    """The whole result of a verification."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    schema_version: Literal[2] = 2
    source: SourceRecord
    size: Size
    metrics_convention: Convention = "plain"
    """Of every Grad and Conn."""
    reference: str
    versions: dict[str, str]
    environment: dict[str, str]
    seconds: float = Field(ge=0)
    inputs: tuple[str, ...]
    unreadable: dict[str, str]
    """Inputs that could not be read, and why; the rest was measured."""
    expected: tuple[str, ...] = Field(min_length=1)
    """The names of the links that were asked for: every artefact in every way to run it."""
    left_out: tuple[str, ...] = ()
    """Files of the folder that none of the delegates that were asked for runs."""
    links: tuple[Link, ...] = Field(min_length=1)
    truth: TruthErrors | None = None
    """The reference's own errors against the ground truth."""
    steadiness: tuple[Steadiness, ...] = ()
    """Of a video, by every way against flicker."""
    agreements: tuple[Agreement, ...] = ()
    fp16_safety: tuple[Fp16Safety, ...] = Field((), validation_alias="half", serialization_alias="half")
    """``half`` in files."""
    suspects: tuple[Suspect, ...] = ()
    assumed: tuple[Assumed, ...] = ()
    """Of files without a manifest."""
    diagnoses: tuple[Diagnosis, ...] = ()
    """Of such files that failed."""
    regressions: tuple[Regression, ...] = ()

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Verification:
        if not self.inputs and not self.unreadable:
            raise ValueError("a verification has at least one input")
        names_of_links = [link.name for link in self.links]
        for names, what in ((self.inputs, "input"), (names_of_links, "link"), (self.expected, "expected link")):
            twice = repeated(names)
            if twice is not None:
                raise ValueError(f"the {what} '{twice}' is there twice")
        return self

    @property
    def steadied_from(self) -> str:
        """What the MAD of ``steadiness`` is from."""
        return "the true mattes" if any(way.true for way in self.steadiness) else "the mattes as they are"

    @property
    def flickers(self) -> tuple[tuple[str, float, float | None], ...]:
        """Of a video, what flickers along the motion and how far it is from the true mattes, where these are known.

        By name: the reference's mattes as they are, then every artefact's.
        """
        reference = next((way.flicker for way in self.steadiness if way.temporal == "none"), None)
        found = [("reference", reference, self.truth)]
        found += [(link.name, link.summary("warped_flicker"), link.truth) for link in self.links]
        return tuple(
            (name, flicker, None if truth is None else truth.mad)
            for name, flicker, truth in found
            if flicker is not None
        )

    @property
    def passed(self) -> bool:
        """Every link ran and is within its tolerance, and no other check failed. Unreadable inputs do not count."""
        return not list(self.problems())

    def problems(self) -> Iterable[str]:
        """Every failed check, one line each, in the order of the chain."""
        if not self.links:
            yield "nothing was checked"
        for name in self.lacking:
            yield f"{name} was not run: there is no result of it"
        for link in self.links:
            if link.verdict != "passed":
                yield f"{link.name} {'was not run' if link.verdict == 'not run' else 'failed'}: {link.reason}"
        for agreement in self.agreements:
            if not agreement.passed:
                yield (
                    f"{agreement.artefact} depends on how it is run: {agreement.ways} differ by "
                    f"{agreement.difference}, allowed {agreement.limit:.0e}"
                )
        for item in self.fp16_safety:
            if not item.passed:
                moved = "not finite" if item.worst_mad is None else f"off by a mean of {item.worst_mad:.1e}"
                where = f"{item.overflows[0].op} {item.overflows[0].tensor} first" if item.overflows else ""
                if not where and item.loses:
                    worst = item.sums[0]
                    where = f"{worst.op} {worst.tensor} loses {worst.relative_error:.1%} of its sums"
                yield f"{item.artefact} does not survive fp16: {where or f'its matte of {item.worst_input} is {moved}'}"
        for worse in self.regressions:
            yield f"{worse.link}: {worse.measure} {worse}"

    @property
    def lacking(self) -> tuple[str, ...]:
        """The links that were asked for, and of which there is none."""
        found = {link.name for link in self.links}
        return tuple(name for name in self.expected if name not in found)

    @property
    def guilty(self) -> Link | None:
        """The first link of the chain that failed: the stage that made it is the one to look at."""
        return next((link for link in self.links if link.verdict == "failed"), None)


def load(path: Path) -> Verification:
    """The result that a verification printed as JSON; raises ExportError for anything else."""
    return read_versioned(path, Verification.model_validate_json, FORMAT)


def with_changes(link: Link, **changes: Any) -> Link:
    """A link with other values, checked like every link."""
    return Link.model_validate({**dict(link), **changes})
