"""``modnet-export lint``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from modnet_export.terminal.console import OUT, escape, say, say_json, show, table
from modnet_export.terminal.options import JsonOption, command, spelled

_WIDE = 140
_COLOURS = {"passed": "green", "failed": "bold red"}


@dataclass(frozen=True)
class LintOptions:
    app: Annotated[Path, typer.Argument(help="An Android project's folder, an .apk or an .aab.")]
    module: Annotated[str | None, typer.Option(help="The app module, where a project has several.")] = None
    export: Annotated[
        Path | None, typer.Option(help="The exported folder that its models come from. Default: what its assets say.")
    ] = None
    as_json: JsonOption = False


def lint(options: LintOptions) -> None:
    """Find what keeps a model from working in an Android app. Exit code 1 when a rule fails."""
    from modnet_export.ship.lint import run

    result = run.lint(run.LintRequest(options.app, options.module, options.export))
    if options.as_json:
        say_json(result.model_dump_json(indent=2))
    else:
        # A narrow terminal does without the last column; the others' sentences are wrapped. A pipe has a line for each rule.
        narrow = OUT.is_terminal and OUT.width < _WIDE
        shown = table(
            ("rule", "verdict", "place", "reason", "mend", *(() if narrow else ("decided in",))), no_wrap=False
        )
        for column in shown.columns:
            column.overflow = "fold"
        for item in result.findings:
            colour = _COLOURS.get(item.verdict, "yellow")
            words = (item.place, item.reason, item.mend or "", *(() if narrow else (", ".join(item.decided_in),)))
            shown.add_row(item.rule, f"[{colour}]{item.verdict}[/]", *(escape(spelled(text)) for text in words))
        OUT.print(shown) if OUT.is_terminal else show(shown)
        undecided = sum(item.verdict.startswith("cannot") for item in result.findings)
        say(
            f"{len(result.findings)} rules: {len(result.failed)} failed, {undecided} cannot be decided in "
            f"{'a project' if result.kind == 'project' else f'an .{result.kind}'}"
        )
    run.require(result)


def mount(app: typer.Typer) -> None:
    command(app, LintOptions)(lint)
