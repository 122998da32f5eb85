"""Printing: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

OUT = Console()
ERR = Console(stderr=True)


def say(text: str) -> None:
    """Prose and commands, with markup, never wrapped: they are there to be copied."""
    OUT.print(text, highlight=False, soft_wrap=True)


def say_json(text: str) -> None:
    """A machine's result, as it is."""
    sys.stdout.write(text + "\n")


def table(left: Iterable[str] = (), right: Iterable[str] = (), *, no_wrap: bool = True) -> Table:
    """A table without lines: the columns of words first, then those of numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for headings, justify in ((left, "left"), (right, "right")):
        for heading in headings:
            made.add_column(heading, no_wrap=no_wrap, justify=justify)  # type: ignore[arg-type]
    return made


def number(value: float | None, missing: str = "-") -> str:
    """Two digits, or a word for what is not there."""
    return missing if value is None else f"{value:.1e}"


def megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


__all__ = ["ERR", "OUT", "escape", "megabytes", "number", "say", "say_json", "table"]
