"""``modnet-export lint``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modnet_export.terminal.console import OUT, escape, say, say_json, show, table
from modnet_export.terminal.options import JsonOption, command, spelled

if TYPE_CHECKING:
    from modnet_export.ship.lint.finding import LintResult

_WIDE = 140
_COLOURS = {"passed": "green", "failed": "bold red"}


@dataclass(frozen=True)
class LintOptions:
    app: Annotated[Path, typer.Argument(help="An Android or iOS project's folder, an .apk, .aab, .app or .ipa.")]
    module: Annotated[str | None, typer.Option(help="The app module, if an Android project has several.")] = None
    target: Annotated[str | None, typer.Option(help="The target, if an iOS project has several.")] = None
    export: Annotated[
        Path | None,
        typer.Option(
            help="The exported folder that the app's models come from. Default: the modnet.json in the app "
            "says what was exported."
        ),
    ] = None
    as_json: JsonOption = False


def lint(options: LintOptions) -> None:
    """Find what keeps a model from working in an Android or iOS app. The exit code is 1 if a rule fails."""
    from modnet_export.ship.lint import run

    result = run.lint(run.LintRequest(options.app, options.module, options.export, options.target))
    if options.as_json:
        say_json(result.model_dump_json(indent=2))
    else:
        _say(result)
    run.require(result)


def _say(result: LintResult) -> None:
    """One line for each rule; a terminal wraps its sentences, and a narrow one goes without the last column."""
    headings = ("rule", "verdict", "place", "reason", "mend", "decided in")
    narrow = OUT.is_terminal and OUT.width < _WIDE
    shown = table(headings[:-1] if narrow else headings, no_wrap=False)
    for column in shown.columns:
        column.overflow = "fold"
    for item in result.findings:
        verdict = f"[{_COLOURS.get(item.verdict, 'yellow')}]{item.verdict}[/]"
        words = [escape(spelled(text)) for text in (item.place, item.reason, item.mend or "")]
        shown.add_row(item.rule, verdict, *words, *([] if narrow else [", ".join(item.decided_in)]))
    if OUT.is_terminal:
        OUT.print(shown)
    else:
        show(shown)
    undecided = sum(item.verdict.startswith("cannot") for item in result.findings)
    where = "a project" if result.kind == "project" else f"an .{result.kind}"
    warnings = sum(item.verdict == "warning" for item in result.findings)
    warned = f", {warnings} warned of" if warnings else ""
    say(f"{len(result.findings)} rules: {len(result.failed)} failed{warned}, {undecided} cannot be decided in {where}")


def mount(app: typer.Typer) -> None:
    command(app, LintOptions)(lint)
