"""A ``dist/`` folder checked against the reference: hashes, parity, agreement of engines, fp16 safety, suspects."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from converters.choices import ComputeUnit, Delegate
from converters.errors import CheckFailedError, ExportError
from converters.progress import Progress, silent
from converters.runtimes import Image
from modnet_export.images.inputs import Input, builtin
from modnet_export.model import checkpoint
from modnet_export.model.checkpoint import Source
from modnet_export.record import manifest
from modnet_export.record.choices import Convention
from modnet_export.record.files import scratch_folder
from modnet_export.record.manifest import Artefact, Manifest
from modnet_export.record.measures import MEASURES
from modnet_export.record.strict import repeated
from modnet_export.record.versions import versions
from modnet_export.verifying import fp16_safety, harness, replay, tasks
from modnet_export.verifying.agreement import agreements
from modnet_export.verifying.baseline import check_comparable, regressions
from modnet_export.verifying.harness import Plan, Results, Trial
from modnet_export.verifying.links import link, mean_truth
from modnet_export.verifying.result import Agreement, Fp16Safety, Link, Suspect, Verification, link_name
from modnet_export.verifying.steadiness import of_reference
from modnet_export.verifying.suspects import suspects
from modnet_export.verifying.tasks import Candidate
from modnet_export.verifying.tolerances import ToleranceChanges
from modnet_export.verifying.workers import Workers


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify, and the checks beyond measuring every artefact on the CPU.

    Raises ExportError for two inputs of one name: nothing could tell their results apart.
    """

    dist: Path
    """A folder that ``export`` wrote."""
    inputs: tuple[Input, ...] = ()
    """Empty: the built-in ones."""
    checkpoint: str | None = None
    """Where the checkpoint is; None: where the manifest says. Its hash must match."""
    delegates: tuple[Delegate, ...] = ("cpu",)
    compute_unit: ComputeUnit = "ALL"
    tolerances: ToleranceChanges = field(default_factory=ToleranceChanges)
    metrics_convention: Convention = "plain"
    """Of every Grad and Conn; limits of these are in it too."""
    bisect: bool = False
    fp16_safety: bool = False
    baseline: Verification | None = None
    workers: Workers = field(default_factory=Workers)
    state: Path | None = None
    """Keeps finished measurements, so that a run that was stopped can go on."""
    bundle: Path | None = None
    """A zip to write for a colleague with a Mac."""
    replayed: Path | None = None
    """The file that came back: its measurements stand for the Core ML packages."""

    def __post_init__(self) -> None:
        twice = repeated(item.name for item in self.inputs)
        if twice is not None:
            raise ExportError(
                f"two inputs are called '{twice}'",
                where="`images`",
                expected="inputs of different names",
                next_step="rename one of them, or leave it out",
            )


@dataclass(frozen=True)
class _Subject:
    """What is verified: a folder whose hashes are right, its checkpoint, and every model with what it is judged on.

    The manifest has the tolerances that the user asked for.
    """

    folder: Path
    manifest: Manifest
    source: Source
    inputs: tuple[Input, ...]
    ways: tuple[tuple[Artefact, Trial], ...]
    others: tuple[_Subject, ...] = ()
    """The same folder at each further size that Core ML packages have a function of."""

    @property
    def expected(self) -> tuple[str, ...]:
        """The names of the links that there are to be."""
        return tuple(
            link_name(artefact.file, trial.candidate.delegate, function=trial.candidate.function)
            for subject in (self, *self.others)
            for artefact, trial in subject.ways
        )

    @property
    def left_out(self) -> tuple[str, ...]:
        """The files that no way runs."""
        run = {artefact.file for artefact, _ in self.ways}
        return tuple(artefact.file for artefact in self.manifest.artefacts if artefact.file not in run)


def verify(request: VerifyRequest, progress: Progress = silent) -> Verification:
    """Check the hashes of a ``dist/`` folder and the parity of every artefact; whether all is well is in the result.

    Raises CheckFailedError on a wrong hash, ExportError for bad input.
    """
    started = time.monotonic()
    subject = _subject(request, progress)
    came_back = None
    if request.replayed is not None:
        came_back = replay.read_results(request.replayed, subject.manifest, subject.inputs)
    with state_folder(request.state) as state, tasks.models_let_go():
        measured = _measure(subject, request, state, progress)
        readable = [item for item in subject.inputs if item.name not in measured.unreadable]
        links = [link(artefact, trial, measured) for artefact, trial in subject.ways]
        for other in subject.others:
            found = _measure(other, request, state / str(other.manifest.size), progress)
            links += [link(artefact, trial, found) for artefact, trial in other.ways]
        if came_back is not None:
            links = replay.replayed(links, came_back, subject.manifest)
        if request.bundle is not None and readable:
            progress(f"writing {request.bundle.name}")
            replay.write_bundle(request.bundle, subject.folder, subject.manifest, map(measured.sample, readable))
        steady = of_reference(readable, measured.sample)
        agreed = _agreements(subject, measured, readable, progress)
        safety = _fp16_safety(subject, measured, readable, progress) if request.fp16_safety else []
        suspected = _suspects(subject, links, measured, readable, progress) if request.bisect else []
    reference_rows = [row for item in readable if (row := measured.of(None, item)) is not None]
    return Verification(
        source=subject.manifest.source,
        size=subject.manifest.size,
        metrics_convention=request.metrics_convention,
        reference=next((row.engine for row in reference_rows), ""),
        versions=versions(),
        environment=environment(),
        seconds=time.monotonic() - started,
        inputs=tuple(item.name for item in readable),
        unreadable=dict(measured.unreadable),
        expected=subject.expected if came_back is None else replay.names(subject.expected, subject.manifest),
        left_out=subject.left_out,
        links=tuple(links),
        truth=mean_truth(reference_rows),
        steadiness=steady,
        agreements=tuple(agreed),
        fp16_safety=tuple(safety),
        suspects=tuple(suspected),
        regressions=() if request.baseline is None else regressions(links, request.baseline, measured.unreadable),
    )


def _subject(request: VerifyRequest, progress: Progress) -> _Subject:
    """Everything that a request names, loaded and checked before anything long begins."""
    folder = request.dist
    recorded = request.tolerances.applied(manifest.load(folder))
    manifest.check_hashes(recorded, folder)
    if request.bundle is not None and any(item.functions for item in replay.packages(recorded)):
        raise ExportError(
            f"{folder} has packages of several functions, and run.sh runs one",
            where="`bundle`",
            expected="a package of each size",
            next_step="export them without `coreml_multifunction`",
        )
    if request.fp16_safety and not any(map(fp16_safety.concerns, recorded.artefacts)):
        raise ExportError(
            f"{folder} has no artefact whose fp16 safety could be examined",
            where="`fp16_safety`",
            expected="a folder with an fp16 TFLite model",
            next_step="export fp16 too, or leave `fp16_safety` out",
        )
    progress("loading the checkpoint")
    source = checkpoint.recorded(recorded.source, request.checkpoint)
    if source.sha256 != recorded.source.sha256:
        raise CheckFailedError(
            f"'{source.name}' is not the checkpoint that this folder was exported from",
            where=source.path,
            expected=f"SHA-256 {recorded.source.sha256}, found {source.sha256}",
            next_step="pass the one that it was exported from: `checkpoint=PATH`",
        )
    inputs = tuple(request.inputs or builtin())
    _check_frames(recorded, inputs)
    subject = _Subject(folder, recorded, source, inputs, _ways(request, recorded, inputs))
    subject = replace(subject, others=tuple(_others(subject)))
    if request.baseline is not None:
        names = [item.name for item in inputs]
        check_comparable(request.baseline, recorded, request.metrics_convention, subject.expected, names)
    return subject


def _others(subject: _Subject) -> Iterator[_Subject]:
    """The folder at each further size that packages of it have a function of."""
    sizes = {item.size: item.name for artefact in subject.manifest.artefacts for item in artefact.functions}
    for size, name in sizes.items():
        ways = tuple(
            (artefact, replace(trial, candidate=replace(trial.candidate, function=name)))
            for artefact, trial in subject.ways
            if any(item.size == size for item in artefact.functions)
        )
        yield replace(subject, manifest=subject.manifest.model_copy(update={"size": size}), ways=ways)


def _check_frames(recorded: Manifest, inputs: Sequence[Input]) -> None:
    """Raise ExportError where a limit is for frames that follow each other, and no input follows another."""
    limited = {name for artefact in recorded.artefacts for name in artefact.tolerance.limits}
    found = next((name for name in MEASURES if name in limited and MEASURES[name].between_frames), None)
    if found is not None and not any(item.follows for item in inputs):
        raise ExportError(
            f"'{found}' has a limit, but no input follows another frame",
            where="`tolerance`",
            expected="the frames of a video",
            next_step=f"give a `video`, or leave the limit of {found} out",
        )


def _ways(request: VerifyRequest, recorded: Manifest, inputs: Sequence[Input]) -> tuple[tuple[Artefact, Trial], ...]:
    """Every artefact in every way to run it: delegates are TFLite's, the compute unit is Core ML's."""
    found: list[tuple[Artefact, Trial]] = []
    for artefact in recorded.artefacts:
        judged_on = tuple(item for item in inputs if artefact.recipe.judged_on(item.name))
        for delegate in request.delegates:
            if artefact.recipe.runs_on(delegate):
                unit: ComputeUnit = request.compute_unit if artefact.format == "coreml" else "ALL"
                path = (request.dist / artefact.file).resolve()
                candidate = Candidate(artefact.file, path, artefact.sha256, delegate, unit)
                found.append((artefact, Trial(candidate, judged_on)))
    if not found:
        raise ExportError(
            f"nothing in {request.dist} runs on {' or '.join(request.delegates)}",
            where="`delegates`",
            expected="cpu, which runs every file, or a .tflite file, for cpu-fp16 one of fp16: all others are LiteRT's",
            next_step="add cpu to `delegates`",
        )
    return tuple(found)


@contextmanager
def state_folder(folder: Path | None) -> Iterator[Path]:
    """The folder that the user keeps, or one for this run only."""
    if folder is not None:
        yield folder
        return
    with scratch_folder() as scratch:
        yield scratch


def _measure(subject: _Subject, request: VerifyRequest, state: Path, progress: Progress) -> Results:
    trials = tuple(trial for _, trial in subject.ways)
    plan = Plan(subject.source, subject.manifest.size, subject.inputs, trials, state, request.metrics_convention)
    return harness.run(plan, request.workers, progress)


def _agreements(subject: _Subject, measured: Results, readable: Sequence[Input], progress: Progress) -> list[Agreement]:
    """Whether the ways to run each TFLite artefact agree, on the first input."""
    found: list[Agreement] = []
    for artefact in subject.manifest.artefacts:
        if artefact.format == "tflite" and readable:
            progress(f"comparing ways to run {artefact.file}")
            found += agreements(subject.folder / artefact.file, artefact, measured.sample(readable[0]))
    return found


def _fp16_safety(
    subject: _Subject, measured: Results, readable: Sequence[Input], progress: Progress
) -> list[Fp16Safety]:
    """Whether each fp16 TFLite artefact survives fp16 arithmetic, over all inputs."""
    found: list[Fp16Safety] = []
    for artefact in subject.manifest.artefacts:
        if fp16_safety.concerns(artefact) and readable:
            progress(f"examining {artefact.file} for fp16")
            found.append(fp16_safety.examine(subject.folder / artefact.file, artefact, map(measured.sample, readable)))
    return found


def _suspects(
    subject: _Subject, links: Sequence[Link], measured: Results, readable: Sequence[Input], progress: Progress
) -> list[Suspect]:
    """The op that is to blame for each failed artefact whose parent is sound, by its default function."""
    links = [item for item in links if item.function is None]
    by_name = {item.name: item for item in readable}
    reference = partial(tasks.reference, subject.source)

    def image_of(name: str) -> Image:
        return measured.sample(by_name[name]).image_nhwc

    return suspects(subject.folder, subject.manifest, links, reference, image_of, progress)


def environment() -> dict[str, str]:
    """The machine that a result is of."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cpus": str(os.cpu_count()),
    }
