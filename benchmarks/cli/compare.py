"""``modnet-export compare``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks.shown import UNKNOWN
from converters.errors import CheckFailedError, ExportError
from modnet_export.terminal.console import escape, say_json, show, table
from modnet_export.terminal.options import JsonOption, command

if TYPE_CHECKING:
    from benchmarks.comparing import Comparisons

_THRESHOLD = 0.05


@dataclass(frozen=True)
class CompareOptions:
    """The options of ``modnet-export compare``."""

    first: Annotated[Path, typer.Argument(help="A .json file that bench wrote.")]
    second: Annotated[
        Path | None,
        typer.Argument(
            help="Another one. Without it, the first model of FIRST is compared with the other models of FIRST."
        ),
    ] = None
    again: Annotated[
        list[Path] | None,
        typer.Option(help="Another session of the models of FIRST, to tell how much sessions differ. May be repeated."),
    ] = None
    threshold: Annotated[
        float,
        typer.Option(min=0, help="Exit with code 1 if a model of SECOND is slower by more than this. 0.05 is 5 %."),
    ] = _THRESHOLD
    as_json: JsonOption = False


def compare(options: CompareOptions) -> None:
    """Say which of two measurements is faster, or that it cannot be told.

    The exit code is 1 if a model is slower by more than --threshold, or missing.
    """
    from benchmarks import comparing
    from benchmarks.statistics import is_regression

    if options.second is None and options.threshold != _THRESHOLD:
        raise ExportError(
            "a threshold is for two files: the models of one file are different models",
            where="`threshold`",
            next_step="add a second file, or leave `threshold` out",
        )
    found = comparing.compare(comparing.CompareRequest(options.first, options.second, tuple(options.again or ())))
    if options.as_json:
        say_json(json.dumps(_rows(found), indent=2))
    elif found.compared:
        shown = table(("first", "second"), ("ratio", "95 % interval"))
        shown.add_column("second is")
        shown.add_column("by")
        for item in found.compared:
            c = item.comparison
            interval = UNKNOWN if c.low is None else f"{c.low:.3f} to {c.high:.3f}"
            shown.add_row(escape(item.first), escape(item.second), f"{c.ratio:.3f}", interval, c.verdict, c.reason)
        show(shown, spare=("by", "95 % interval"))
    problems = [f"{item.name} was not measured: {item.reason}" for item in found.failures]
    slower = [item.second for item in found.compared if is_regression(item.comparison, options.threshold)]
    if slower and options.second is not None:
        problems.append(f"slower by more than {options.threshold:.0%}: {', '.join(slower)}")
    if problems:
        raise CheckFailedError("\n".join(problems), where=options.second or options.first)


def _rows(found: Comparisons) -> list[dict[str, object]]:
    """One row for each comparison, and one for each model that was not measured."""
    nothing = dict.fromkeys(("ratio", "low", "high", "p_value"))
    return [
        *({"first": item.first, "second": item.second, **item.comparison.model_dump()} for item in found.compared),
        *(
            {"first": item.name, "second": item.name, **nothing, "verdict": "failed", "reason": item.reason}
            for item in found.failures
        ),
    ]


def mount(app: typer.Typer) -> None:
    """Register the command."""
    command(app, CompareOptions)(compare)
