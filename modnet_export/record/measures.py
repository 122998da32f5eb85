"""The measures of one matte against another: one table that limits, results, tables and charts are read from.

The formula of each measure and its source are in ``verifying.metrics``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from modnet_export.record.choices import Convention
from modnet_export.record.strict import Strict, repeated


@dataclass(frozen=True)
class Measure:
    """What a reader of a number must know: its name in tables, its unit, and which way is better."""

    heading: str
    unit: str = "1"
    """``1``: of matte values in [0, 1]."""
    at_least: bool = False
    """Whether more is better, so that a limit bounds it from below."""
    signed: bool = False
    """Whether it may be below zero."""
    worst: bool = False
    """Whether a summary over inputs gives the worst one; otherwise their mean."""
    narrow: str | None = None
    """The heading in a terminal's narrow columns; None: ``heading``."""
    short: str | None = None
    """What limits and error messages call it; None: its name."""
    tabled: bool = False
    """Whether it has a column in a report."""
    noise: float | None = None
    """How much of it another machine's float arithmetic may add, so that a baseline allows it; of a sum, for a pixel.

    None: it is not compared with a baseline."""
    between_frames: bool = False
    """Whether it compares a frame with the one before it: other inputs have none."""
    limited: bool = True
    """Whether it may have a limit; False: it describes, and a matte that is wrong may have a good value."""
    of_truth: bool = False
    """Whether it is also taken against a ground truth, as the matting benchmarks do."""


class Measures(Strict):
    """One optional number for each measure; None: not taken, not defined for these mattes, or not finite."""

    max_abs_difference: Annotated[float | None, Measure("max", noise=5e-5, worst=True, short="max", tabled=True)] = None
    noise_ratio: Annotated[float | None, Measure("max / noise", worst=True, short="max / noise")] = None
    """The largest difference as a multiple of what float32 arithmetic alone does on the same input."""
    p999: Annotated[float | None, Measure("99.9 %", noise=1e-5, worst=True, tabled=True)] = None
    """99.9th percentile of the absolute differences."""
    mad: Annotated[
        float | None, Measure("mean (MAD)", noise=1e-5, narrow="mean", short="mean", tabled=True, of_truth=True)
    ] = None
    mse: Annotated[float | None, Measure("MSE", noise=1e-10, tabled=True, of_truth=True)] = None
    sad: Annotated[float | None, Measure("SAD", "thousand pixels", noise=1e-5, tabled=True, of_truth=True)] = None
    grad: Annotated[float | None, Measure("Grad", "thousands", noise=1e-10, tabled=True, of_truth=True)] = None
    conn: Annotated[float | None, Measure("Conn", "thousand pixels", noise=1e-4, tabled=True, of_truth=True)] = None
    edge_mad: Annotated[float | None, Measure("edge mean", noise=1e-5, narrow="edges", tabled=True)] = None
    edge_mse: Annotated[float | None, Measure("edge MSE", noise=1e-10)] = None
    edge_sad: Annotated[float | None, Measure("edge SAD", "thousand pixels", noise=1e-5)] = None
    edge_grad: Annotated[float | None, Measure("edge Grad", "thousands", noise=1e-10)] = None
    edge_conn: Annotated[float | None, Measure("edge Conn", "thousand pixels", noise=1e-4)] = None
    dtssd: Annotated[float | None, Measure("dtSSD", noise=1e-5, tabled=True, between_frames=True)] = None
    """Only for a frame that follows another one, as ``flicker``."""
    flicker: Annotated[
        float | None, Measure("flicker", noise=1e-5, signed=True, tabled=True, between_frames=True, limited=False)
    ] = None
    warped_flicker: Annotated[
        float | None,
        Measure(
            "flicker along motion", noise=1e-5, narrow="along motion", tabled=True, between_frames=True, limited=False
        ),
    ] = None
    """What the matte changes beyond the picture's motion; of the reference, ``result.Steadiness`` has it."""
    psnr_db: Annotated[
        float | None,
        Measure("PSNR dB", "dB", at_least=True, signed=True, worst=True, narrow="PSNR", tabled=True),
    ] = None
    ssim: Annotated[float | None, Measure("SSIM", noise=1e-7, at_least=True, signed=True, worst=True, tabled=True)] = (
        None
    )
    correlation: Annotated[float | None, Measure("correlation", noise=1e-7, at_least=True, signed=True, worst=True)] = (
        None
    )

    @field_validator("*")
    @classmethod
    def _not_below_zero(cls, value: Any, info: ValidationInfo) -> Any:
        measure = MEASURES.get(info.field_name or "")
        if measure is not None and not measure.signed and value is not None and value < 0:
            raise ValueError("a difference is never below zero")
        return value


def _table() -> dict[str, Measure]:
    hints = get_type_hints(Measures, include_extras=True)
    return {
        name: next(item for item in get_args(hints[name]) if isinstance(item, Measure))
        for name in Measures.model_fields
    }


LEAST_NOISE = 1e-5
"""What float32 arithmetic is taken to do at least: on an easy input, one way of adding may be exact by luck."""
MEASURES: Mapping[str, Measure] = _table()
"""Every measure by its name, in the order in which tables show them."""

TRUTH_MEASURES: tuple[str, ...] = tuple(name for name, measure in MEASURES.items() if measure.of_truth)
"""The measures that are also taken against a ground truth."""


CONVENTIONS: Mapping[Convention, str] = {
    "plain": "as in Deep Image Matting's evaluation, but each matte keeps its own range",
    "dim": "as in the MATLAB evaluation of Deep Image Matting, over the whole image",
    "gfm": "as in the Python evaluation of GFM and P3M, over the whole image",
}
"""How Grad and Conn are computed; ``verifying.metrics`` has the formulas."""


def short_name(name: str) -> str:
    """What limits and error messages call a measure."""
    return MEASURES[name].short or name


def narrow_heading(name: str) -> str:
    """The heading of a measure in a terminal's narrow columns."""
    return MEASURES[name].narrow or MEASURES[name].heading


class Tolerance(Measures):
    """How far from the reference matte an artefact may be; None: no limit. See ``Measure.at_least``."""

    # A limit of ``true`` is a mistake, not 1.
    model_config = ConfigDict(strict=True)

    @field_validator("*")
    @classmethod
    def _may_be_limited(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and not MEASURES[info.field_name or ""].limited:
            raise ValueError("it only describes and has no limit (of the measures between frames, only dtssd has one)")
        return value

    @model_serializer(mode="wrap")
    def _only_limits(self, handler: SerializerFunctionWrapHandler) -> dict[str, float]:
        return {name: limit for name, limit in handler(self).items() if limit is not None}

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by measure."""
        return self.model_dump()

    def widened(self, by: float) -> Tolerance:
        """Every limit ``by`` that much further off."""
        further = {name: -by if MEASURES[name].at_least else by for name in MEASURES} | {
            "noise_ratio": by / LEAST_NOISE
        }
        return Tolerance(**{name: limit + further[name] for name, limit in self.limits.items()})

    def missed(self, values: Mapping[str, float | None]) -> tuple[str, ...]:
        """The names of the measures that do not hold their limit.

        A measure with a limit that was not taken does not hold it, unless it is one between frames, or one of edges,
        which a matte of nobody lacks. A matte that is not finite (its largest difference is not) misses every limit.
        """
        largest = values.get("max_abs_difference")
        if largest is None or not math.isfinite(largest):
            return ("max_abs_difference", *(name for name in self.limits if name != "max_abs_difference"))
        return tuple(name for name in self.limits if not self._holds(name, values.get(name), equal=largest == 0))

    def _holds(self, name: str, value: float | None, *, equal: bool) -> bool:
        if value is None:
            return MEASURES[name].between_frames or name.startswith("edge_")
        if not math.isfinite(value):
            return equal and value == math.inf  # the PSNR of equal mattes
        return value >= self.limits[name] if MEASURES[name].at_least else value <= self.limits[name]

    def __str__(self) -> str:
        return ", ".join(
            f"{short_name(name)} {'>=' if MEASURES[name].at_least else '<='} {limit:g}"
            for name, limit in self.limits.items()
        )


class _OnInput(Strict):
    """Gives ``Measurement`` its first field, so that files name the input first."""

    input: str = Field(min_length=1)


class Measurement(Measures, _OnInput):
    """How far one artefact's matte is from the reference's on one input.

    A measure is null where it is not defined for these mattes (the PSNR of equal ones, the SSIM of small ones), where
    it is not finite, and where it was not taken.
    """

    missed: tuple[str, ...] = ()
    """The limits that are not held."""
    passed: bool

    @model_validator(mode="after")
    def _verdict_follows(self) -> Measurement:
        unknown = [name for name in self.missed if name not in MEASURES]
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not a measure")
        if self.passed == bool(self.missed):
            raise ValueError("a measurement passes if, and only if, it misses no limit")
        if self.passed and self.max_abs_difference is None:
            raise ValueError("a matte that is not finite never passes")
        return self

    @property
    def values(self) -> dict[str, float | None]:
        """Every measure by its name."""
        found: dict[str, float | None] = {name: getattr(self, name) for name in MEASURES}
        return found | ({"psnr_db": math.inf} if self.max_abs_difference == 0 else {})

    @classmethod
    def judged(cls, name: str, values: Mapping[str, float | None], tolerance: Tolerance) -> Measurement:
        """The verdict on measures that were taken on the input ``name``."""
        missed = tolerance.missed(values)
        # JSON has neither NaN nor infinity.
        finite: dict[str, Any] = {
            key: value if value is not None and math.isfinite(value) else None for key, value in values.items()
        }
        return cls.model_validate({"input": name, **finite, "missed": missed, "passed": not missed})


def check_measurements(measurements: Sequence[Measurement], tolerance: Tolerance) -> None:
    """Raise ValueError where one input is measured twice, and where one has passed beyond a limit."""
    twice = repeated(item.input for item in measurements)
    if twice is not None:
        raise ValueError(f"'{twice}' is measured twice")
    for item in measurements:
        missed = tolerance.missed(item.values) if item.passed else ()
        if missed:
            raise ValueError(f"'{item.input}' has passed, but does not hold its limit of {short_name(missed[0])}")
