"""One verdict for every artefact: the chain of links, their tolerances, what is wrong and where."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, ValidationError

from converters.errors import CheckFailedError, ExportError
from converters.runtimes import Delegate
from modnet_export.contract import AT_LEAST, SHORT_NAMES, Size, Tolerance
from modnet_export.files import read_validated
from modnet_export.manifest import Artefact, Manifest, SourceRecord
from modnet_export.parity import MEASURES, Measurement

Stage = Literal[
    "ONNX export",
    "graph passes",
    "TFLite lowering",
    "TFLite weight compression",
    "Core ML lowering",
    "Core ML weight compression",
]
Verdict = Literal["passed", "failed", "not run"]


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
        return (min if measure in AT_LEAST else max)(values) if values else None


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


def stage_of(artefact: Artefact) -> Stage:
    """The stage whose work shows in an artefact first."""
    if artefact.format == "onnx":
        return "graph passes" if artefact.optimised else "ONNX export"
    if artefact.format == "tflite":
        return "TFLite lowering" if artefact.precision == "fp32" else "TFLite weight compression"
    return "Core ML lowering" if artefact.precision in ("fp32", "fp16") else "Core ML weight compression"


def parent_of(artefact: Artefact, manifest: Manifest) -> Artefact | None:
    """The artefact that another one was made from, or the nearest ancestor in the folder; None: the reference."""
    if artefact.format == "onnx" and not artefact.optimised:
        return None
    order: list[tuple[str, bool, str]] = [("onnx", True, "fp32"), ("onnx", False, "fp32")]
    if artefact.format == "onnx":
        order = order[1:]
    elif artefact.precision != "fp32":
        order.insert(0, (artefact.format, True, "fp32"))
    for wanted in order:
        for item in manifest.artefacts:
            if (item.format, item.optimised, item.precision) == wanted:
                return item
    return None


def require(result: Verification) -> None:
    """Raise CheckFailedError with every failed check; the first in the chain names the guilty stage.

    Inputs that could not be read raise ExportError, when everything else is in order.
    """
    problems = list(result.problems())
    if problems:
        guilty = result.guilty
        raise CheckFailedError(
            "\n  ".join([f"{len(problems)} check(s) failed:", *problems[:20]]),
            next_step=None
            if guilty is None
            else f"{guilty.artefact} is the first in the chain that differs: look at {guilty.stage}"
            + ("" if result.suspects else ", or let --bisect find the op"),
        )
    if result.unreadable:
        shown = [text.replace("\n", "\n  ") for text in list(result.unreadable.values())[:8]]
        raise ExportError(
            "\n  ".join([f"{len(result.unreadable)} input(s) could not be read; the rest passed:", *shown])
        )


def describe(measurements: Sequence[Measurement], tolerance: Tolerance) -> str:
    """Every missed limit with its worst value and input."""
    parts: list[str] = []
    for name in MEASURES:
        failing = [item for item in measurements if name in item.missed]
        if not failing:
            continue
        values = {item.input: getattr(item, name) for item in failing}
        none = next((key for key, value in values.items() if value is None), None)
        pick = min if name in AT_LEAST else max
        worst = none or pick(values, key=lambda key: values[key])
        shown = "not finite" if values[worst] is None else f"{values[worst]:.2e}"
        parts.append(
            f"{SHORT_NAMES.get(name, name)} {shown} on {worst}, allowed {tolerance.limits.get(name, 0):g}"
            + (f" ({len(failing)} inputs)" if len(failing) > 1 else "")
        )
    return "; ".join(parts)


class Overrides:
    """Tolerances that a user changes: for all artefacts, for a precision, or for one file."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._by_name: dict[str, dict[str, float]] = {}
        for option in options:
            name, equals, value = option.partition("=")
            if equals and not Path(option).is_file():
                self._add("*", {name.strip(): value}, "--tolerance")
            else:
                self._read(Path(option))

    def _read(self, path: Path) -> None:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ExportError(
                f"cannot read tolerances from '{path}': {error}",
                where="--tolerance",
                expected="MEASURE=LIMIT, or a TOML file",
                next_step="for example --tolerance mad=0.002",
            ) from error
        plain = {name: value for name, value in content.items() if not isinstance(value, dict)}
        for name, limits in {"*": plain, **{k: v for k, v in content.items() if isinstance(v, dict)}}.items():
            self._add(name, limits, path)

    def _add(self, name: str, limits: Mapping[str, Any], where: object) -> None:
        try:
            checked = Tolerance.model_validate(limits)
        except ValidationError as error:
            first = error.errors()[0]
            raise ExportError(
                f"'{'.'.join(map(str, first['loc']))}' is not a tolerance: {first['msg']}",
                where=where,
                expected=f"a number for one of {', '.join(Tolerance.model_fields)}",
            ) from error
        self._by_name.setdefault(name, {}).update(checked.limits)

    def of(self, artefact: Artefact) -> Tolerance:
        """The artefact's own tolerance with what was changed, the most specific last."""
        changed = artefact.tolerance.limits
        for name in ("*", artefact.format, artefact.precision, artefact.file):
            changed |= self._by_name.get(name, {})
        return Tolerance(**changed)

    def check_names(self, manifest: Manifest) -> None:
        """Raise ExportError for a section that is about nothing in the folder: it would gate nothing."""
        known = {"*", *(name for item in manifest.artefacts for name in (item.format, item.precision, item.file))}
        unknown = sorted(set(self._by_name) - known)
        if unknown:
            raise ExportError(
                f"there is nothing called {', '.join(unknown)} to set a tolerance for",
                where="--tolerance",
                expected=f"one of {', '.join(sorted(known - {'*'}))}",
            )


def load(path: Path) -> Verification:
    """A result that ``verify --json`` printed; raises ExportError for anything else."""
    return read_validated(
        path,
        Verification.model_validate_json,
        "the result of a verification",
        "what `modnet-export verify DIST --json` printed",
    )


_COMPARED = ("max_abs_difference", "p999", "mad", "sad", "grad", "conn", "edge_mad", "psnr_db", "ssim")
_SLACK, _NOISE_FLOOR = 0.1, 1e-5


def regressions(links: Sequence[Link], baseline: Verification) -> tuple[Regression, ...]:
    """Means over the inputs that both have, where they are worse by over 10 % and 1e-5. Raises ExportError when
    the two have no artefact and input in common."""
    found: list[Regression] = []
    common = 0
    old = {link.name: link for link in baseline.links}
    for link in links:
        if link.name not in old:
            continue
        before = {item.input: item for item in old[link.name].measurements}
        for name in _COMPARED:
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
            worse = was - now if name in AT_LEAST else now - was
            if worse > _SLACK * abs(was) + _NOISE_FLOOR:
                found.append(Regression(link=link.name, measure=name, before=was, now=now))
    if not common:
        raise ExportError(
            "the baseline has no artefact and input in common with this run",
            where="--baseline",
            expected="the result of the same kind of verification",
            next_step="make a new one: modnet-export verify DIST --json > baseline.json",
        )
    return tuple(found)


def junit(result: Verification) -> bytes:
    """JUnit XML, a test case for each link and input, and one for each other check."""
    suite = ElementTree.Element("testsuite", name="modnet-export verify")
    cases: list[tuple[str, str, str]] = []  # class, name, failure
    for link in result.links:
        for item in link.measurements:
            text = describe([item], link.tolerance)
            cases.append((link.name, item.input, text))
        if not link.measurements or (link.verdict != "passed" and all(item.passed for item in link.measurements)):
            cases.append((link.name, "run", link.reason))
    for agreement in result.agreements:
        text = "" if agreement.passed else f"mean difference {agreement.mad:.2e}, allowed {agreement.limit:g}"
        cases.append((agreement.artefact, agreement.ways, text))
    for half in result.half:
        text = "" if half.passed else json.dumps([item.model_dump() for item in half.overflows[:5]])
        cases.append((half.artefact, "fp16 safety", text))
    for regression in result.regressions:
        text = f"was {regression.before:.3g}, is {regression.now:.3g}"
        cases.append((regression.link, f"baseline {regression.measure}", text))
    for name, reason in result.unreadable.items():
        cases.append(("inputs", name, reason))
    for group, name, failure in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=name)
        if failure:
            ElementTree.SubElement(case, "failure", message=failure.splitlines()[0]).text = failure
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(bool(case[2]) for case in cases)))
    suite.set("time", f"{result.seconds:.1f}")
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"
