"""``python -m tests.reference`` writes docs/commands.md: every command and option, as the program itself tells them."""

from __future__ import annotations

import re
from pathlib import Path

COMMANDS = Path(__file__).parent.parent / "docs" / "commands.md"
_HEAD = """\
# Commands and options

Written by `make reference` from the program; the same text as `modnet-export COMMAND --help`. Exit codes: 0 done, 1 a
failed check, 2 bad input, 130 interrupted.

"""


def commands() -> str:
    """The page of all commands."""
    import typer
    from typer.cli import get_docs_for_click

    from modnet_export import cli

    command = typer.main.get_command(cli.mounted())
    told = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="modnet-export"), name="modnet-export")
    # The lists of commands are cut to the width of a terminal; each command's own section follows.
    told = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n", "", told)
    return _HEAD + told[told.index("**Usage**") :].rstrip() + "\n"


if __name__ == "__main__":
    COMMANDS.write_text(commands(), encoding="utf-8")
