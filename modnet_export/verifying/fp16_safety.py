"""Whether a float TFLite artefact survives a GPU's fp16, as ``converters.tflite.fp16_safety`` tells without a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from converters.runtimes import Image, open_runtime
from modnet_export.record.manifest import Artefact
from modnet_export.record.recipes import recipe
from modnet_export.verifying import metrics
from modnet_export.verifying.result import Fp16Safety, Fp16Tensor

_SHOWN = 10
_LARGEST = 1e38
"""Stands for infinity, which JSON cannot say."""


def examine(path: Path, artefact: Artefact, images_nhwc: Iterable[Image]) -> Fp16Safety:
    """The largest numbers of an artefact over all images, and how far its matte moves when every op rounds to fp16."""
    from converters.tflite.fp16_safety import FP16_MAX, magnitudes, round_activations
    from converters.tflite.interpreter import interpreter

    data = path.read_bytes()
    rounded, _ = interpreter(round_activations(data), None, xnnpack=False)
    source, target = rounded.get_input_details()[0]["index"], rounded.get_output_details()[0]["index"]
    exact = open_runtime(path)
    differences: list[float] = []

    def seen() -> Iterable[Image]:
        """Hand every image on after the rounded run: one pass over the images serves both."""
        for image_nhwc in images_nhwc:
            rounded.set_tensor(source, image_nhwc)
            rounded.invoke()
            differences.append(metrics.mad(rounded.get_tensor(target), exact.run(image_nhwc)))
            yield image_nhwc

    found = [
        Fp16Tensor(op=item.op, tensor=item.tensor, largest=min(item.largest, _LARGEST), what=item.what)
        for item in magnitudes(data, seen())
    ]
    overflows = tuple(item for item in found if item.largest > FP16_MAX)
    mean = float(np.mean(differences))
    finite = bool(np.isfinite(mean))
    limit = recipe("tflite", "fp16").tolerance.mad or 0.0
    return Fp16Safety(
        artefact=artefact.file,
        images=len(differences),
        largest=tuple(sorted(found, key=lambda item: -item.largest)[:_SHOWN]),
        overflows=overflows,
        mad=mean if finite else None,
        passed=not overflows and finite and mean <= limit,
    )
