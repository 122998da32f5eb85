"""One benchmark of an exported folder, from its request to its result."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from benchmarks import foreign, formats, imported, session
from benchmarks.choices import Delegate, Observation
from benchmarks.host.target import HostTarget
from benchmarks.plan import Plan, Subject
from benchmarks.record import UNWATCHED, Record, Watcher
from benchmarks.results import Bench
from benchmarks.session import Target
from converters.errors import ExportError, ExportWarning
from modnet_export.images import inputs
from modnet_export.record import manifest
from modnet_export.record.contract import Size
from modnet_export.record.files import writable_file, write_bytes
from modnet_export.record.manifest import Manifest
from modnet_export.verifying.foreign.run import ForeignRequest, common_size
from modnet_export.verifying.parity import Sample, referenced

_CANNOT: dict[Observation, str] = {
    "latency": "latencies cannot be measured",
    "profile": "ops cannot be timed one by one",
    "energy": "energy cannot be estimated",
}


@dataclass(frozen=True)
class BenchRequest:
    """What to measure, where, and for how long. Raises ExportError for values that make no sense."""

    dist: Path | None = None
    """A folder that ``export`` wrote; None: ``models`` are measured."""
    models: tuple[Path, ...] = ()
    """Files that somebody else converted."""
    checkpoint: str | None = None
    """What these were made from: their mattes are judged too."""
    size: Size | None = None
    """Of those that take any size; None: 512x512."""
    artefacts: tuple[str, ...] | None = None
    """The names of some of its files; None: all but Core ML packages, each on the targets that can run it."""
    targets: tuple[Target, ...] = (HostTarget(),)
    threads: tuple[int, ...] = (1,)
    delegates: tuple[Delegate, ...] = ("cpu",)
    """For TFLite models; those of other formats are measured where ``cpu`` is among them."""
    runs: int = 50
    """Timed runs of each model, after those that warm it up."""
    duration_s: float | None = None
    """Seconds of timed runs for each model, instead of ``runs``."""
    sustained_minutes: float | None = None
    """How long each target measures without a pause, a phone each model by itself, instead of ``runs``."""
    profile: bool = False
    """Also time every op."""
    energy: bool = False
    """Also estimate the energy of an inference."""
    resume: bool = False
    """Go on with what ``out`` already holds."""
    imports: tuple[Path, ...] = ()
    """Files that apps shared, put beside what is measured; with them ``targets`` may be empty."""
    out: Path | None = None
    """A .json with raw samples, written as they come; or a table as .csv, written at the end."""

    def __post_init__(self) -> None:
        for setting, given in (("targets", self.targets), ("threads", self.threads), ("delegates", self.delegates)):
            if not given and not (setting == "targets" and self.imports):
                raise ExportError("there is nothing to choose from", where=f"`{setting}`", expected="at least one")
        names = [item.name for item in self.targets]
        if len(set(names)) < len(names):
            raise ExportError("a target is named twice", where="`targets`", expected="each target once")
        for setting, number in (
            ("threads", min(self.threads)),
            ("runs", self.runs),
            ("duration", self.duration_s),
            ("sustained", self.sustained_minutes),
        ):
            if number is not None and not number > 0:
                raise ExportError(f"{number} is too little", where=f"`{setting}`", expected="a number above 0")
        if (self.dist is None) == (not self.models):
            raise ExportError("there is nothing to measure", expected="a folder that an export wrote, or models")
        hosts = all(isinstance(item, HostTarget) for item in self.targets)
        for setting, asked in (
            ("targets", not hosts),
            ("profile", self.profile),
            ("artefacts", self.artefacts is not None),
            ("imports", bool(self.imports)),
        ):
            if self.models and asked:
                raise ExportError(
                    "of models that somebody else converted, only the latency on this machine is measured",
                    where=f"`{setting}`",
                    expected="a folder that an export wrote",
                    next_step=f"leave `{setting}` out",
                )
        if self.duration_s is not None and self.sustained_minutes is not None:
            raise ExportError(
                "`duration` and `sustained` both say how long to measure",
                expected="one of them",
                next_step="leave one of them out",
            )
        if self.resume and self.samples_file is None:
            raise ExportError(
                "there is nothing to go on with",
                where="`resume`",
                expected="a .json that a benchmark began to write, as `out`",
                next_step="add `out=FILE.json`",
            )

    @property
    def samples_file(self) -> Path | None:
        """The file that keeps raw samples: ``out``, unless it is a table."""
        return None if self.out is None or self.out.suffix.lower() == ".csv" else self.out

    def subjects(self, recorded: Manifest, dist: Path) -> tuple[Subject, ...]:
        """Every model in every way that it is to be run; raises ExportError for files that are not there."""
        known = {item.file: item for item in recorded.artefacts}
        named = self.artefacts or [item.file for item in recorded.artefacts if item.format != "coreml"]
        if unknown := [name for name in named if name not in known]:
            raise ExportError(f"there is no {', '.join(unknown)} in {dist}", where=dist, expected=", ".join(known))
        found = {
            name: [
                Subject.of(known[name], dist, threads=threads, delegate=delegate)
                for delegate in self.delegates
                if delegate == "cpu" or known[name].format == "tflite"
                for threads in self.threads
            ]
            for name in named
        }
        left_out = [name for name, ways in found.items() if not ways]
        if len(left_out) == len(found):
            raise ExportError(
                f"none of the models runs with {', '.join(self.delegates)}",
                where="`delegates`",
                expected="cpu, or a TFLite model",
            )
        if self.artefacts and left_out:
            _warn(
                f"{', '.join(left_out)}: not measured, because only TFLite models run with other `delegates` than cpu"
            )
        return tuple(dict.fromkeys(subject for ways in found.values() for subject in ways))


def bench(request: BenchRequest, watcher: Watcher = UNWATCHED) -> Bench:
    """Measure what a request asks for. What failed is in the result too.

    Raises ExportError for bad input, or where nothing can be measured at all; CheckFailedError for files that are not
    those that were exported.
    """
    if request.dist is None:
        recorded, size = None, common_size(request.models, request.size)
        subjects = foreign.subjects(request.models, size, request.threads, request.delegates)
    else:
        recorded = manifest.load(request.dist)
        manifest.check_hashes(recorded, request.dist)
        # Of a folder with Core ML packages alone nothing can be measured from here, and an app's file can be imported.
        size, subjects = recorded.size, request.subjects(recorded, request.dist) if request.targets else ()
    _check_targets(request, subjects)
    shared = [(path, imported.read(path, recorded)) for path in request.imports] if recorded is not None else []
    kept = request.samples_file
    writable_file(request.out, "out", ".json", ".csv")
    record = Record.continued(kept, watcher) if request.resume and kept else Record(kept, watcher=watcher)
    photo = inputs.builtin()[0]
    samples: tuple[Sample, ...] = ()
    if any("parity" in item.observations for item in request.targets):
        for item in request.targets:
            watcher(item.name, "running the reference")
        samples = tuple(referenced(recorded, [photo])) if recorded is not None else ()
    plan = Plan(
        subjects,
        photo.load(size)[0],
        runs=request.runs,
        seconds=request.duration_s,
        sustained_minutes=request.sustained_minutes,
        profile=request.profile,
        energy=request.energy,
        samples=samples,
    )
    if recorded is None and request.checkpoint is not None:
        foreign.judge(ForeignRequest(request.models, request.checkpoint, size=request.size), subjects, record)
    if recorded is not None and request.dist is not None and shared:
        sample = imported.golden(recorded, request.dist)
        for path, found in shared:
            imported.keep(found, path, recorded, sample, record)
    result = session.measure(request.targets, plan, record)
    if request.out is not None and kept is None:
        write_bytes(request.out, formats.as_csv(result).encode())
    return result


def _check_targets(request: BenchRequest, subjects: tuple[Subject, ...]) -> None:
    """Nothing that was asked for is left out silently: raise ExportError where no target can do it, else warn."""
    asked: dict[str, Observation] = {}
    if request.duration_s is not None:
        asked["duration"] = "latency"
    if request.sustained_minutes is not None:
        asked["sustained"] = "latency"
    if request.profile:
        asked["profile"] = "profile"
    if request.energy:
        asked["energy"] = "energy"
    for setting, observation in asked.items():
        unable = [item.name for item in request.targets if observation not in item.observations]
        message = f"{_CANNOT[observation]} on {', '.join(unable)}"
        if len(unable) == len(request.targets):
            raise ExportError(
                message, where=f"`{setting}`", next_step=f"leave `{setting}` out, or choose other `targets`"
            )
        if unable:
            _warn(f"{message}: `{setting}` is for the other targets")
    if request.artefacts is not None:
        for target in request.targets:
            others = sorted({item.file for item in subjects if item.format not in target.formats})
            if others:
                runs = ", ".join(sorted(target.formats))
                _warn(f"{', '.join(others)}: not measured on {target.name}, which runs {runs} only")


def _warn(message: str) -> None:
    warnings.warn(ExportWarning(message), stacklevel=3)
