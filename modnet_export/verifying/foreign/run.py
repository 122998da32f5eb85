"""Files that somebody else converted, verified without a manifest: read, measured, and explained where they fail."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from converters.choices import ComputeUnit, Delegate
from converters.diagnose.by_ops import as_written
from converters.diagnose.drift import SAME_DB, Drift, drift
from converters.errors import ExportError
from converters.progress import Progress, silent
from converters.runtimes import Image
from converters.runtimes.raw import open_raw
from modnet_export.images.inputs import Input, builtin
from modnet_export.images.matting import settled
from modnet_export.model import checkpoint
from modnet_export.model.checkpoint import Source
from modnet_export.record.choices import Convention, Format, InputRange, Precision
from modnet_export.record.contract import Size
from modnet_export.record.files import sha256
from modnet_export.record.manifest import SourceRecord
from modnet_export.record.measures import Tolerance
from modnet_export.record.recipes import Recipe
from modnet_export.record.strict import repeated
from modnet_export.record.versions import versions
from modnet_export.verifying import fp16_safety, harness, tasks
from modnet_export.verifying.baseline import check_comparable, regressions
from modnet_export.verifying.foreign import kind, reading
from modnet_export.verifying.foreign.diagnose import diagnose
from modnet_export.verifying.foreign.graphs import ReadGraph
from modnet_export.verifying.foreign.probing import Subject
from modnet_export.verifying.foreign.reading import RANGES, ForeignModel, Reading, open_foreign
from modnet_export.verifying.harness import Plan, Results, Trial
from modnet_export.verifying.links import link, mean_truth
from modnet_export.verifying.parity import Sample, samples
from modnet_export.verifying.result import Assumed, Diagnosis, Fp16Safety, Link, Suspect, Verification, link_name
from modnet_export.verifying.run import environment, state_folder
from modnet_export.verifying.steadiness import of_reference
from modnet_export.verifying.suspects import suspect
from modnet_export.verifying.tasks import Candidate
from modnet_export.verifying.tolerances import ToleranceChanges
from modnet_export.verifying.workers import Workers

SUFFIXES = tuple(kind.FORMATS)
"""Of the files that are verified without a manifest."""
_USUAL = Size(height=512, width=512)


@dataclass(frozen=True)
class ForeignRequest:
    """Which files to verify, and against what. Raises ExportError for what cannot be verified together."""

    models: tuple[Path, ...]
    """.tflite and .onnx files, and .mlpackage folders."""
    checkpoint: str | None
    """What they were converted from: a checkpoint or an ONNX model, by its path or name."""
    inputs: tuple[Input, ...] = ()
    """Empty: the built-in ones."""
    size: Size | None = None
    """Of models that take any. None: theirs, or 512x512."""
    input_range: InputRange | None = None
    """What the models take, by the user's word. None: read from the file, or found by behaviour."""
    delegates: tuple[Delegate, ...] = ("cpu",)
    compute_unit: ComputeUnit = "ALL"
    tolerances: ToleranceChanges = field(default_factory=ToleranceChanges)
    metrics_convention: Convention = "plain"
    bisect: bool = False
    fp16_safety: bool = False
    """Of float TFLite files: whether they survive a GPU's fp16."""
    baseline: Verification | None = None
    workers: Workers = field(default_factory=Workers)
    state: Path | None = None

    def __post_init__(self) -> None:
        if self.checkpoint is None:
            raise ExportError(
                f"{self.models[0].name} does not say what it was converted from",
                where="`checkpoint`",
                expected=f"the checkpoint or the ONNX model that it was made from: a path, or one of "
                f"{', '.join(checkpoint.names())}",
                next_step="name it: `checkpoint=PATH`",
            )
        unknown = next((path for path in self.models if path.suffix.lower() not in SUFFIXES), None)
        if unknown is not None:
            raise ExportError(
                f"{unknown} cannot be verified without a manifest",
                where=unknown,
                expected=f"files that end in {', '.join(SUFFIXES)}, or one folder that an export wrote",
                next_step="name the model files themselves",
            )
        twice = repeated(map(str, self.models)) or repeated(item.name for item in self.inputs)
        if twice is not None:
            raise ExportError(f"'{twice}' is given twice", where=twice, expected="each once")


@dataclass(frozen=True)
class Foreign:
    """One file: how it is read and what it is held to."""

    file: str
    path: Path
    sha256: str
    recipe: Recipe
    read: Reading
    ports: tuple[str, str]
    """Its input and its output, in words."""

    @property
    def format(self) -> Format:
        return self.recipe.format

    @property
    def precision(self) -> Precision:
        return self.recipe.precision

    @property
    def tolerance(self) -> Tolerance:
        return self.recipe.tolerance

    def open(self, delegate: Delegate = "cpu", compute_unit: ComputeUnit = "ALL") -> ForeignModel:
        return open_foreign(self.path, self.read, delegate=delegate, compute_unit=compute_unit)

    @property
    def assumed(self) -> Assumed:
        taken = RANGES[self.read.input_range]
        port, output = self.ports
        white = "1" if self.read.white == 1 else f"{self.read.white:.0f}"
        channel = f", channel {self.read.channel + 1}" if self.read.channel else ""
        return Assumed(
            artefact=self.file,
            image=f"{port}, {self.read.order}, RGB from {taken.words}",
            matte=f"{output}{channel}, from 0 to {white}",
            code=f"x = {taken.code}",
            precision=self.precision,
            found=self.read.found,
        )


@dataclass(frozen=True)
class _Made:
    """What the files are compared with."""

    source: SourceRecord
    size: Size


def verify_foreign(request: ForeignRequest, progress: Progress = silent) -> Verification:
    """Measure every file against the reference, and say why those that fail do; whether all is well is in the result.

    Raises ExportError for bad input.
    """
    started = time.monotonic()
    progress("loading the checkpoint")
    source = _source(request)
    made = _Made(
        SourceRecord(name=source.name, kind=source.kind, sha256=source.sha256, input_range=source.input_range),
        common_size(request.models, request.size),
    )
    inputs = tuple(request.inputs or builtin())
    with state_folder(request.state) as state, tasks.models_let_go():
        files = read_files(request, source, made.size, progress)
        ways = _ways(request, files, inputs)
        expected = tuple(link_name(item.file, trial.candidate.delegate) for item, trial in ways)
        if request.baseline is not None:
            names = [item.name for item in inputs]
            check_comparable(request.baseline, made, request.metrics_convention, expected, names)
        plan = Plan(source, made.size, inputs, tuple(trial for _, trial in ways), state, request.metrics_convention)
        measured = harness.run(plan, request.workers, progress)
        readable = [item for item in inputs if item.name not in measured.unreadable]
        links = [link(item, trial, measured) for item, trial in ways]
        steady = of_reference(readable, measured.sample)
        failures = list(_failures(files, links, measured, readable))
        diagnoses = [_diagnosis(item, sample_of, source, progress) for item, sample_of in failures]
        safety = list(_fp16_safety(files, measured, readable, progress)) if request.fp16_safety else []
        suspected = [_suspect(item, sample_of, source, progress) for item, sample_of in failures if request.bisect]
    reference_rows = [row for item in readable if (row := measured.of(None, item)) is not None]
    return Verification(
        source=made.source,
        size=made.size,
        metrics_convention=request.metrics_convention,
        reference=next((row.engine for row in reference_rows), ""),
        versions=versions(),
        environment=environment(),
        seconds=time.monotonic() - started,
        inputs=tuple(item.name for item in readable),
        unreadable=dict(measured.unreadable),
        expected=expected,
        links=tuple(links),
        truth=mean_truth(reference_rows),
        steadiness=steady,
        fp16_safety=tuple(safety),
        suspects=tuple(item for item in suspected if item is not None),
        assumed=tuple(item.assumed for item in files),
        diagnoses=tuple(diagnoses),
        regressions=() if request.baseline is None else regressions(links, request.baseline, measured.unreadable),
    )


def read_files(request: ForeignRequest, source: Source, size: Size, progress: Progress = silent) -> list[Foreign]:
    """Every file with its reading and its tolerance, the user's changes in it.

    Raises ExportError for a file that is no MODNet, and for a change of a name that none of them has.
    """
    portrait, *_ = samples(tasks.reference(source), size, builtin()[:1])
    found: list[Foreign] = []
    names = _names(request.models)
    for name, path in names.items():
        progress(f"reading {name}")
        raw = as_written(open_raw(path, compute_unit=request.compute_unit), path)
        asked = () if request.input_range is None else (request.input_range,)
        read = reading.read(raw, name, size, (portrait.image_nhwc, portrait.matte_nhwc), asked)
        ports = str(raw.inputs[0]), str(raw.outputs[read.output])
        found.append(Foreign(name, path.resolve(), sha256(path), kind.row(path, raw, name), read, ports))
    request.tolerances.require_known([item.recipe for item in found])
    return [replace(item, recipe=replace(item.recipe, tolerance=request.tolerances.of(item.recipe))) for item in found]


def on_portrait(request: ForeignRequest) -> Iterator[tuple[Foreign, Sample, Image]]:
    """Every file of a request, the built-in portrait, and the matte that the file gives for it; raises ExportError."""
    source, size = _source(request), common_size(request.models, request.size)
    with tasks.models_let_go():
        portrait, *_ = samples(tasks.reference(source), size, builtin()[:1])
        for item in read_files(request, source, size):
            yield item, portrait, item.open().run(portrait.image_nhwc)


def opened(request: ForeignRequest) -> dict[str, ForeignModel]:
    """Every file of a request, read, by what a result calls it; raises ExportError."""
    source, size = _source(request), common_size(request.models, request.size)
    return {item.file: item.open() for item in read_files(request, source, size)}


def explained(request: ForeignRequest, photo: Input) -> list[Drift]:
    """Every op of the one file of a request that the reference has a counterpart of; raises ExportError."""
    source, size = _source(request), common_size(request.models, request.size)
    (item,) = read_files(request, source, size)
    image_nhwc, _ = photo.load(size)
    steps = tasks.reference(source).trace(image_nhwc)
    return drift(ReadGraph(item.path, item.open()), steps, image_nhwc, min(SAME_DB, item.recipe.least_snr_db))


def _source(request: ForeignRequest) -> Source:
    assert request.checkpoint is not None
    return settled(checkpoint.resolve(request.checkpoint), None)


def _names(models: Sequence[Path]) -> dict[str, Path]:
    """What each file is called: its name, or its whole path where two have one name."""
    twice = {path.name for path in models if sum(other.name == path.name for other in models) > 1}
    return {path.as_posix() if path.name in twice else path.name: path for path in models}


def common_size(models: Sequence[Path], asked_size: Size | None) -> Size:
    """The one size that all models take; raises ExportError where there is none."""
    sizes: dict[tuple[int, int], Path] = {}
    for path in models:
        found = reading.fixed_size(open_raw(path, threads=1), path.name)
        if found is not None:
            sizes[found] = path
    asked = None if asked_size is None else (asked_size.height, asked_size.width)
    wanted = {*sizes, *([] if asked is None else [asked])}
    if len(wanted) > 1:
        listed = ", ".join(f"{path.name} {height}x{width}" for (height, width), path in sizes.items())
        raise ExportError(
            f"these models take images of different sizes: {listed}",
            where="`size`" if len(sizes) == 1 else "their inputs",
            expected="models of one size" if len(sizes) > 1 else "the model's own size, or no `size`",
            next_step="verify them one after the other" if len(sizes) > 1 else "leave `size` out",
        )
    height, width = next(iter(wanted), (_USUAL.height, _USUAL.width))
    return Size.parse(f"{height}x{width}")


def _ways(
    request: ForeignRequest, files: Sequence[Foreign], inputs: Sequence[Input]
) -> tuple[tuple[Foreign, Trial], ...]:
    """Every file in every way to run it."""
    found = []
    for item in files:
        judged_on = tuple(one for one in inputs if item.recipe.judged_on(one.name))
        for delegate in request.delegates:
            if item.recipe.runs_on(delegate):
                unit: ComputeUnit = request.compute_unit if item.format == "coreml" else "ALL"
                candidate = Candidate(item.file, item.path, item.sha256, delegate, unit, item.read)
                found.append((item, Trial(candidate, judged_on)))
    if not found:
        raise ExportError(
            f"nothing runs on {' or '.join(request.delegates)}",
            where="`delegates`",
            expected="cpu, which runs every file",
        )
    return tuple(found)


def _failures(
    files: Sequence[Foreign], links: Sequence[Link], measured: Results, readable: Sequence[Input]
) -> Iterator[tuple[Foreign, Sample]]:
    """Every file that failed on the CPU, with the first input on which it did."""
    by_name = {item.name: item for item in readable}
    failed = {one.artefact: one for one in links if one.verdict == "failed" and one.delegate == "cpu"}
    for item in files:
        measurements = failed[item.file].measurements if item.file in failed else ()
        missed = next((one.input for one in measurements if not one.passed), None)
        if missed is not None:
            yield item, measured.sample(by_name[missed])


def _diagnosis(item: Foreign, sample: Sample, source: Source, progress: Progress) -> Diagnosis:
    progress(f"looking for what is wrong with {item.file}")
    model = item.open()
    subject = Subject(item.path, model, item.recipe, tasks.reference(source), source, sample)
    return diagnose(subject, reading.ranges_of(model.raw.inputs[0]))


def _fp16_safety(
    files: Sequence[Foreign], measured: Results, readable: Sequence[Input], progress: Progress
) -> Iterator[Fp16Safety]:
    """Whether each float TFLite file survives fp16, over all inputs; raises ExportError where there is none."""
    floats = [item for item in files if item.format == "tflite" and item.precision in ("fp32", "fp16")]
    if not floats:
        raise ExportError(
            "none of these models could be examined for a GPU's fp16",
            where="`fp16_safety`",
            expected="a TFLite model of floats",
            next_step="leave `fp16_safety` out",
        )
    for item in floats:
        progress(f"examining {item.file} for fp16")
        yield fp16_safety.examine(item.path, item, map(measured.sample, readable), item.open())


def _suspect(item: Foreign, sample: Sample, source: Source, progress: Progress) -> Suspect | None:
    progress(f"looking for the op in {item.file}")
    steps = tasks.reference(source).trace(sample.image_nhwc)
    return suspect(item, ReadGraph(item.path, item.open()), "the reference", steps, sample.image_nhwc)
