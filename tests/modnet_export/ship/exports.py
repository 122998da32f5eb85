"""Exported folders to ship from, whose models are a few bytes: nothing in shipping looks into a model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from modnet_export.images.compositing import save_image
from modnet_export.record import manifest
from modnet_export.record.contract import Contract, Size
from modnet_export.record.files import sha256
from modnet_export.record.manifest import Artefact, Golden, GoldenFile, Manifest, SourceRecord
from modnet_export.record.measures import MEASURES, Measurement
from modnet_export.record.recipes import RECIPES

SIZE = Size(height=32, width=64)
MODELS = ("modnet_fp32.onnx", "modnet_fp32.tflite", "modnet_fp16.tflite", "modnet_int8.tflite")


def export(folder: Path, *, version: int = 0, **changes: object) -> Path:
    """A folder as ``export`` writes it; another ``version`` has other models. ``changes`` are the manifest's."""
    folder.mkdir(parents=True, exist_ok=True)
    artefacts = []
    for row in RECIPES:
        if row.file in MODELS:
            data = bytes([0, 1, 2, version]) + row.file.encode() * 100
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
                    bytes=len(data),
                    sha256=hashlib.sha256(data).hexdigest(),
                    contract=Contract.of(row.format, SIZE, eight_bit=row.eight_bit),
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
        source=SourceRecord(name="demo", kind="checkpoint", sha256="0" * 64),
        size=SIZE,
        reference="none",
        versions={"modnet-export": "1.2.3", "torch": "2"},
        artefacts=tuple(artefacts),
        golden=Golden(input="photo", image=image, matte=matte),
    )
    (folder / manifest.FILE_NAME).write_bytes(manifest.dump(made.model_copy(update=changes)))
    return folder
