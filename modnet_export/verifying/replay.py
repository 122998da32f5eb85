"""A replay bundle: all that a colleague with a Mac needs to run the packages with Core ML itself, and the way back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from converters.eight_bit import to_bytes
from converters.errors import CheckFailedError, ExportError
from modnet_export.record.files import FileFormat, files_in, read_versioned, write_bytes
from modnet_export.record.manifest import Artefact, Manifest, Sha256
from modnet_export.record.measures import LEAST_NOISE, Measurement
from modnet_export.record.strict import Strict, repeated
from modnet_export.verifying import metrics
from modnet_export.verifying.gates import decided
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Link, with_changes

FORMAT = FileFormat(
    "replay results",
    3,
    "the results.json that replay.py wrote",
    "make a new bundle, and let its replay.py run on the Mac again",
)
"""Of ``results.json``; ``bundle.json`` has the same version, because ``replay.py`` travels with it."""
# Zip's own first day: the same bundle has the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_SHOWN = 5


class _Replayed(Strict):
    """What ``replay.py`` measures, with NumPy alone. A matte that is not finite gives NaN."""

    max_abs_difference: float = Field(allow_inf_nan=True)
    noise_ratio: float = Field(allow_inf_nan=True)
    mad: float = Field(allow_inf_nan=True)
    mse: float = Field(allow_inf_nan=True)
    correlation: float = Field(allow_inf_nan=True)

    @field_validator("max_abs_difference", "noise_ratio", "mad", "mse")
    @classmethod
    def _not_below_zero(cls, value: float) -> float:
        if value < 0:  # unlike ``Field(ge=0)``, this lets NaN through
            raise ValueError("a difference is never below zero")
        return value


_MEASURED = tuple(_Replayed.model_fields)
_UNITS = ("CPU_ONLY", "ALL")
"""Where the Mac runs each package."""


def _measurement(input_name: str, compute_unit: str) -> str:
    """What a measurement on the Mac is called."""
    return f"{input_name} {compute_unit}"


def _asked(inputs: Iterable[str]) -> tuple[str, ...]:
    """The measurements that a package needs on inputs."""
    return tuple(_measurement(name, unit) for name in inputs for unit in _UNITS)


class _Result(_Replayed):
    file: str
    sha256: Sha256
    compute_unit: str
    input: str

    @property
    def name(self) -> str:
        return _measurement(self.input, self.compute_unit)

    @property
    def values(self) -> dict[str, float]:
        return {**{name: getattr(self, name) for name in _MEASURED}, "psnr_db": metrics.psnr_of_mse(self.mse)}


class ReplayResults(Strict):
    """What ``replay.py`` writes."""

    schema_version: Literal[3] = 3
    machine: dict[str, str]
    results: tuple[_Result, ...]

    @model_validator(mode="after")
    def _measures_each_input_once(self) -> ReplayResults:
        twice = repeated(f"{item.file} on {item.name}" for item in self.results)
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


def write_bundle(target: Path, folder: Path, manifest: Manifest, inputs: Iterable[Sample]) -> None:
    """A zip with the packages, the inputs (8-bit RGB), the reference's mattes and ``replay.py``.

    Raises ExportError when the folder has no package.
    """
    files: dict[str, bytes] = {}
    index: dict[str, dict[str, Any]] = {}
    for number, sample in enumerate(inputs):
        noise = max(sample.noise or 0.0, LEAST_NOISE)
        index[sample.name] = {"image": f"input_{number}.npy", "matte": f"matte_{number}.npy", "noise": noise}
        files[f"input_{number}.npy"] = _npy(to_bytes(sample.image_nhwc[0]))
        files[f"matte_{number}.npy"] = _npy(sample.matte_nhwc[0, :, :, 0])
        if (place := sample.placement) is not None:
            index[sample.name]["shown"] = [place.top, place.left, place.inner_height, place.inner_width]
    described: list[dict[str, Any]] = []
    for artefact in packages(manifest):
        names = [name for name in index if artefact.recipe.judged_on(name)]
        images = artefact.contract.image.layout == "image"
        limits = artefact.tolerance.model_dump(include=set(_MEASURED))
        described.append({"file": artefact.file, "images": images, "inputs": names, "tolerance": limits})
        root = folder / artefact.file
        for item in files_in(root):
            files[f"{artefact.file}/{item.relative_to(root).as_posix()}"] = item.read_bytes()
    bundle = {"schema_version": FORMAT.version, "units": _UNITS, "packages": described, "inputs": index}
    files["bundle.json"] = (json.dumps(bundle, indent=2) + "\n").encode()
    files["replay.py"] = (resources.files("modnet_export") / "data" / "replay.py").read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    write_bytes(target, buffer.getvalue())


def read_results(path: Path, manifest: Manifest, inputs: Sequence[str]) -> ReplayResults:
    """What came back from the Mac for a bundle of these ``inputs``, by name.

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
    foreign = sorted({item.file for item in results.results if hashes.get(item.file) != item.sha256})
    missing = sorted(set(hashes) - {item.file for item in results.results})
    asked = {item.file: _asked(filter(item.recipe.judged_on, inputs)) for item in packages(manifest)}
    invented = [item for item in results.results if item.name not in asked.get(item.file, (item.name,))]
    if foreign or missing or invented:
        problems = [f"{name} is another package than this folder's" for name in foreign]
        problems += [f"{name} was not run" for name in missing]
        problems += [f"{item.file} was not asked to run on {item.name}" for item in invented[:_SHOWN]]
        raise CheckFailedError(
            "\n  ".join(["these results do not cover this folder:", *problems]),
            where=path,
            expected="a result of every package in this folder, on the inputs that this verification has",
            next_step=f"give the inputs that the bundle was made of, or {FORMAT.again}",
        )
    return results


def replayed(links: Sequence[Link], results: ReplayResults) -> list[Link]:
    """The links with Core ML's own measurements in place of the evaluator's, judged by the same tolerances.

    A package that lacks a measurement, on any input and compute unit, was not run.
    """
    machine = ", ".join(results.machine.values())

    def updated(link: Link) -> Link:
        found = [item for item in results.results if item.file == link.artefact]
        if not found:
            return link
        expected = _asked(link.expected)
        measurements = tuple(
            Measurement.judged(item.name, item.values, link.tolerance) for item in found if item.name in expected
        )
        verdict, reason = decided(expected, measurements, link.tolerance)
        return with_changes(
            link,
            expected=expected,
            measurements=measurements,
            engine=f"predicted by Core ML on {machine}",
            verdict=verdict,
            reason=reason,
        )

    return [updated(link) for link in links]
