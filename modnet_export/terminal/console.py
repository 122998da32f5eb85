"""Printing: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from io import TextIOWrapper
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

_UNBOUNDED = 10_000


def forget_odd_width() -> None:
    """Leave a width to rich that is less than 20, or no number: it would print nothing at all, or a traceback."""
    if not re.fullmatch(r"[2-9][0-9]|[1-9][0-9]{2,4}", os.environ.get("COLUMNS", "80")):
        del os.environ["COLUMNS"]


forget_odd_width()  # before there are consoles
OUT = Console(emoji=False)  # paths and Gradle coordinates have words between colons, too
ERR = Console(stderr=True, emoji=False)


def take_any_name() -> None:
    """Escape what the terminal's encoding has no character for, instead of failing in the midst of a message."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Prose and commands, with markup, never wrapped: they are there to be copied."""
    OUT.print(text, highlight=False, soft_wrap=True)


def program() -> str:
    """How to call this program here: by its name where the shell finds it, else by its path."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m modnet_export"
    if called.name != "modnet-export" or shutil.which("modnet-export"):
        return "modnet-export"
    return shlex.quote(os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called))


def say_json(text: str) -> None:
    """A machine's result, as it is; escaped as JSON has it where the output's encoding lacks a character."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text), indent=2)
    sys.stdout.write(text + "\n")


def table(left: Iterable[str] = (), right: Iterable[str] = (), *, no_wrap: bool = True) -> Table:
    """A table without lines: the columns of words first, then those of numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for headings, justify in ((left, "left"), (right, "right")):
        for heading in headings:
            made.add_column(heading, no_wrap=no_wrap, justify=justify)  # type: ignore[arg-type]
    return made


def _without(made: Table, heading: str) -> Table:
    """The same table without a column."""
    kept = [column for column in made.columns if column.header != heading]
    fresh = table()
    fresh.title, fresh.title_justify = made.title, made.title_justify
    for column in kept:
        fresh.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap)
    for row in zip(*(column.cells for column in kept), strict=True):
        fresh.add_row(*row)
    return fresh


def show(made: Table, *, spare: Iterable[str] = ()) -> None:
    """Print a table whole: without a terminal at its full width, on a narrow one without the columns to ``spare``.

    ``spare`` names columns that readers miss least, the first to go first. Digits and verdicts are never cut.
    """

    def width() -> int:
        unbounded = OUT.options.update(width=_UNBOUNDED, max_width=_UNBOUNDED)
        return Measurement.get(OUT, unbounded, made).maximum

    here = OUT.width
    for heading in spare if OUT.is_terminal else ():
        if width() <= here:
            break
        made = _without(made, heading)
    OUT.width = max(here, width())  # rich would cut what does not fit
    try:
        OUT.print(made)
    finally:
        OUT.width = here


def number(value: float | None, missing: str = "-") -> str:
    """Two digits, or a word for what is not there."""
    return missing if value is None else f"{value:.1e}"


def megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


__all__ = ["ERR", "OUT", "escape", "megabytes", "number", "program", "say", "say_json", "show", "table"]
