"""The checks of a verification that go beyond the matte: agreement of engines, fp16 safety, and where a graph parts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converters.runtimes import Image, open_runtime
from modnet_export.record.manifest import Artefact
from modnet_export.record.recipes import recipe
from modnet_export.verifying import metrics
from modnet_export.verifying.result import Agreement, HalfSafety, HalfTensor, Suspect

if TYPE_CHECKING:
    from converters.diagnose.tracing import Step

_SHOWN = 10
# Threads share the work and change no sum's order in XNNPACK. Other kernels add in another order: in floats, that is
# rounding. Where activations are int8, engines round them differently, and at run time XNNPACK takes a zero point.
_SAME_KERNELS, _OTHER_KERNELS, _OTHER_INTEGER_KERNELS = 1e-6, 1e-5, 5e-3


def agreements(path: Path, artefact: Artefact, image_nhwc: Image) -> list[Agreement]:
    """One TFLite artefact on one thread, on all, and without XNNPACK."""
    threads = os.cpu_count() or 1
    matte = open_runtime(path, threads=1).run(image_nhwc)
    others = (
        (f"XNNPACK on 1 and {threads} threads", open_runtime(path, threads=threads), _SAME_KERNELS),
        (
            "XNNPACK and built-in kernels",
            open_runtime(path, threads=1, delegate="builtin"),
            _OTHER_INTEGER_KERNELS if artefact.recipe.integer_activations else _OTHER_KERNELS,
        ),
    )
    found: list[Agreement] = []
    for ways, runtime, limit in others:
        other = runtime.run(image_nhwc)
        mean = metrics.mad(other, matte)
        found.append(
            Agreement(
                artefact=artefact.file,
                ways=ways,
                max_abs_difference=metrics.max_abs_difference(other, matte),
                mad=mean,
                limit=limit,
                passed=mean <= limit,
            )
        )
    return found


def half_safety(path: Path, artefact: Artefact, images_nhwc: Iterable[Image]) -> HalfSafety:
    """Whether a float TFLite artefact survives fp16, by ``converters.tflite.fp16_safety`` over all images."""
    from converters.tflite import fp16_safety as half
    from converters.tflite.interpreter import interpreter

    data = path.read_bytes()
    rounded, _ = interpreter(half.round_activations(data), None, xnnpack=False)
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
        HalfTensor(op=item.op, tensor=item.tensor, largest=min(item.largest, 1e38), what=item.what)
        for item in half.magnitudes(data, seen())
    ]
    overflows = tuple(item for item in found if item.largest > half.FP16_MAX)
    mean = float(np.mean(differences))
    finite = bool(np.isfinite(mean))
    limit = recipe("tflite", "fp16").tolerance.mad or 0.0
    return HalfSafety(
        artefact=artefact.file,
        images=len(differences),
        largest=tuple(sorted(found, key=lambda item: -item.largest)[:_SHOWN]),
        overflows=overflows,
        mad=mean if finite else None,
        passed=not overflows and finite and mean <= limit,
    )


def suspect(artefact: Artefact, graph: Sequence[Step], parent_name: str, parent: Sequence[Step]) -> Suspect | None:
    """The first op at which an artefact's graph leaves its parent's; None where they are alike throughout."""
    from converters.diagnose.bisect import diverge

    found = diverge(graph, parent, artefact.recipe.least_snr_db)
    if found is None:
        return None
    origin = "" if found.parent_op is None else f"{found.parent_op.op} {found.parent_op.name}"
    reader = "" if found.reader is None else f"{found.reader.op} {found.reader.name}"
    if found.kind == "drops":
        explanation = "all tensors correspond; the largest loss of precision is in this op"
    elif found.kind == "scales":
        explanation = f"all that it reads agrees with {parent_name}, its result is a multiple of what it should be"
    elif origin:
        explanation = f"all that it reads agrees with {parent_name}, its result does not: compare it with {origin}"
    else:
        explanation = f"all that it reads agrees with {parent_name}, its result is in no tensor there"
    if found.kind == "leaves" and reader:
        explanation += f", or look at {reader}, which reads it"
    return Suspect(
        artefact=artefact.file,
        parent=parent_name,
        op=f"{found.op.op} {found.op.name}",
        tensor=found.op.tensor,
        reader=reader,
        parent_op=origin,
        snr_db=_finite(found.snr_db),
        inputs_snr_db=_finite(found.inputs_snr_db),
        explanation=explanation,
    )


def _finite(value: float) -> float | None:
    return round(value, 1) if np.isfinite(value) else None
