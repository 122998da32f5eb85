"""What is to be measured: the same for every target."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from benchmarks.choices import Delegate
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.choices import Format
from modnet_export.record.contract import Contract
from modnet_export.record.manifest import Artefact
from modnet_export.record.measures import Tolerance
from modnet_export.verifying.parity import Sample


@dataclass(frozen=True)
class Subject:
    """One model, run in one way."""

    path: Path
    format: Format
    sha256: str
    contract: Contract
    tolerance: Tolerance
    threads: int = 1
    delegate: Delegate = "cpu"
    foreign: bool = False
    """Whether somebody else converted it: its ports are read from the file."""

    @classmethod
    def of(cls, artefact: Artefact, dist: Path, *, threads: int = 1, delegate: Delegate = "cpu") -> Subject:
        """An artefact of an exported folder."""
        return cls(
            path=(dist / artefact.file).resolve(),
            format=artefact.format,
            sha256=artefact.sha256,
            contract=artefact.contract,
            tolerance=artefact.tolerance,
            threads=threads,
            delegate=delegate,
        )

    @property
    def file(self) -> str:
        return self.path.name

    @property
    def name(self) -> str:
        """For example ``modnet_fp32.tflite 2T`` or ``modnet_fp16.tflite 1T gpu``."""
        delegate = "" if self.delegate == "cpu" else f" {self.delegate}"
        return f"{self.file} {self.threads}T{delegate}"


@dataclass(frozen=True)
class Plan:
    """What every target is asked for, and for how long.

    ``sustained_minutes``, where given, decides alone how long each target measures; otherwise ``seconds`` of timed
    runs for each model; otherwise ``runs``.
    """

    subjects: tuple[Subject, ...]
    image_nhwc: Image
    """What the models are timed on, 1 x H x W x 3 in [0, 1]."""
    runs: int = 50
    seconds: float | None = None
    sustained_minutes: float | None = None
    profile: bool = False
    energy: bool = False
    samples: tuple[Sample, ...] = ()
    """Inputs with the reference's mattes, for the targets that check parity."""

    def conditions(self, subject: Subject) -> dict[str, str | int]:
        """Those of a run's conditions that the target does not decide."""
        return {
            "artefact": subject.file,
            "sha256": subject.sha256,
            "threads": subject.threads,
            "delegate": subject.delegate,
            "size": "x".join(map(str, self.image_nhwc.shape[1:3])),
        }

    def of_formats(self, formats: Collection[Format], target: str) -> tuple[Subject, ...]:
        """The subjects that a target can run; raises ExportError where there are none."""
        found = tuple(item for item in self.subjects if item.format in formats)
        if not found:
            raise ExportError(
                f"{target} can run none of the models",
                expected=f"a model in one of the formats that it runs: {', '.join(sorted(formats))}",
                next_step="export such a model too, or choose other `targets`",
            )
        return found

    def wants_more(self, *, taken: int, taken_ms: float, elapsed_s: float) -> bool:
        """Whether a model is to be run again.

        ``taken``: how many timed runs it has had, ``taken_ms`` how long they took together, ``elapsed_s`` how long its
        target has been measuring.
        """
        if self.sustained_minutes is not None:
            return taken == 0 or elapsed_s < self.sustained_minutes * 60
        if self.seconds is not None:
            return taken_ms < self.seconds * 1e3
        return taken < self.runs
