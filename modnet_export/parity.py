"""Parity: does an artefact give the reference's matte?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from converters.runtimes import Image, Runtime
from modnet_export import metrics
from modnet_export.contract import Format, Precision, Size, Tolerance
from modnet_export.inputs import NOISE, Input, builtin
from modnet_export.reference import Reference


class Measurement(BaseModel):
    """How far one artefact's matte is from the reference's on one input, see ``metrics``.

    Null: not defined for these mattes (the PSNR of equal ones, the correlation of a constant one, an edge band where
    there is none), not finite, or not taken.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    max_abs_difference: float | None = None
    p999: float | None = None
    """99.9th percentile of the absolute differences."""
    mad: float | None = None
    mse: float | None = None
    sad: float | None = None
    grad: float | None = None
    conn: float | None = None
    psnr_db: float | None = None
    ssim: float | None = None
    correlation: float | None = None
    edge_mad: float | None = None
    edge_mse: float | None = None
    edge_sad: float | None = None
    edge_grad: float | None = None
    edge_conn: float | None = None
    flicker: float | None = None
    """For a frame that follows another one."""
    missed: tuple[str, ...] = ()
    """The limits that are not held."""
    passed: bool


MEASURES = tuple(name for name in Measurement.model_fields if name not in ("input", "missed", "passed"))


@dataclass(frozen=True)
class Sample:
    """One input, 1 x H x W x 3 in [0, 1], with the reference's matte for it, 1 x H x W x 1."""

    name: str
    image_nhwc: Image
    matte_nhwc: Image


def samples(reference: Reference, size: Size, inputs: Sequence[Input] = ()) -> list[Sample]:
    """Inputs (the built-in ones where none are given), each run through the reference."""
    loaded = [(item.name, item.load(size)[0]) for item in inputs or builtin()]
    return [Sample(name, image_nhwc, reference.run(image_nhwc)) for name, image_nhwc in loaded]


def compare(name: str, predicted: Image, expected: Image, tolerance: Tolerance) -> Measurement:
    """Take every measure of one matte (1 x H x W x 1) against the reference's and judge it."""
    return judge(name, metrics.against_reference(predicted[0, :, :, 0], expected[0, :, :, 0]), tolerance)


def judge(name: str, values: Mapping[str, float | None], tolerance: Tolerance) -> Measurement:
    """The verdict on measures that were taken elsewhere."""
    missed = tolerance.missed(values)
    # JSON has neither NaN nor infinity.
    finite = {key: value if value is not None and math.isfinite(value) else None for key, value in values.items()}
    return Measurement.model_validate({"input": name, **finite, "missed": missed, "passed": not missed})


def asked_of(artefact_format: Format, precision: Precision, input_name: str) -> bool:
    """Whether an artefact is judged on an input.

    Noise asks for exact arithmetic: it is no test of a program that computes in fp16 or with coarse weights.
    """
    exact = ("fp32", "fp16") if artefact_format == "tflite" else ("fp32",)
    return input_name != NOISE or precision in exact


def measure(runtime: Runtime, inputs: Iterable[Sample], tolerance: Tolerance) -> tuple[Measurement, ...]:
    """Run every sample through ``runtime`` and compare."""
    return tuple(
        compare(sample.name, runtime.run(sample.image_nhwc), sample.matte_nhwc, tolerance) for sample in inputs
    )
