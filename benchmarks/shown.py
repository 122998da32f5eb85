"""Numbers of a benchmark as people read them."""

from __future__ import annotations

UNKNOWN = "-"


def whole(value: float | None) -> str:
    """A number without decimals; ``UNKNOWN`` where there is none."""
    return UNKNOWN if value is None else f"{value:.0f}"


def megabytes(size: int | None) -> str:
    """A size in bytes as whole MB; ``UNKNOWN`` where there is none."""
    return whole(None if size is None else size / 1e6)
