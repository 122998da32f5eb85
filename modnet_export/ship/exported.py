"""What is shipped from: models of one exported folder, as they were exported, and what an app is told of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from converters.errors import ExportError
from modnet_export.record import manifest
from modnet_export.record.choices import Format
from modnet_export.record.files import files_in, sha256
from modnet_export.record.manifest import Artefact, Golden, Manifest
from modnet_export.ship.changes import Record, Shipped

CONTRACT = "modnet.json"
"""Lies beside the models in an app: its ``artefacts`` have ``file`` and ``sha256``, as in manifest.json."""
_NAMES: dict[Format, str] = {"onnx": "ONNX", "tflite": "TFLite", "coreml": "Core ML"}


@dataclass(frozen=True)
class Exported:
    """Models of one export, each of them the file that was exported."""

    folder: Path
    manifest: Manifest
    golden: Golden
    models: tuple[Artefact, ...]

    @classmethod
    def read(cls, paths: Sequence[Path], format: Format) -> Exported:
        """The models at ``paths``; raises ExportError unless they are of one export and all is as exported."""
        folder = paths[0].parent
        other = next((path for path in paths if path.parent.resolve() != folder.resolve()), None)
        if other is not None:
            raise ExportError(
                f"{paths[0]} and {other} come from two exports",
                where="`model_files`",
                expected="models of one folder: they have one size and one golden image",
                next_step="export them together",
            )
        exported = manifest.load(folder)
        artefacts = {item.file: item for item in exported.artefacts if item.format == format}
        models = tuple(_model(path, artefacts, _NAMES[format]) for path in dict.fromkeys(paths))
        if exported.golden is None:
            raise ExportError(
                f"{folder} has no golden image and matte",
                where=folder / manifest.FILE_NAME,
                expected="an export by this version of the tool",
                next_step="export again",
            )
        for item in (exported.golden.image, exported.golden.matte):
            _require(folder / item.file, item.sha256)
        return cls(folder, exported, exported.golden, models)

    def files(self, folder: str) -> dict[str, Shipped]:
        """The models and ``modnet.json`` as files of an app's folder; a package is a folder of files."""
        found = {f"{folder}/{CONTRACT}": Shipped(contract(self.manifest, self.models), True)}
        for item in self.models:
            path = self.folder / item.file
            for part in files_in(path) if path.is_dir() else [path]:
                name = part.relative_to(self.folder).as_posix()
                found[f"{folder}/{name}"] = Shipped(part.read_bytes(), True)
        return found

    def golden_files(self, folder: str) -> dict[str, Shipped]:
        """The golden image and matte as files of an app's folder."""
        names = (self.golden.image.file, self.golden.matte.file)
        return {f"{folder}/{name}": Shipped((self.folder / name).read_bytes(), True) for name in names}


def shipped_before(folder: Path, suffix: str, example: str) -> tuple[Path, ...]:
    """The models that a folder's record has, in ``dist``; raises ExportError where there are none."""
    parts = [part for name in Record.read(folder).files for part in PurePosixPath(name).parts]
    found = tuple(Path("dist", part) for part in dict.fromkeys(parts) if part.endswith(suffix))
    if not found:
        raise ExportError(
            f"no model was shipped to {folder.name} yet",
            where="`model_files`",
            expected=f"a {suffix} of an exported folder",
            next_step=f"name one: `model_files=dist/{example}`",
        )
    return found


def contract(exported: Manifest, models: Sequence[Artefact]) -> bytes:
    """``modnet.json``: what the app's models are, for `lint` and for whoever opens the app."""
    kept = {"file", "sha256", "bytes", "precision", "tuning", "contract"}
    content = {
        "schema_version": 1,
        "source": exported.source.model_dump(include={"name", "sha256"}),
        "versions": {name: number for name, number in exported.versions.items() if name == "modnet-export"},
        "size": exported.size.model_dump(),
        "preprocessing": exported.preprocessing.model_dump(),
        "postprocessing": exported.postprocessing.model_dump(),
        "artefacts": [item.model_dump(include=kept) for item in models],
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _model(path: Path, artefacts: dict[str, Artefact], format_name: str) -> Artefact:
    artefact = artefacts.get(path.name)
    if artefact is None:
        raise ExportError(
            f"{path.name} is not a {format_name} model of this export",
            where=path.parent / manifest.FILE_NAME,
            expected=f"one of {', '.join(artefacts)}" if artefacts else f"an export with {format_name} models",
            next_step="name another model, or export it",
        )
    if not artefact.passed:
        raise ExportError(
            f"{path.name} missed its limits when it was exported",
            where=path,
            expected="a model that gives the reference's matte",
            next_step="ship another model",
        )
    if artefact.precision == "int16x8":
        raise ExportError(
            f"{path.name} is written for NPUs",
            where=path,
            expected="a model for the GPU or the CPU, which the matting module runs; on a CPU this one takes seconds",
            next_step="ship the fp16 or the int8 model",
        )
    _require(path, artefact.sha256)
    return artefact


def _require(path: Path, expected: str) -> None:
    """Raise ExportError unless a file or a package is the exported one."""
    if not path.exists() or sha256(path) != expected:
        raise ExportError(
            f"{path.name} is {'not the file that was exported' if path.exists() else 'missing'}",
            where=path,
            expected=f"SHA-256 {expected[:12]}..., as the manifest has it",
            next_step="export again; do not ship this file",
        )
