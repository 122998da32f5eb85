"""What all records share: they are frozen, and refuse what they do not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen value that refuses unknown fields, NaN and infinity (JSON has neither)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def repeated(names: Iterable[str]) -> str | None:
    """The first name that occurs more than once; None where all differ."""
    return next((name for name, times in Counter(names).items() if times > 1), None)
