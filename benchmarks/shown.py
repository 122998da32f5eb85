"""Numbers of a benchmark as people read them."""

from __future__ import annotations

UNKNOWN = "-"


def whole(value: float | None) -> str:
    """A number without decimals; ``UNKNOWN`` where there is none."""
    return UNKNOWN if value is None else f"{value:.0f}"


def tenths(value: float | None) -> str:
    """A number with one decimal; ``UNKNOWN`` where there is none."""
    return UNKNOWN if value is None else f"{value:.1f}"


def interval(low: float | None, high: float | None) -> str:
    """``1.0 to 2.0``; ``UNKNOWN`` where the samples cannot tell."""
    return UNKNOWN if low is None else f"{tenths(low)} to {tenths(high)}"


def megabytes(size: int | None) -> str:
    """A size in bytes as whole MB; ``UNKNOWN`` where there is none."""
    return whole(None if size is None else size / 1e6)
