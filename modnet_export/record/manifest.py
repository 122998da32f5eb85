"""``manifest.json``: what lies in a ``dist/`` folder, what it was made from and how it was verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from converters.budget import Point
from converters.choices import CoreMlNorm, Tuning
from converters.errors import CheckFailedError, ExportError
from modnet_export.record.choices import Format, InputRange, Precision
from modnet_export.record.contract import Contract, Postprocessing, Preprocessing, Size
from modnet_export.record.files import FileFormat, read_versioned, sha256
from modnet_export.record.measures import Measurement, Tolerance, check_measurements
from modnet_export.record.recipes import Recipe, ancestor, recipe
from modnet_export.record.strict import Strict, repeated

FILE_NAME = "manifest.json"
FORMAT = FileFormat("a manifest", 1, "a file as docs/manifest.schema.json describes it", "export again")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or Path(name).name != name or "\\" in name:
        raise ValueError("must be a file name without a folder")
    return name


class SourceRecord(Strict):
    """The weights: the name or path that the user gave, and the file's hash."""

    name: str
    kind: Literal["checkpoint", "onnx"]
    sha256: Sha256
    input_range: InputRange | None = None
    """What an ONNX model takes; null for a checkpoint."""


class SearchRecord(Strict):
    """How an artefact's precision was chosen."""

    budget: str
    held: bool
    chosen: Point
    points: tuple[Point, ...]


class NormRecord(Strict):
    """One instance norm of an fp16 Core ML program: what it met on the calibration images, and how it is written."""

    name: str
    shape: tuple[int, ...]
    """Of what is normalised: N x C x H x W."""
    largest_centred: float
    least_variance: float
    largest_sum_of_squares: float
    form: CoreMlNorm
    why: str


class PlacementRecord(Strict):
    """What an accelerator may take of an artefact: an estimate by published rules, not what a device was seen to do."""

    accelerator: str
    ops: int
    possible: int
    """How many of ``ops`` no rule excludes."""
    excluded: dict[str, int]
    """How many ops a rule excludes, by the rule and its source."""
    partitions: int | None
    launches: int | None
    """Kernels for one image."""
    bytes_moved: int | None
    """What they read and write for one image."""
    added: dict[str, int] = Field(default_factory=dict)
    """How many of those kernels no op of the file asks for, by what they do."""


def function_name(size: Size) -> str:
    """What an app asks for as ``MLModelConfiguration.functionName``."""
    return f"size_{size}"


class FunctionRecord(Strict):
    """A further function of a Core ML package (iOS 18): the same weights at another size than the manifest's."""

    size: Size
    parity: tuple[Measurement, ...]

    @property
    def name(self) -> str:
        return function_name(self.size)


class Artefact(Strict):
    """One model file."""

    file: Annotated[str, AfterValidator(_plain_name)]
    format: Format
    precision: Precision
    optimised: bool
    """Whether the graph passes ran."""
    tuning: Tuning | None
    """The processor that the passes wrote the graph for; null without passes."""
    opset: int | None
    bytes: int = Field(gt=0)
    sha256: Sha256
    contract: Contract
    tolerance: Tolerance
    cpu_fp16: bool = False
    """Whether it asks CPUs with fp16 arithmetic to use it (TFLite, with XNNPACK)."""
    engine: str
    """What ran it for ``parity``; a Core ML package is ``evaluated`` or ``predicted``, never just run."""
    parity: tuple[Measurement, ...]
    functions: tuple[FunctionRecord, ...] = ()
    """Of a Core ML package of several functions, those beside the default one, which all else here is of."""
    search: SearchRecord | None = None
    norms: tuple[NormRecord, ...] = ()
    """Of fp16 Core ML programs of the ``ane`` tuning; empty otherwise."""
    placement: tuple[PlacementRecord, ...] = ()
    """Of TFLite files, for each accelerator whose rules are known; empty otherwise."""

    minimum_runtime: str | None = None
    """Of a TFLite file: the first TensorFlow Lite whose kernels have its operators (LiteRT 1.0 is newer than 2.17)."""
    seen_on: tuple[str, ...] = ()
    """Of a TFLite file: runtimes that gave the demo's matte, as the newest does, by the same operators."""

    @model_validator(mode="after")
    def _can_be_made(self) -> Artefact:
        try:
            _ = self.recipe
        except KeyError as error:
            raise ValueError(f"there is no recipe for {error.args[0]}") from error
        for taken in self.parities.values():
            check_measurements(taken, self.tolerance)
        return self

    @property
    def parities(self) -> dict[str, tuple[Measurement, ...]]:
        """The measurements of the file, and of each further function of it, by their names in messages."""
        return {self.file: self.parity} | {f"{self.file} ({item.name})": item.parity for item in self.functions}

    @property
    def passed(self) -> bool:
        return all(taken and all(measurement.passed for measurement in taken) for taken in self.parities.values())

    @property
    def recipe(self) -> Recipe:
        """How it was made."""
        return recipe(self.format, self.precision, optimised=self.optimised)


class GoldenFile(Strict):
    """An 8-bit PNG of the manifest's size."""

    file: Annotated[str, AfterValidator(_plain_name)]
    sha256: Sha256


class Golden(Strict):
    """What a model is tested with on a device: an image as it takes it, and the reference's matte of it."""

    input: str
    """The name of the input, as in the artefacts' measurements."""
    image: GoldenFile
    matte: GoldenFile


class Manifest(Strict):
    """The whole file."""

    schema_version: Literal[1] = 1
    source: SourceRecord
    size: Size
    preprocessing: Preprocessing = Preprocessing()
    postprocessing: Postprocessing = Postprocessing()
    reference: str
    """The engine that computed the reference mattes."""
    versions: dict[str, str]
    calibration: str | None = None
    """What quantization was calibrated with; null where nothing was."""
    artefacts: tuple[Artefact, ...] = Field(min_length=1)
    golden: Golden | None = None
    """Null in what was exported before there was one."""

    @model_validator(mode="after")
    def _names_each_file_once(self) -> Manifest:
        twice = repeated(name for name, _ in self.files)
        if twice is not None:
            raise ValueError(f"{twice} is listed twice")
        return self

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """The name and the SHA-256 of every file that lies beside the manifest."""
        golden = () if self.golden is None else (self.golden.image, self.golden.matte)
        return tuple((item.file, item.sha256) for item in (*self.artefacts, *golden))

    @property
    def passed(self) -> bool:
        return all(artefact.passed for artefact in self.artefacts)

    def parent_of(self, artefact: Artefact) -> Artefact | None:
        """The artefact of this folder that another one was made from, or its nearest ancestor; None: the reference."""
        by_recipe = {item.recipe.file: item for item in self.artefacts}
        found = ancestor(artefact.recipe, by_recipe)
        return None if found is None else by_recipe[found.file]


def schema() -> str:
    """The JSON Schema of ``manifest.json``, as kept in ``docs/manifest.schema.json``."""
    return json.dumps(Manifest.model_json_schema(), indent=2) + "\n"


def dump(manifest: Manifest) -> bytes:
    return (manifest.model_dump_json(indent=2) + "\n").encode()


def load(folder: Path) -> Manifest:
    """The manifest of a ``dist/`` folder; raises ExportError when there is none or it is not valid."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise ExportError(
            f"{folder} holds no {FILE_NAME}",
            where=path,
            expected="a folder that an export wrote",
            next_step="export a checkpoint into it first, or name another folder",
        )
    return read_versioned(path, Manifest.model_validate_json, FORMAT)


def check_hashes(manifest: Manifest, folder: Path) -> None:
    """Raise CheckFailedError naming every file that is missing or not the one that was exported."""
    problems: list[str] = []
    for file, expected in manifest.files:
        path = folder / file
        if not path.exists():
            problems.append(f"{file} is missing")
        elif (found := sha256(path)) != expected:
            problems.append(f"{file} has SHA-256 {found[:12]}..., the manifest says {expected[:12]}...")
    if problems:
        raise CheckFailedError(
            "\n  ".join([f"{len(problems)} file(s) are not what was exported:", *problems]),
            where=folder,
            expected="the files whose hashes are in the manifest",
            next_step="export again; do not ship these files",
        )
