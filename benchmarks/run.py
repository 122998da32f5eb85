"""One benchmark of a ``dist/`` folder, from its request to its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import measure, session
from benchmarks.choices import Delegate
from benchmarks.host.target import HostTarget
from benchmarks.measure import Bench
from benchmarks.session import Candidate, Plan, Record, Target, Watcher
from converters.errors import ExportError
from modnet_export.images import inputs
from modnet_export.record import manifest
from modnet_export.record.files import write_bytes
from modnet_export.record.manifest import Manifest
from modnet_export.verifying.parity import Sample, referenced


@dataclass(frozen=True)
class BenchRequest:
    """What to measure, where, and how long."""

    dist: Path
    """A folder that ``export`` wrote."""
    artefacts: tuple[str, ...] | None = None
    """Some of its files; None: all that the targets run."""
    targets: tuple[Target, ...] = (HostTarget(),)
    threads: tuple[int, ...] = (1,)
    delegates: tuple[Delegate, ...] = ("cpu",)
    runs: int = 50
    duration_s: float | None = None
    """Of timed runs for each model, instead of ``runs``."""
    sustained_minutes: float | None = None
    profile: bool = False
    energy: bool = False
    resume: bool = False
    """Go on with what ``out`` already holds."""
    out: Path | None = None
    """Raw samples as .json, written as they come; or a table as .csv."""

    @property
    def record(self) -> Path | None:
        """The file that keeps raw samples."""
        return None if self.out is None or self.out.suffix.lower() == ".csv" else self.out

    def candidates(self, recorded: Manifest) -> tuple[Candidate, ...]:
        """Every model in every way; raises ExportError for a file that the folder does not have."""
        known = {item.file: item for item in recorded.artefacts}
        named = self.artefacts or [item.file for item in recorded.artefacts if item.format != "coreml"]
        if unknown := [name for name in named if name not in known]:
            raise ExportError(
                f"there is no {', '.join(unknown)} in {self.dist}", where=self.dist, expected=", ".join(known)
            )
        return tuple(
            Candidate(
                name,
                (self.dist / name).resolve(),
                known[name].sha256,
                threads,
                delegate,
                known[name].contract,
                known[name].tolerance,
            )
            for name in named
            for delegate in self.delegates
            if delegate == "cpu" or known[name].format == "tflite"
            for threads in self.threads
        )


def bench(request: BenchRequest, watcher: Watcher = session.UNSEEN) -> Bench:
    """Measure; what failed is in the result. Raises ExportError for bad input."""
    recorded = manifest.load(request.dist)
    manifest.check_hashes(recorded, request.dist)
    candidates = request.candidates(recorded)
    if request.resume and request.record is None:
        raise ExportError("there is nothing to go on with", where="`resume`", expected="`out=FILE.json` as well")
    shown = inputs.builtin()[0]
    judged: tuple[Sample, ...] = ()
    if any(item.name != session.HOST for item in request.targets):
        watcher(request.targets[0].name, "running the reference", 0, 0)
        judged = tuple(referenced(recorded, [shown]))
    plan = Plan(
        candidates,
        shown.load(recorded.size)[0],
        runs=request.runs,
        seconds=request.duration_s,
        sustained_minutes=request.sustained_minutes,
        profile=request.profile,
        energy=request.energy,
        samples=judged,
    )
    kept = request.record
    record = session.continued(kept, watcher) if request.resume and kept else Record(kept, status=watcher)
    result = session.measure(request.targets, plan, record)
    if request.out is not None and kept is None:
        write_bytes(request.out, measure.as_csv(result).encode())
    return result
