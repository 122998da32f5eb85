"""What an int8 model may cost, and what one does cost: the bounds of a search, and the points that it measures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from converters.errors import ExportError

MEASURES = {
    "mad": "mad",
    "p95": "p95_mad",
    "worst": "worst_mad",
    "p999": "p999",
    "max": "max_abs_difference",
    "latency_ms": "latency_ms",
    "size_mb": "size_mb",
}
"""What a budget may bound, and what it is called in ``Point``."""
_DIFFERENCES = ("mad", "p95_mad", "worst_mad", "p999", "max_abs_difference")
_TERM = re.compile(r"\s*(\w+)\s*<=\s*([0-9.eE+-]+)\s*")


@dataclass(frozen=True)
class Point:
    """One finished model: how many groups of tensors are float, and what was measured on the calibration images.

    Raises ValueError for a number that is negative or not finite, and for a share above 1.
    """

    left_in_float: int
    integer_macs: float
    """The share of the multiplications whose inputs and results are int8."""
    mad: float
    """The mean absolute difference from the float model's matte, the mean over the images."""
    p999: float
    """The 99.9th percentile of the absolute difference, in the worst image."""
    max_abs_difference: float
    """The largest absolute difference in any image."""
    latency_ms: float
    """On the exporting machine, the least of a few runs: for comparison within one search only."""
    size_mb: float
    p95_mad: float | None = None
    """The 95th percentile over the images of the mean absolute difference; None: of a version that did not take it."""
    worst_mad: float | None = None
    """The mean absolute difference in the image where it is largest; None: as above."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{field.name} is {value}: it must be a finite number from 0")
        if self.integer_macs > 1:
            raise ValueError(f"integer_macs is {self.integer_macs}: a share is at most 1")


@dataclass(frozen=True)
class Budget:
    """Upper bounds, for example ``mad<=0.001,size_mb<=8``."""

    limits: Mapping[str, float]
    """By the names of ``Point``."""

    @classmethod
    def parse(cls, text: str) -> Budget:
        """From a user's text; raises ExportError for anything but bounds of ``MEASURES``."""
        limits: dict[str, float] = {}
        for part in text.split(","):
            found = _TERM.fullmatch(part)
            try:
                limit = float(found[2])  # type: ignore[index]
                if not (math.isfinite(limit) and limit >= 0):
                    raise ValueError(limit)
                limits[MEASURES[found[1]]] = limit  # type: ignore[index]
            except (KeyError, TypeError, ValueError) as error:
                raise ExportError(
                    f"'{part.strip()}' is not a bound",
                    where="`budget`",
                    expected=f"for example mad<=0.001; one of {', '.join(MEASURES)}",
                    next_step="separate several by commas",
                ) from error
        return cls(limits)

    def excess(self, point: Point) -> float:
        """The largest factor by which a measure is above its limit; at most 1 where all limits are held."""
        measured = {name: getattr(point, name) for name in self.limits}
        return max(
            measured[name] / limit if limit > 0 and measured[name] is not None else math.inf
            for name, limit in self.limits.items()
        )

    def held(self, point: Point) -> bool:
        return self.excess(point) <= 1

    def above(self, floor: Point, factor: float) -> Budget:
        """These bounds, those on differences of which ``floor`` takes four fifths or more being raised.

        Such a bound is then ``factor`` times what ``floor`` has, to two digits.
        """
        limits = dict(self.limits)
        for name in _DIFFERENCES:
            least = getattr(floor, name) or 0.0
            if name in limits and least >= 0.8 * limits[name]:
                limits[name] = max(limits[name], float(f"{factor * least:.2g}"))
        return Budget(limits)

    def __str__(self) -> str:
        names = {field: name for name, field in MEASURES.items()}
        return ",".join(f"{names[field]}<={limit:g}" for field, limit in self.limits.items())
