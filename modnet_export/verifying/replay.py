"""A replay bundle: all that a colleague with a Mac needs to run the packages with Core ML itself, and the way back."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from converters.errors import CheckFailedError, ExportError
from modnet_export.record.files import files_in, read_validated, write_bytes
from modnet_export.record.manifest import Artefact, Manifest, Sha256
from modnet_export.record.measures import Measurement
from modnet_export.verifying.gates import describe
from modnet_export.verifying.metrics import psnr_of_mse
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Link

# Zip's own first day: the same bundle has the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


_REPLAYED = ("max_abs_difference", "mad", "mse")
"""What ``replay.py`` measures, with NumPy alone."""


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: Sha256
    compute_unit: str
    input: str
    max_abs_difference: float = Field(allow_inf_nan=True)
    mad: float = Field(allow_inf_nan=True)
    mse: float = Field(allow_inf_nan=True)


class _Results(BaseModel):
    """What ``replay.py`` writes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machine: dict[str, str]
    results: tuple[_Result, ...]


def _packages(manifest: Manifest) -> list[Artefact]:
    found = [artefact for artefact in manifest.artefacts if artefact.format == "coreml"]
    if not found:
        raise ExportError(
            "there is no Core ML package in this folder",
            expected="at least one",
            next_step="modnet-export export --formats onnx,tflite,coreml",
        )
    return found


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write_bundle(target: Path, folder: Path, manifest: Manifest, inputs: Sequence[Sample]) -> None:
    """A zip with the packages, the inputs (8-bit RGB), the reference's mattes and ``replay.py``.

    Raises ExportError when the folder has no package.
    """
    files: dict[str, bytes] = {}
    index: dict[str, dict[str, str]] = {}
    for number, sample in enumerate(inputs):
        index[sample.name] = {"image": f"input_{number}.npy", "matte": f"matte_{number}.npy"}
        files[f"input_{number}.npy"] = _npy(np.rint(sample.image_nhwc[0] * 255).astype(np.uint8))
        files[f"matte_{number}.npy"] = _npy(sample.matte_nhwc[0, :, :, 0])
    packages: list[dict[str, object]] = []
    for artefact in _packages(manifest):
        names = [item.name for item in inputs if artefact.recipe.judged_on(item.name)]
        images = artefact.contract.image.layout == "image"
        limits = artefact.tolerance.model_dump(include=set(_REPLAYED))
        packages.append({"file": artefact.file, "images": images, "inputs": names, "tolerance": limits})
        root = folder / artefact.file
        for item in files_in(root):
            files[f"{artefact.file}/{item.relative_to(root).as_posix()}"] = item.read_bytes()
    files["bundle.json"] = (json.dumps({"packages": packages, "inputs": index}, indent=2) + "\n").encode()
    files["replay.py"] = (resources.files("modnet_export") / "data" / "replay.py").read_bytes()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    write_bytes(target, buffer.getvalue())


def import_results(path: Path, manifest: Manifest, links: Sequence[Link]) -> list[Link]:
    """The links with Core ML's own measurements in place of the evaluator's, judged by the same tolerances.

    Raises ExportError for a file that is not a result, CheckFailedError for results of other packages.
    """
    results = read_validated(
        path, _Results.model_validate_json, "replay results", "the results.json that replay.py wrote"
    )
    hashes = {artefact.file: artefact.sha256 for artefact in _packages(manifest)}
    foreign = sorted({item.file for item in results.results if hashes.get(item.file) != item.sha256})
    missing = sorted(set(hashes) - {item.file for item in results.results})
    if foreign or missing:
        problems = [f"{name} is another package than this folder's" for name in foreign]
        problems += [f"{name} was not run" for name in missing]
        raise CheckFailedError("\n  ".join(["these results do not cover this folder:", *problems]), where=path)
    machine = ", ".join(results.machine.values())

    def updated(link: Link) -> Link:
        measurements = tuple(
            Measurement.judged(
                f"{item.input} {item.compute_unit}",
                {**{name: getattr(item, name) for name in _REPLAYED}, "psnr_db": psnr_of_mse(item.mse)},
                link.tolerance,
            )
            for item in results.results
            if item.file == link.artefact
        )
        if not measurements:
            return link
        reason = describe(measurements, link.tolerance)
        return link.model_copy(
            update={
                "measurements": measurements,
                "engine": f"predicted by Core ML on {machine}",
                "verdict": "failed" if reason else "passed",
                "reason": reason,
            }
        )

    return [updated(link) for link in links]
