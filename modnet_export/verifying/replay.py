"""A replay bundle: all that a colleague with a Mac needs to run the packages with Core ML itself, and the way back."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field, field_validator, model_validator

from converters.choices import ComputeUnit
from converters.eight_bit import to_bytes
from converters.errors import CheckFailedError, ExportError
from converters.runtimes import Image
from modnet_export.images.inputs import Input
from modnet_export.record.files import FileFormat, files_in, read_versioned, write_bytes
from modnet_export.record.manifest import Artefact, Manifest, Sha256
from modnet_export.record.measures import LEAST_NOISE, Measurement
from modnet_export.record.strict import Strict, repeated
from modnet_export.verifying import metrics
from modnet_export.verifying.gates import decided
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Link, link_name, with_changes

FORMAT = FileFormat(
    "replay results",
    4,
    "the results.json that replay.py wrote",
    "make a new bundle, and let its run.sh run on the Mac again",
)
"""Of ``results.json``; ``bundle.json`` has the same version, because ``replay.py`` travels with it."""
# Zip's own first day: the same bundle has the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_SHOWN = 5
_NEWEST_FIRST = {10: 26, 9: 15, 8: 14, 7: 13}
"""The macOS that reads a specification version (Model.proto)."""


class _Replayed(Strict):
    """What ``replay.py`` measures, with NumPy alone. A matte that is not finite gives NaN."""

    max_abs_difference: float = Field(allow_inf_nan=True)
    noise_ratio: float = Field(allow_inf_nan=True)
    p999: float = Field(allow_inf_nan=True)
    mad: float = Field(allow_inf_nan=True)
    mse: float = Field(allow_inf_nan=True)
    edge_mad: float = Field(allow_inf_nan=True)
    correlation: float = Field(allow_inf_nan=True)

    @field_validator("max_abs_difference", "noise_ratio", "p999", "mad", "mse", "edge_mad")
    @classmethod
    def _not_below_zero(cls, value: float) -> float:
        if value < 0:  # unlike ``Field(ge=0)``, this lets NaN through
            raise ValueError("a difference is never below zero")
        return value


_MEASURED = tuple(_Replayed.model_fields)
UNITS: tuple[ComputeUnit, ...] = ("CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE", "ALL")
"""Where the Mac is asked to run each package."""
assert set(UNITS) == set(get_args(ComputeUnit))


class _OnUnit(Strict):
    file: str
    compute_unit: ComputeUnit


class _Result(_Replayed, _OnUnit):
    sha256: Sha256
    input: str
    from_evaluator: float = Field(allow_inf_nan=True)
    """The largest difference from the evaluator's matte."""
    rounds_to_nearest: float | None
    """The share of pixels of an 8-bit matte that are the evaluator's, rounded to the nearest level."""
    rounds_down: float | None

    @property
    def values(self) -> dict[str, float]:
        return {**{name: getattr(self, name) for name in _MEASURED}, "psnr_db": metrics.psnr_of_mse(self.mse)}


class _Run(_OnUnit):
    """A package that was loaded; times in milliseconds."""

    sha256: Sha256
    coremltools: str
    cold_load_ms: float
    warm_load_ms: float
    latency_ms: float
    preferred: dict[str, int]
    """How many ops prefer which device, by Core ML's plan; empty where it has none."""
    supported: dict[str, int]
    no_plan: str | None = None


class _Crash(_OnUnit):
    reason: str


class ReplayResults(Strict):
    """What ``replay.py`` writes."""

    schema_version: Literal[4] = 4
    bundle: Sha256
    machine: dict[str, str]
    runs: tuple[_Run, ...]
    results: tuple[_Result, ...]
    crashes: tuple[_Crash, ...]

    @model_validator(mode="after")
    def _measures_each_input_once(self) -> ReplayResults:
        twice = repeated(f"{item.file} on {item.input} {item.compute_unit}" for item in self.results)
        if twice is not None:
            raise ValueError(f"{twice} is there twice")
        return self


def packages(manifest: Manifest) -> list[Artefact]:
    """The Core ML packages of a folder; raises ExportError when it has none."""
    found = [artefact for artefact in manifest.artefacts if artefact.format == "coreml"]
    if not found:
        raise ExportError(
            "there is no Core ML package in this folder",
            where="its manifest",
            expected="at least one",
            next_step="export again with coreml among `formats`",
        )
    return found


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _identity(manifest: Manifest, images: Iterable[tuple[str, Image]]) -> str:
    """The hash of what a bundle is about: its packages, its inputs and the units."""
    content = [
        FORMAT.version,
        UNITS,
        [[item.file, item.sha256] for item in packages(manifest)],
        [[name, hashlib.sha256(to_bytes(image_nhwc).tobytes()).hexdigest()] for name, image_nhwc in images],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def write_bundle(target: Path, folder: Path, manifest: Manifest, inputs: Iterable[Sample]) -> None:
    """A zip with the packages, the inputs (8-bit RGB), the reference's and the evaluator's mattes, and what runs them.

    Raises ExportError when the folder has no package.
    """
    from converters.coreml.interpreter import Evaluator
    from converters.coreml.package import Package

    files: dict[str, bytes] = {}
    index: dict[str, dict[str, Any]] = {}
    samples = list(inputs)
    for number, sample in enumerate(samples):
        noise = max(sample.noise or 0.0, LEAST_NOISE)
        names = {kind: f"{kind}_{number}.npy" for kind in ("image", "matte", "band")}
        index[sample.name] = {**names, "noise": noise}
        matte = sample.matte_nhwc[0, :, :, 0]
        band = np.zeros(matte.shape, bool)
        placed = band if sample.placement is None else sample.placement.shown(band[None, :, :, None])
        placed[...] = metrics.edge_band(sample.shown(sample.matte_nhwc))
        for kind, array in (("image", to_bytes(sample.image_nhwc[0])), ("matte", matte), ("band", band)):
            files[names[kind]] = _npy(array)
        if (place := sample.placement) is not None:
            index[sample.name]["shown"] = [place.top, place.left, place.inner_height, place.inner_width]
    described: list[dict[str, Any]] = []
    system = 0
    for artefact in packages(manifest):
        root = folder / artefact.file
        package = Package(root)
        evaluator, system = Evaluator(package), max(system, _NEWEST_FIRST[package.spec.specificationVersion])
        judged = [sample for sample in samples if artefact.recipe.judged_on(sample.name)]
        evaluated = {item.name: f"{artefact.precision}_{samples.index(item)}.npy" for item in judged}
        for item in judged:
            files[evaluated[item.name]] = _npy(_evaluated(evaluator, artefact, item))
        described.append(
            {
                "file": artefact.file,
                "images": artefact.contract.image.layout == "image",
                "scale": int(artefact.contract.matte.maximum),
                "inputs": [item.name for item in judged],
                "evaluated": evaluated,
                "tolerance": artefact.tolerance.model_dump(include=set(_MEASURED)),
            }
        )
        for path in files_in(root):
            files[f"{artefact.file}/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    identity = _identity(manifest, ((item.name, item.image_nhwc) for item in samples))
    bundle = {
        "schema_version": FORMAT.version, "identity": identity, "units": UNITS, "packages": described, "inputs": index
    }  # fmt: skip
    files["bundle.json"] = (json.dumps(bundle, indent=2) + "\n").encode()
    data = resources.files("modnet_export") / "data"
    files["replay.py"] = (data / "replay.py").read_bytes()
    script = (data / "replay.sh").read_text()
    for name, value in (("COREMLTOOLS", version("coremltools")), ("MACOS", str(system))):
        script = script.replace(name, value)
    files["run.sh"] = script.encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    write_bytes(target, buffer.getvalue())


def _evaluated(evaluator: Any, artefact: Artefact, sample: Sample) -> np.ndarray:
    """The evaluator's matte, H x W, in the port's scale and before it is rounded to bytes."""
    import torch

    scale = np.float32(artefact.contract.image.maximum)
    image_nchw = np.rint(sample.image_nhwc * scale) if scale > 1 else sample.image_nhwc
    given = torch.from_numpy(np.ascontiguousarray(image_nchw.transpose(0, 3, 1, 2), np.float32))
    found = evaluator.run({artefact.contract.image.name: given})[artefact.contract.matte.name]
    return np.asarray(found.numpy()[0, 0], np.float32)


def read_results(path: Path, manifest: Manifest, inputs: Sequence[Input]) -> ReplayResults:
    """What came back from the Mac for a bundle of these ``inputs``.

    Raises ExportError for a file that is not a result, for a limit of a measure that is not taken on the Mac, and
    CheckFailedError for results of other packages or other inputs. That all of them are there is for ``replayed``.
    """
    limited = {name for artefact in packages(manifest) for name in artefact.tolerance.limits}
    beyond = sorted(limited - {*_MEASURED, "psnr_db"})
    if beyond:
        raise ExportError(
            f"{', '.join(beyond)} of a Core ML package has a limit, and is not measured on the Mac",
            where="`tolerance`",
            expected=f"limits of {', '.join(_MEASURED)} and psnr_db",
            next_step="leave the limit out, or set it in a file for the other formats",
        )
    results = read_versioned(path, ReplayResults.model_validate_json, FORMAT)
    hashes = {artefact.file: artefact.sha256 for artefact in packages(manifest)}
    rows: list[_Result | _Run] = [*results.results, *results.runs]
    foreign = sorted({item.file for item in rows if hashes.get(item.file) != item.sha256})
    came = {item.file for item in (*results.results, *results.crashes)}
    asked = {item.file: [one.name for one in inputs if item.recipe.judged_on(one.name)] for item in packages(manifest)}
    invented = [item for item in results.results if item.input not in asked.get(item.file, (item.input,))]
    problems = [f"{name} is another package than this folder's" for name in foreign]
    problems += [f"{name} was not run" for name in sorted(set(hashes) - came)]
    problems += [f"{item.file} was not asked to run on {item.input}" for item in invented[:_SHOWN]]
    if not problems and results.bundle != _identity(manifest, _readable(inputs, manifest)):
        problems = ["they are of another bundle: its packages, its inputs or its units are not these"]
    if problems:
        raise CheckFailedError(
            "\n  ".join(["these results do not cover this folder:", *problems]),
            where=path,
            expected="a result of every package in this folder, on the inputs that this verification has",
            next_step=f"give the inputs that the bundle was made of, or {FORMAT.again}",
        )
    return results


def _readable(inputs: Sequence[Input], manifest: Manifest) -> Iterable[tuple[str, Image]]:
    for item in inputs:
        try:
            yield item.name, item.load(manifest.size)[0]
        except ExportError:  # the verification says so; the bundle was made without it
            continue


def names(expected: Iterable[str], manifest: Manifest) -> tuple[str, ...]:
    """The names of links, those of packages once for each unit that a Mac is asked to run them on."""
    of_units = {item.file: [link_name(item.file, "cpu", unit) for unit in UNITS] for item in packages(manifest)}
    return tuple(name for each in expected for name in of_units.get(each, [each]))


def replayed(links: Sequence[Link], results: ReplayResults, manifest: Manifest) -> list[Link]:
    """The links with Core ML's own measurements in place of the evaluator's, one for each unit, by the same tolerances.

    A package that lacks a measurement on any input was not run there; one whose process ended early has failed.
    """
    files = {item.file for item in packages(manifest)}
    found: list[Link] = []
    for link in links:
        found += [_on(link, unit, results) for unit in UNITS] if link.artefact in files else [link]
    return found


def _on(link: Link, unit: ComputeUnit, results: ReplayResults) -> Link:
    def here(item: _OnUnit) -> bool:
        return (item.file, item.compute_unit) == (link.artefact, unit)

    rows = [item for item in filter(here, results.results) if item.input in link.expected]
    measurements = tuple(Measurement.judged(item.input, item.values, link.tolerance) for item in rows)
    verdict, reason = decided(link.expected, measurements, link.tolerance)
    crashes = [item.reason for item in filter(here, results.crashes)]
    if crashes:
        verdict, reason = "failed", "; ".join(filter(None, [f"its process ended: {crashes[0]}", reason]))
    machine = ", ".join(filter(None, results.machine.values()))
    plan = next((_planned(item) for item in filter(here, results.runs)), "it was not loaded")
    return with_changes(
        link,
        compute_unit=unit,
        measurements=measurements,
        engine=f"predicted by Core ML, asked for {unit} ({plan}), on {machine}",
        verdict=verdict,
        reason=reason,
    )


def _planned(run: _Run) -> str:
    """Where Core ML plans to run the ops: what was asked for says nothing of it."""
    if not run.preferred:
        return "where it ran is not known"
    return "its plan: " + ", ".join(f"{count} ops on {device}" for device, count in sorted(run.preferred.items()))
