"""``modnet-export doctor``."""

from __future__ import annotations

import json
from dataclasses import dataclass

import typer
from rich.table import Table

from modnet_export.terminal.console import OUT, escape, say_json
from modnet_export.terminal.options import JsonOption, command


@dataclass(frozen=True)
class DoctorOptions:
    as_json: JsonOption = False


def doctor(options: DoctorOptions) -> None:
    """Say what this machine can do, and how to get what is missing."""
    from dataclasses import asdict

    from modnet_export.doctor import examine

    findings = examine()
    if options.as_json:
        say_json(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    table = Table("", "capability", "used for", "found, or how to get it")
    for item in findings:
        mark, text = ("[green]yes[/]", item.found) if item.found else ("[yellow]no[/]", item.get_it)
        table.add_row(mark, item.capability, item.used_for, escape(text))
    OUT.print(table)


def mount(app: typer.Typer) -> None:
    command(app, DoctorOptions)(doctor)
