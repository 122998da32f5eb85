"""How work that takes long says what it is doing: one protocol for everything here and above."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Told of the present stage and, where it is known, how much of it is done; ``total`` 0 means unknown."""

    def __call__(self, stage: str, done: int = 0, total: int = 0, /) -> None: ...


def silent(stage: str, done: int = 0, total: int = 0, /) -> None:
    """A ``Progress`` that shows nothing."""


def counted(items: Sequence[T] | Iterable[T], stage: str, progress: Progress) -> Iterator[T]:
    """The items in order; ``progress`` is told that one is done when the caller asks for the next."""
    total = len(items) if isinstance(items, Sequence) else 0
    for done, item in enumerate(items, 1):
        yield item
        progress(stage, done, total)
