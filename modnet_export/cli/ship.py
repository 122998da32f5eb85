"""``modnet-export ship``."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.errors import ExportError
from modnet_export.terminal.console import escape, program, say, say_json
from modnet_export.terminal.options import JsonOption, command

if TYPE_CHECKING:
    from modnet_export.ship.android.shipping import AndroidShipment


@dataclass(frozen=True)
class ShipAndroidOptions:
    project: Annotated[Path, typer.Argument(help="An Android project's folder.")]
    model_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--model", help="A .tflite file in an exported folder; repeatable. Default: those shipped before."
        ),
    ] = None
    module: Annotated[str | None, typer.Option(help="The app module, where a project has several.")] = None
    apply: Annotated[bool, typer.Option("--apply", help="Edit the app's build file, too.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False
    check: Annotated[
        bool,
        typer.Option("--check", help="Whether the project holds what was exported; exit code 1 where it does not."),
    ] = False
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that you changed.")] = False
    as_json: JsonOption = False


def android(options: ShipAndroidOptions) -> None:
    """Put models into an Android project: assets, Kotlin, keep rules, and a test that runs on your device."""
    from modnet_export.ship.android.shipping import ShipRequest, ship

    chosen = [name for name in ("dry_run", "check") if getattr(options, name)]
    if len(chosen) == 2 or (options.check and (options.apply or options.force)):
        raise ExportError(
            "a check changes nothing",
            where="`check`",
            expected="`check` without `dry_run`, `apply` and `force`",
        )
    request = ShipRequest(options.project, tuple(options.model_files or ()), options.module, options.apply)
    shipment = ship(request)
    if options.check:
        shipment.require_current()
    elif not options.dry_run:
        shipment.carry_out(force=options.force)
    if options.as_json:
        say_json(json.dumps(_summary(shipment, done=not chosen), indent=2))
    elif options.check:
        say(f"{escape(str(options.project))} holds what was exported.")
    else:
        if options.dry_run:
            say(escape(shipment.diff().rstrip("\n")))
        _say(shipment, options)


def _summary(shipment: AndroidShipment, *, done: bool) -> dict[str, object]:
    name = shipment.project.name
    return {
        "module": shipment.project.app.name,
        "models": [item.file for item in shipment.models],
        "done": done,
        "changes": [{"file": name(item.path), "change": item.verb, "yours": item.theirs} for item in shipment.changes],
        "build_file": name(shipment.project.app.script),
        "lacking": [{"why": item.why, "lines": item.shown()} for item in shipment.edits],
        "notes": list(shipment.notes),
    }


def _say(shipment: AndroidShipment, options: ShipAndroidOptions) -> None:
    project = shipment.project
    if not options.dry_run:
        for item in shipment.changes:
            say(escape(f"{item.verb:<8} {project.name(item.path)}"))
    if not shipment.changes:
        say("Nothing to change: the project holds these models.")
    if shipment.edits:
        say(escape(f"\n{project.name(project.app.script)} lacks the following (--apply puts it there):"))
        for edit in shipment.edits:
            say(escape(f"\n// {edit.why}\n{edit.shown()}"))
    for note in shipment.notes:
        say(escape(f"\nTo do: {note}"))
    if not options.dry_run:
        where = shlex.quote(str(options.project))
        say(escape(f"\nNext: {program()} lint {where}, and on a device ./gradlew connectedAndroidTest"))


def mount(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Put exported models into an app's project.")
    command(group, ShipAndroidOptions)(android)
    group.callback()(lambda: None)  # else typer would make the one command the group itself
    app.add_typer(group, name="ship")
