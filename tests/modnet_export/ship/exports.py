"""Exported folders to ship from, whose models are a few bytes; of a Core ML package, its specification's head."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from modnet_export.images.compositing import save_image
from modnet_export.record import manifest
from modnet_export.record.contract import Contract, Size
from modnet_export.record.files import sha256, size_in_bytes
from modnet_export.record.manifest import Artefact, Golden, GoldenFile, Manifest, SourceRecord
from modnet_export.record.measures import MEASURES, Measurement
from modnet_export.record.recipes import RECIPES
from modnet_export.ship.ios.model import _messages

SIZE = Size(height=32, width=64)
MODELS = (
    "modnet_fp32.onnx", "modnet_fp32.tflite", "modnet_fp16.tflite", "modnet_int8.tflite", "modnet_fp16.mlpackage",
    "modnet_int8.mlpackage",
)  # fmt: skip
VERSION = "1.2.3"
SOURCE = "0" * 64


def package(folder: Path, weights: bytes, *, specification: int = 7, images: bool = True, size: Size = SIZE) -> None:
    """An .mlpackage with the interface of a model and without its program, as coremltools lays one out."""
    spec = _messages().read("Model")
    spec.specificationVersion = specification
    for ports, name in ((spec.description.input, "image"), (spec.description.output, "matte")):
        port = ports.add(name=name)
        if images:
            port.type.imageType.height, port.type.imageType.width = size.height, size.width
        else:
            port.type.multiArrayType.shape.extend([1, 3, size.height, size.width])
    for key, value in {"io.modnet.source.sha256": SOURCE, "io.modnet.version": VERSION}.items():
        spec.description.metadata.userDefined.add(key=key, value=value)
    inside = folder / "Data" / "com.apple.CoreML"
    (inside / "weights").mkdir(parents=True, exist_ok=True)
    (inside / "model.mlmodel").write_bytes(spec.SerializeToString(deterministic=True))
    (inside / "weights" / "weight.bin").write_bytes(weights)
    entry = {"author": "com.apple.CoreML", "path": "com.apple.CoreML/model.mlmodel"}
    content = {"fileFormatVersion": "1.0.0", "itemInfoEntries": {"A": entry}, "rootModelIdentifier": "A"}
    (folder / "Manifest.json").write_text(json.dumps(content))


def export(folder: Path, *, version: int = 0, **changes: object) -> Path:
    """A folder as ``export`` writes it; another ``version`` has other models. ``changes`` are the manifest's."""
    folder.mkdir(parents=True, exist_ok=True)
    artefacts = []
    for row in RECIPES:
        if row.file in MODELS:
            data = bytes([0, 1, 2, version]) + row.file.encode() * 100
            if row.format == "coreml":
                package(folder / row.file, data)
            else:
                (folder / row.file).write_bytes(data)
            limits = row.limits()
            worst = dict.fromkeys(MEASURES, 0.0) | limits.limits
            artefacts.append(
                Artefact(
                    file=row.file,
                    format=row.format,
                    precision=row.precision,
                    optimised=row.tuning is not None,
                    tuning=row.tuning,
                    opset=None,
                    bytes=size_in_bytes(folder / row.file),
                    sha256=sha256(folder / row.file),
                    contract=Contract.of(
                        row.format,
                        SIZE,
                        ports="image" if row.format == "coreml" else "multiarray",
                        eight_bit=row.eight_bit,
                    ),
                    tolerance=limits,
                    engine="none",
                    parity=(Measurement.judged("photo", worst, limits),),
                )
            )
    rng = np.random.default_rng(version)
    save_image(folder / "golden_image.png", rng.random((SIZE.height, SIZE.width, 3), np.float32))
    save_image(folder / "golden_matte.png", rng.random((SIZE.height, SIZE.width), np.float32))
    image, matte = (
        GoldenFile(file=name, sha256=sha256(folder / name)) for name in ("golden_image.png", "golden_matte.png")
    )
    made = Manifest(
        source=SourceRecord(name="demo", kind="checkpoint", sha256=SOURCE),
        size=SIZE,
        reference="none",
        versions={"modnet-export": VERSION, "torch": "2"},
        artefacts=tuple(artefacts),
        golden=Golden(input="photo", image=image, matte=matte),
    )
    (folder / manifest.FILE_NAME).write_bytes(manifest.dump(made.model_copy(update=changes)))
    return folder
