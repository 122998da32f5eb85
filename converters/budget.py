"""What an int8 model may cost, and what one does: bounds of a search, and the points that it measures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from converters.errors import ExportError

MEASURES = {"mad": "mad", "p999": "p999", "max": "max_abs_difference", "latency_ms": "latency_ms", "size_mb": "size_mb"}
"""What a budget may bound: by the names of ``Point``."""
_TERM = re.compile(r"\s*(\w+)\s*<=\s*([0-9.eE+-]+)\s*")


@dataclass(frozen=True)
class Point:
    """One finished model: how many groups are float, and what was measured on the calibration images."""

    left_in_float: int
    integer_macs: float
    """Share of the multiplications whose inputs and results are int8."""
    mad: float
    """From the float model's matte; the mean over the images, ``p999`` and ``max_abs_difference`` the worst of them."""
    p999: float
    max_abs_difference: float
    latency_ms: float
    """On the exporting machine, the least of a few: for comparison within one search only."""
    size_mb: float


@dataclass(frozen=True)
class Budget:
    """Upper bounds, for example ``mad<=0.001,size_mb<=8``."""

    limits: Mapping[str, float]

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Raises ExportError for anything but bounds of known measures."""
        limits: dict[str, float] = {}
        for part in text.split(","):
            found = _TERM.fullmatch(part)
            try:
                limits[MEASURES[found[1]]] = float(found[2])  # type: ignore[index]
            except (KeyError, TypeError, ValueError) as error:
                raise ExportError(
                    f"'{part.strip()}' is no bound",
                    where="--budget",
                    expected=f"for example mad<=0.001; of {', '.join(MEASURES)}",
                    next_step="separate several by commas",
                ) from error
        return cls(limits)

    def excess(self, point: Point) -> float:
        """By what factor the worst limit is missed; at most 1 where all are held."""
        return max(getattr(point, name) / limit if limit > 0 else math.inf for name, limit in self.limits.items())

    def held(self, point: Point) -> bool:
        return self.excess(point) <= 1

    def __str__(self) -> str:
        names = {field: name for name, field in MEASURES.items()}
        return ",".join(f"{names[field]}<={limit:g}" for field, limit in self.limits.items())
