"""``modnet-export ship``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.errors import ExportError
from modnet_export.terminal.console import escape, program, say, say_json
from modnet_export.terminal.options import JsonOption, command

if TYPE_CHECKING:
    from modnet_export.ship.android.shipping import AndroidShipment
    from modnet_export.ship.changes import Shipment
    from modnet_export.ship.ios.shipping import IosShipment

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
CheckOption = Annotated[
    bool,
    typer.Option("--check", help="Check that the project has the exported models. The exit code is 1 if it does not."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite files that you changed.")]


@dataclass(frozen=True)
class ShipAndroidOptions:
    project: Annotated[Path, typer.Argument(help="An Android project's folder.")]
    model_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--model", help="A .tflite file in an exported folder. May be repeated. Default: those shipped before."
        ),
    ] = None
    module: Annotated[str | None, typer.Option(help="The app module, if a project has several.")] = None
    apply: Annotated[bool, typer.Option("--apply", help="Also edit the app's build file.")] = False
    dry_run: DryRunOption = False
    check: CheckOption = False
    force: ForceOption = False
    as_json: JsonOption = False


@dataclass(frozen=True)
class ShipIosOptions:
    project: Annotated[Path, typer.Argument(help="An Xcode, XcodeGen or Tuist project's folder, or a Swift package's.")]
    model_files: Annotated[
        list[Path] | None,
        typer.Option(
            "--model", help="An .mlpackage in an exported folder. May be repeated. Default: those shipped before."
        ),
    ] = None
    target: Annotated[str | None, typer.Option(help="The target, if a project has several.")] = None
    kit: Annotated[
        Path | None,
        typer.Option(help="A local package MattingKit to depend on. Default: copy its sources into the target."),
    ] = None
    apply: Annotated[bool, typer.Option("--apply", help="Also edit the project's definition.")] = False
    dry_run: DryRunOption = False
    check: CheckOption = False
    force: ForceOption = False
    as_json: JsonOption = False


def android(options: ShipAndroidOptions) -> None:
    """Put models into an Android project: assets, Kotlin, keep rules, and a test that runs on your device."""
    from modnet_export.ship.android.shipping import ShipRequest, ship

    _require_one_action(options)
    request = ShipRequest(options.project, tuple(options.model_files or ()), options.module, options.apply)
    shipment = ship(request)
    _act(shipment, options)
    script = shipment.name(shipment.project.app.script)
    edits = [(item.why, item.shown()) for item in shipment.edits]
    if options.as_json:
        _say_json(shipment, options, {"module": shipment.project.app.name, "build_file": script}, edits)
    elif not options.check:
        lacking = [f"// {why}\n{lines}" for why, lines in edits]
        where = shlex.quote(str(options.project))
        _say(
            shipment,
            options,
            script,
            lacking,
            f"{program()} lint {where}, and on a device ./gradlew connectedAndroidTest",
        )


def ios(options: ShipIosOptions) -> None:
    """Put models into an iOS project: resources, Swift, and a test that runs on your device."""
    from modnet_export.ship.ios.shipping import ShipRequest, ship

    _require_one_action(options)
    models = tuple(options.model_files or ())
    shipment = ship(ShipRequest(options.project, models, options.target, options.kit, options.apply))
    _act(shipment, options)
    definition = shipment.name(shipment.project.form.definition)
    steps = [(item.why, item.how) for item in shipment.steps]
    if options.as_json:
        _say_json(shipment, options, {"target": shipment.project.target.name, "definition": definition}, steps)
    elif not options.check:
        lacking = [f"{why}:\n{lines}" for why, lines in steps]
        before, where = shipment.project.form.after(), shlex.quote(str(options.project))
        lint = f"{program()} lint {where}, and on a device Product > Test in Xcode"
        _say(shipment, options, definition, lacking, lint if before is None else f"{before}, {lint}")


def _require_one_action(options: ShipAndroidOptions | ShipIosOptions) -> None:
    if options.check and (options.dry_run or options.apply or options.force):
        raise ExportError(
            "a check changes nothing",
            where="`check`",
            expected="`check` without `dry_run`, `apply` and `force`",
        )


def _act(shipment: Shipment, options: ShipAndroidOptions | ShipIosOptions) -> None:
    """Check, show a diff, or carry out."""
    if options.check:
        shipment.require_current()
        if not options.as_json:
            say(f"{escape(str(options.project))} has the exported models.")
    elif not options.dry_run:
        shipment.carry_out(force=options.force)
    elif not options.as_json:
        say(escape(shipment.diff().rstrip("\n")))


def _say_json(
    shipment: AndroidShipment | IosShipment,
    options: ShipAndroidOptions | ShipIosOptions,
    project: dict[str, str],
    lacking: Sequence[tuple[str, str]],
) -> None:
    name = shipment.name
    told = {
        "models": [item.file for item in shipment.models],
        "done": not (options.check or options.dry_run),
        "changes": [{"file": name(item.path), "change": item.verb, "yours": item.theirs} for item in shipment.changes],
        **project,
        "lacking": [{"why": why, "lines": lines} for why, lines in lacking],
        "notes": list(shipment.notes),
    }
    say_json(json.dumps(told, indent=2))


def _say(
    shipment: AndroidShipment | IosShipment,
    options: ShipAndroidOptions | ShipIosOptions,
    definition: str,
    lacking: Sequence[str],
    after: str,
) -> None:
    """What was changed, what the project's ``definition`` lacks, what else is to be done, and what comes after."""
    if not options.dry_run:
        for item in shipment.changes:
            say(escape(f"{item.verb:<8} {shipment.name(item.path)}"))
    if not shipment.changes:
        say("Nothing to change: the project holds these models.")
    if lacking:
        say(escape(f"\n{definition} lacks the following (--apply puts it there):"))
    for text in lacking:
        say(escape(f"\n{text}"))
    for note in shipment.notes:
        say(escape(f"\nTo do: {note}"))
    if not options.dry_run:
        say(escape(f"\nNext: {after}"))


def mount(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Put exported models into an app's project.")
    command(group, ShipAndroidOptions)(android)
    command(group, ShipIosOptions)(ios)
    app.add_typer(group, name="ship")
