"""The command line: one file for each command; each imports what it needs when it is called."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from converters import PART_OF
from converters.errors import ExportError
from modnet_export.terminal import console, errors, progress

app = typer.Typer(
    name="modnet-export",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        console.say(f"modnet-export {version(PART_OF)}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Put MODNet portrait matting on a phone: export, verify, inspect and use its models."""


def mounted() -> typer.Typer:
    """The command line with every command, in the order of ``--help``."""
    if app.registered_commands:
        return app
    from benchmarks.cli import CAPABILITIES, bench, compare
    from modnet_export.cli import demo, doctor, explain, export, inspect, lint, matte, preview, report, ship, verify

    for module in (export, verify, report, bench, compare, inspect, explain, matte, preview, ship, lint, demo):
        module.mount(app)
    doctor.mount(app, CAPABILITIES)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a failed check, 2 bad input, 130 interrupted."""
    # Libraries that would talk over the results.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    errors.show_warnings()
    console.forget_odd_width()
    console.take_any_name()
    progress.heed_interrupts()
    try:
        mounted()(args=arguments, prog_name="modnet-export")
    except ExportError as error:
        errors.fail(error)
    except OSError as error:
        errors.fail(errors.of_system(error))
    except Exception as error:
        if not errors.is_of_memory(error):
            raise
        errors.fail(errors.of_memory())
