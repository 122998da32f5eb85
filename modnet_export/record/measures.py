"""The measures of a matte against another one: one table that limits, results, tables and charts are read from.

What each measure is, as a formula with its source, stands in ``verifying.metrics``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


@dataclass(frozen=True)
class Measure:
    """What a reader of a number must know: its name in tables, its unit, and which way is better."""

    heading: str
    unit: str = "1"
    """``1``: of matte values in [0, 1]."""
    at_least: bool = False
    """Whether more is better, so that a limit bounds it from below."""
    worst: bool = False
    """Whether a summary over inputs gives the worst one; otherwise their mean."""
    short: str | None = None
    """How limits and error messages call it; None: by its name."""
    tabled: bool = False
    """Whether it has a column in a report."""
    compared: bool = False
    """Whether a baseline is compared by it."""


class Measures(BaseModel):
    """One optional number for each measure; None: not taken, not defined for these mattes, or not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_abs_difference: Annotated[float | None, Measure("max", worst=True, short="max", tabled=True, compared=True)] = (
        None
    )
    p999: Annotated[float | None, Measure("99.9 %", worst=True, tabled=True, compared=True)] = None
    """99.9th percentile of the absolute differences."""
    mad: Annotated[float | None, Measure("mean (MAD)", short="mean", tabled=True, compared=True)] = None
    mse: Annotated[float | None, Measure("MSE", tabled=True)] = None
    sad: Annotated[float | None, Measure("SAD", "thousand pixels", tabled=True, compared=True)] = None
    grad: Annotated[float | None, Measure("Grad", "thousands", tabled=True, compared=True)] = None
    conn: Annotated[float | None, Measure("Conn", "thousand pixels", tabled=True, compared=True)] = None
    edge_mad: Annotated[float | None, Measure("edge mean", tabled=True, compared=True)] = None
    edge_mse: Annotated[float | None, Measure("edge MSE")] = None
    edge_sad: Annotated[float | None, Measure("edge SAD", "thousand pixels")] = None
    edge_grad: Annotated[float | None, Measure("edge Grad", "thousands")] = None
    edge_conn: Annotated[float | None, Measure("edge Conn", "thousand pixels")] = None
    flicker: Annotated[float | None, Measure("flicker")] = None
    """For a frame that follows another one."""
    psnr_db: Annotated[
        float | None, Measure("PSNR dB", "dB", at_least=True, worst=True, tabled=True, compared=True)
    ] = None
    ssim: Annotated[float | None, Measure("SSIM", at_least=True, worst=True, tabled=True, compared=True)] = None
    correlation: Annotated[float | None, Measure("correlation", at_least=True, worst=True)] = None


def _table() -> dict[str, Measure]:
    hints = get_type_hints(Measures, include_extras=True)
    return {
        name: next(item for item in get_args(hint) if isinstance(item, Measure))
        for name, hint in hints.items()
        if get_origin(hint) is Annotated and any(isinstance(item, Measure) for item in get_args(hint))
    }


MEASURES: Mapping[str, Measure] = _table()
"""Every measure by its name, in the order in which tables show them."""


def short_name(name: str) -> str:
    """How limits and error messages call a measure."""
    return MEASURES[name].short or name


class Tolerance(Measures):
    """How far from the reference matte an artefact may be; None: no limit. See ``Measure.at_least``."""

    @model_serializer(mode="wrap")
    def _only_limits(self, handler: SerializerFunctionWrapHandler) -> dict[str, float]:
        return {name: limit for name, limit in handler(self).items() if limit is not None}

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by measure."""
        return self.model_dump()

    def widened(self, by: float) -> Tolerance:
        """Every limit ``by`` that much further off."""
        return Tolerance(**{name: limit + by for name, limit in self.limits.items()})

    def missed(self, values: Mapping[str, float | None]) -> tuple[str, ...]:
        """The names of the measures that are beyond their limit; a measure that was not taken is not judged.

        A matte that is not finite (its largest difference is not) misses every limit.
        """
        largest = values.get("max_abs_difference")
        if largest is None or not math.isfinite(largest):
            return ("max_abs_difference", *(name for name in self.limits if name != "max_abs_difference"))
        taken = {name: value for name in self.limits if (value := values.get(name)) is not None}
        return tuple(
            name
            for name, value in taken.items()
            if (value < self.limits[name] if MEASURES[name].at_least else value > self.limits[name])
        )

    def __str__(self) -> str:
        return ", ".join(
            f"{short_name(name)} {'>=' if MEASURES[name].at_least else '<='} {limit:g}"
            for name, limit in self.limits.items()
        )


class _OnInput(BaseModel):
    """Gives ``Measurement`` its first field, so that the files name the input first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str


class Measurement(Measures, _OnInput):
    """How far one artefact's matte is from the reference's on one input.

    None: not defined for these mattes (the PSNR of equal ones, the correlation of a constant one, an edge band where
    there is none), not finite, or not taken.
    """

    missed: tuple[str, ...] = ()
    """The limits that are not held."""
    passed: bool

    @classmethod
    def judged(cls, name: str, values: Mapping[str, float | None], tolerance: Tolerance) -> Measurement:
        """The verdict on measures that were taken."""
        missed = tolerance.missed(values)
        # JSON has neither NaN nor infinity.
        finite: dict[str, Any] = {
            key: value if value is not None and math.isfinite(value) else None for key, value in values.items()
        }
        return cls.model_validate({"input": name, **finite, "missed": missed, "passed": not missed})
