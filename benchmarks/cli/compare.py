"""``modnet-export compare``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from converters.errors import CheckFailedError, ExportError
from modnet_export.terminal.console import OUT, escape, say_json, table
from modnet_export.terminal.options import JsonOption, command

_THRESHOLD = 0.05


@dataclass(frozen=True)
class CompareOptions:
    """The options of ``modnet-export compare``."""

    first: Annotated[Path, typer.Argument(help="A .json that bench wrote.")]
    second: Annotated[
        Path | None, typer.Argument(help="Another one. Left out: the first model of FIRST with its others.")
    ] = None
    threshold: Annotated[
        float, typer.Option(min=0, help="Exit with code 1 if a model of SECOND is slower by more: 0.05 is 5 %.")
    ] = _THRESHOLD
    as_json: JsonOption = False


def compare(options: CompareOptions) -> None:
    """Say which of two measurements is faster, or that it cannot be told."""
    from benchmarks import comparing

    if options.second is None and options.threshold != _THRESHOLD:
        raise ExportError(
            "a threshold is for two files: the models of one file are different models",
            where="`threshold`",
            next_step="add a second file, or leave `threshold` out",
        )
    found = comparing.compare(comparing.CompareRequest(options.first, options.second))
    if options.as_json:
        rows = [{"first": item.first, "second": item.second, **item.comparison.model_dump()} for item in found]
        say_json(json.dumps(rows, indent=2))
    else:
        shown = table(("first", "second", "ratio", "95 % interval", "second is"), no_wrap=False)
        for item in found:
            c = item.comparison
            ratio, interval = f"{c.ratio:.3f}", f"{c.low:.3f} to {c.high:.3f}"
            shown.add_row(escape(item.first), escape(item.second), ratio, interval, c.verdict)
        OUT.print(shown)
    slower = [
        item.second
        for item in found
        if item.comparison.verdict == "slower" and item.comparison.ratio > 1 + options.threshold
    ]
    if slower and options.second is not None:
        raise CheckFailedError(
            f"slower by more than {options.threshold:.0%}: {', '.join(slower)}", where=options.second
        )


def mount(app: typer.Typer) -> None:
    """Register the command."""
    command(app, CompareOptions)(compare)
