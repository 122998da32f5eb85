"""Parity: does an artefact give the reference's matte?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from converters.runtimes import Image, Runtime
from modnet_export import metrics
from modnet_export.contract import Format, Precision, Size, Tolerance
from modnet_export.imaging import demo_photo, fit_image, read_image
from modnet_export.reference import Reference

NOISE = "noise"
_RANDOM_SEED = 0


class Measurement(BaseModel):
    """How far one artefact's matte is from the reference's on one input; differences are of values in [0, 1]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    max_abs_difference: float | None
    mad: float | None
    psnr_db: float | None
    """Null where the mattes are equal."""
    passed: bool


@dataclass(frozen=True)
class Sample:
    """One input, 1 x H x W x 3 in [0, 1], with the reference's matte for it, 1 x H x W x 1."""

    name: str
    image_nhwc: Image
    matte_nhwc: Image


def samples(reference: Reference, size: Size, images: Sequence[Path] = ()) -> list[Sample]:
    """The built-in photo and uniform noise, or ``images`` letterboxed, each run through the reference."""
    if images:
        inputs = {path.name: fit_image(read_image(path), (size.height, size.width), "letterbox")[0] for path in images}
    else:
        shape = (1, size.height, size.width, 3)
        noise = np.random.default_rng(_RANDOM_SEED).integers(0, 256, shape).astype(np.float32) / np.float32(255)
        photo = fit_image(demo_photo(), (size.height, size.width), "letterbox")[0]
        inputs = {"photo": photo, NOISE: noise}
    # To 8 bits, as every photo is: an artefact that takes 8-bit images must see what the reference sees.
    rounded = {name: (np.rint(image * 255) / 255).astype(np.float32) for name, image in inputs.items()}
    return [Sample(name, image, reference.run(image)) for name, image in rounded.items()]


def compare(name: str, predicted: Image, expected: Image, tolerance: Tolerance) -> Measurement:
    """Measure one matte against the reference's and judge it.

    A matte that is not finite fails every tolerance (its differences are recorded as null, as JSON has no NaN).
    """
    return judge(
        name,
        metrics.max_abs_difference(predicted, expected),
        metrics.mad(predicted, expected),
        metrics.mse(predicted, expected),
        tolerance,
    )


def judge(name: str, largest: float, mean: float, mean_square: float, tolerance: Tolerance) -> Measurement:
    """The verdict on differences that were measured elsewhere."""
    psnr = metrics.psnr_of_mse(mean_square)
    limits = ((largest, tolerance.max_abs_difference), (mean, tolerance.mad))
    return Measurement(
        input=name,
        max_abs_difference=largest if math.isfinite(largest) else None,
        mad=mean if math.isfinite(mean) else None,
        psnr_db=psnr if math.isfinite(psnr) else None,
        passed=math.isfinite(largest) and all(limit is None or value <= limit for value, limit in limits),
    )


def asked_of(artefact_format: Format, precision: Precision, inputs: Sequence[Sample]) -> list[Sample]:
    """The samples that an artefact is judged on.

    Noise asks for exact arithmetic: it is no test of a program that computes in fp16 or with coarse weights.
    """
    exact = artefact_format != "coreml" or precision == "fp32"
    return [sample for sample in inputs if exact or sample.name != NOISE]


def measure(runtime: Runtime, inputs: Iterable[Sample], tolerance: Tolerance) -> tuple[Measurement, ...]:
    """Run every sample through ``runtime`` and compare."""
    return tuple(
        compare(sample.name, runtime.run(sample.image_nhwc), sample.matte_nhwc, tolerance) for sample in inputs
    )
