"""Which TensorFlow Lite runtimes ran an export of the demo's weights.

``benchmarks.tables.runtimes`` writes what it sees to ``data/runtimes.json``.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from importlib import resources

from pydantic import Field

from modnet_export.record.choices import Precision
from modnet_export.record.contract import Size
from modnet_export.record.strict import Strict


class Seen(Strict):
    """One model on one runtime."""

    runtime: str
    """Name and version."""
    precision: Precision
    refused: str = ""
    """What the runtime says of a model that it does not load; empty: it ran."""
    largest: float | None = Field(default=None, ge=0, le=1)
    """The largest difference of its matte of the photo from the newest runtime's."""
    mad: float | None = Field(default=None, ge=0, le=1)
    """The mean absolute difference of the same mattes."""
    passed: bool
    """Whether its mattes of the built-in inputs are as near to the newest's as the model must be to the reference's."""


class Runtimes(Strict):
    """The whole file."""

    size: Size
    newest: str
    operators: dict[Precision, tuple[str, ...]]
    """Of each model: names and versions, ``CONV_2D 1``."""
    seen: tuple[Seen, ...]


FILE = "runtimes.json"


@cache
def recorded() -> Runtimes:
    """What was seen."""
    text = (resources.files("modnet_export") / "data" / FILE).read_text(encoding="utf-8")
    return Runtimes.model_validate_json(text)


def seen_on(operators: Collection[tuple[str, int]]) -> tuple[str, ...]:
    """The runtimes on which models with all of these operators, in these versions, gave the right mattes."""
    wanted = {f"{name} {version}" for name, version in operators}
    ran: dict[str, set[str]] = {}
    for item in recorded().seen:
        ran.setdefault(item.runtime, set()).update(recorded().operators[item.precision] if item.passed else ())
    return tuple(runtime for runtime, known in ran.items() if wanted <= known)
