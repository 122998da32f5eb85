"""What an app measured and shared as a file, beside what was measured from here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, StringConstraints, model_validator

from benchmarks.record import Record
from benchmarks.results import FUNCTIONAL, RAN_ON, THROTTLED, Failure, Parity, Run
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.images.inputs import Input
from modnet_export.record.contract import Port
from modnet_export.record.files import FileFormat, read_versioned
from modnet_export.record.manifest import Artefact, Manifest, Sha256
from modnet_export.record.strict import Strict
from modnet_export.verifying import parity
from modnet_export.verifying.parity import Sample, referenced

FORMAT = FileFormat(
    "an app's benchmark", 1, "a file as docs/benchmarks.md describes it ('What an app shares')", "share it from the app"
)
_COOL: Mapping[str, tuple[str | int, ...]] = {"thermal_state": ("nominal",), "thermal_status": (0,)}
"""The states of a cool device, as iOS and as Android call them."""

Word = Annotated[str, StringConstraints(pattern=r"^[\w.+-]{1,40}$")]
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
State = Mapping[Word, bool | int | float | Line]


class Model(Strict):
    """Which model ran: its entry of ``modnet.json``, and what the package says of its own source."""

    file: Line
    sha256: Sha256
    source_sha256: Sha256
    version: Line


class Matte(Strict):
    """What the model gave for the golden image: raw values, row by row, little-endian."""

    dtype: Literal["uint8", "float32"]
    height: PositiveInt
    width: PositiveInt
    base64: str

    @property
    def raw(self) -> bytes:
        """The values' bytes; raises ValueError for what is not base64."""
        return base64.b64decode(self.base64, validate=True)

    @model_validator(mode="after")
    def _whole(self) -> Matte:
        try:
            found = len(self.raw)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"its values are no base64: {error}") from error
        expected = self.height * self.width * np.dtype(self.dtype).itemsize
        if found != expected:
            raise ValueError(f"it has {found} bytes; {self.height}x{self.width} values of {self.dtype} have {expected}")
        return self

    def values_nhwc(self, port: Port, where: Path) -> Image:
        """As 1 x H x W x 1 in [0, 1]; raises ExportError unless it is what the ``port`` gives."""
        sides = port.shape[2:] if port.layout == "NCHW" else port.shape[1:3]
        found, expected = (self.dtype, self.height, self.width), (port.dtype, *sides)
        if found != expected:
            raise ExportError(
                f"the app's matte is {found[1]}x{found[2]} of {found[0]}",
                where=where,
                expected=f"{expected[1]}x{expected[2]} of {expected[0]}, as the model gives it",
            )
        little = np.dtype(self.dtype).newbyteorder("<")
        return port.decoded(np.frombuffer(self.raw, little).reshape(1, self.height, self.width, 1))


class AppRun(Strict):
    """One model on one compute unit; times in ms, see ``Run`` for what each of them is."""

    model: Model
    compute_unit: Word
    """What was asked for, in the system's word."""
    ran_on: Line | None = None
    """What really ran it, where the system tells."""
    threads: PositiveInt | None = None
    load_cold_ms: NonNegativeFloat | None = None
    load_warm_ms: NonNegativeFloat | None = None
    first_ms: NonNegativeFloat | None = None
    warmup_ms: tuple[NonNegativeFloat, ...] = ()
    samples_ms: tuple[PositiveFloat, ...] = ()
    at_s: tuple[NonNegativeFloat, ...] = ()
    """For each sample, when its turn began, since the benchmark began."""
    end_to_end_ms: tuple[PositiveFloat, ...] = ()
    cold_start_ms: PositiveFloat | None = None
    peak_memory_bytes: PositiveInt | None = None
    before: State = Field(default_factory=dict)
    after: State = Field(default_factory=dict)
    matte: Matte | None = None
    error: Line | None = None

    @model_validator(mode="after")
    def _measured_or_failed(self) -> AppRun:
        if self.error is None and (not self.samples_ms or self.matte is None):
            raise ValueError("it has neither samples_ms and a matte nor an error")
        if self.at_s and len(self.at_s) != len(self.samples_ms):
            raise ValueError(f"{len(self.at_s)} values of at_s for {len(self.samples_ms)} samples")
        return self

    @property
    def name(self) -> str:
        return f"{self.model.file} {self.compute_unit}"


class AppBench(Strict):
    """The whole file."""

    schema_version: Literal[1] = 1
    app: Line
    debug: bool
    device: Line
    device_id: Line | None = None
    """Tells two devices of one kind apart."""
    simulator: bool
    os: Line
    runs: tuple[AppRun, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _runs_each_once(self) -> AppBench:
        if len({run.name for run in self.runs}) < len(self.runs):
            raise ValueError("a model ran twice on one compute unit")
        return self

    @property
    def takes_turns(self) -> bool:
        """Whether each turn of all runs was over before any had its next one: only such runs pair up."""
        turns = [sorted(set(run.at_s)) for run in self.runs if run.samples_ms]
        counts = {len(each) for each in turns}
        return (
            len(counts) == 1 and 0 not in counts and all(max(a) < min(b) for a, b in pairwise(zip(*turns, strict=True)))
        )


def read(path: Path, recorded: Manifest) -> AppBench:
    """An app's benchmark of models of this manifest.

    Raises ExportError for another file, and for models that are not those of the manifest.
    """
    found = read_versioned(path, AppBench.model_validate_json, FORMAT)
    for run in found.runs:
        artefact = _artefact(run, recorded, path)
        if run.matte is not None:
            run.matte.values_nhwc(artefact.contract.matte, path)
    return found


def _artefact(run: AppRun, recorded: Manifest, path: Path) -> Artefact:
    """The manifest's entry of the model that ran; raises ExportError where it has none."""
    known = {item.sha256: item for item in recorded.artefacts}
    version = recorded.versions.get("modnet-export")
    for what, found, expected in (
        ("SHA-256", run.model.sha256, sorted(known)),
        ("weights of SHA-256", run.model.source_sha256, [recorded.source.sha256]),
        ("version", run.model.version, [str(version)]),
    ):
        if found not in expected:
            raise ExportError(
                f"the app ran another {run.model.file}: its {what} is {found}",
                where=path,
                expected=f"the folder's: {', '.join(expected)}",
                next_step="name the folder that the app's models came from, or ship them again and measure anew",
            )
    return known[run.model.sha256]


def golden(recorded: Manifest, dist: Path) -> Sample:
    """The folder's golden image with the reference's matte of it; raises ExportError where it has none."""
    if recorded.golden is None:
        raise ExportError(
            f"{dist} has no golden image to compare the app's matte on", where=dist, next_step="export it again"
        )
    image = Input(recorded.golden.input, path=dist / recorded.golden.image.file)
    return referenced(recorded, [image])[0]


def keep(found: AppBench, path: Path, recorded: Manifest, sample: Sample, record: Record) -> None:
    """Put an app's runs into the record, their mattes judged. Raises ExportError where it has others of their names."""
    for item in found.runs:
        name = f"{item.name} on {found.device}"
        if item.error is not None:
            record.keep(Failure(name, item.error))
            continue
        run = _run(found, item, name)
        before = record.run(name)
        if before is not None and (before.conditions, before.samples_ms) != (run.conditions, run.samples_ms):
            raise ExportError(
                f"there is another measurement of {name}",
                where=path,
                expected="each once in a file",
                next_step="import it into another file as `out`, and give that to compare as `again`",
            )
        assert item.matte is not None
        artefact = _artefact(item, recorded, path)
        judged = parity.compare(sample, item.matte.values_nhwc(artefact.contract.matte, path), artefact.tolerance)
        record.keep(run, Parity(name, sample.name, judged.max_abs_difference, judged.mad, judged.passed))


def _run(found: AppBench, item: AppRun, name: str) -> Run:
    conditions: dict[str, str | int] = {
        "target": "app",
        "device": found.device,
        "identity": found.device_id or "unknown",
        "os": found.os,
        "tool": found.app,
        "modnet-export": item.model.version,
        "artefact": item.model.file,
        "sha256": item.model.sha256,
        "threads": item.threads or "unknown",
        "delegate": item.compute_unit,
        RAN_ON: item.ran_on or "unknown",
        "size": f"{item.matte.height}x{item.matte.width}" if item.matte else "unknown",
    }
    return Run(
        name,
        item.samples_ms,
        item.warmup_ms,
        conditions,
        before=_state(item.before) | _loads(item),
        after=_state(item.after),
        marks=_marks(found, item),
        at_s=item.at_s,
        init_ms=item.load_warm_ms if item.load_warm_ms is not None else item.load_cold_ms,
        first_ms=item.first_ms,
        end_to_end_ms=item.end_to_end_ms,
        cold_start_ms=() if item.cold_start_ms is None else (item.cold_start_ms,),
        peak_memory_bytes=item.peak_memory_bytes,
        target=f"app on {found.device}" if found.takes_turns else name,
    )


def _state(state: State) -> dict[str, str | int | float]:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in state.items()}


def _loads(item: AppRun) -> dict[str, str | int | float]:
    known = {"load_cold_ms": item.load_cold_ms, "load_warm_ms": item.load_warm_ms}
    return {name: value for name, value in known.items() if value is not None}


def _marks(found: AppBench, item: AppRun) -> tuple[str, ...]:
    marks = set[str]()
    if found.simulator:
        marks.add(FUNCTIONAL)
    if found.debug:
        marks.add("debug build")
    if True in (item.before.get("low_power_mode"), item.after.get("low_power_mode")):
        marks.add("low power mode")
    for mark, state in (("started warm", item.before), (THROTTLED, item.after)):
        known = [(name, state[name]) for name in _COOL if name in state]
        marks |= {f"{mark}: {name.replace('_', ' ')} {value}" for name, value in known if value not in _COOL[name]} or (
            {"thermal status unknown"} if not known else set()
        )
    return tuple(sorted(marks))
