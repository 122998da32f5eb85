"""Whether a float TFLite artefact survives a GPU's fp16, as ``converters.tflite.fp16_safety`` tells without a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from converters.runtimes import Image, Runtime, open_runtime
from modnet_export.record.manifest import Artefact
from modnet_export.record.recipes import recipe
from modnet_export.verifying import metrics
from modnet_export.verifying.foreign.reading import ForeignModel
from modnet_export.verifying.links import Judged
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import LARGEST_SUM_ERROR, Fp16Safety, Fp16Sum, Fp16Tensor

_SHOWN = 10
_LARGEST = 1e38
"""Stands for infinity, which JSON cannot say."""


def concerns(artefact: Artefact) -> bool:
    """Whether an artefact is made for fp16 arithmetic."""
    return (artefact.format, artefact.precision) == ("tflite", "fp16")


def examine(path: Path, artefact: Judged, inputs: Iterable[Sample], theirs: ForeignModel | None = None) -> Fp16Safety:
    """An artefact's largest numbers and least exact sums, and how far its matte moves when every op rounds to fp16.

    No input's matte may move by a larger mean than an fp16 artefact's may differ from the reference's, and no
    convolution's sums, in fp16 themselves, may lose more than a hundredth. ``theirs`` is the model where somebody else
    converted it.
    """
    from converters.tflite.fp16_safety import FP16_MAX, numbers, round_activations
    from converters.tflite.interpreter import interpreter

    data = path.read_bytes()
    rounded, _ = interpreter(round_activations(data), None, xnnpack=False)
    source = rounded.get_input_details()[0]["index"]
    target = rounded.get_output_details()[0 if theirs is None else theirs.reading.output]["index"]
    exact: Runtime = theirs or open_runtime(path)
    moved: dict[str, float] = {}

    def seen() -> Iterable[Image]:
        """Hand every image on after the rounded run: one pass over the images serves both."""
        for sample in inputs:
            given = sample.image_nhwc if theirs is None else theirs.given(sample.image_nhwc)
            rounded.set_tensor(source, given)
            rounded.invoke()
            matte = sample.shown(exact.run(sample.image_nhwc))
            output = rounded.get_tensor(target)
            moved[sample.name] = metrics.mad(sample.shown(output if theirs is None else theirs.matte(output)), matte)
            yield given

    asked = numbers(data, seen())
    found = [
        Fp16Tensor(op=item.op, tensor=item.tensor, largest=min(item.largest, _LARGEST), what=item.what)
        for item in asked.magnitudes
    ]
    sums = [
        Fp16Sum(op=item.op, tensor=item.tensor, terms=item.terms, relative_error=min(item.relative, _LARGEST))
        for item in sorted(asked.sums, key=lambda item: -item.relative)
    ]
    exact_enough = not sums or sums[0].relative_error <= LARGEST_SUM_ERROR
    overflows = tuple(item for item in found if item.largest > FP16_MAX)
    # NaN is the worst of all.
    worst = max(moved, key=lambda name: np.inf if np.isnan(moved[name]) else moved[name])
    finite = bool(np.isfinite(moved[worst]))
    return Fp16Safety(
        artefact=artefact.file,
        images=len(moved),
        largest=tuple(sorted(found, key=lambda item: -item.largest)[:_SHOWN]),
        overflows=overflows,
        sums=tuple(sums[:_SHOWN]),
        mad=float(np.mean(list(moved.values()))) if finite else None,
        worst_mad=moved[worst] if finite else None,
        worst_input=worst,
        passed=not overflows
        and exact_enough
        and finite
        and moved[worst] <= (recipe("tflite", "fp16").tolerance.mad or 0.0),
    )
