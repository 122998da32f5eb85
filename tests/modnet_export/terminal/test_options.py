from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from converters.errors import ExportError
from modnet_export.terminal.options import choices, command, numbers, spelled


@dataclass(frozen=True)
class Options:
    """One field of each kind that commands use."""

    place: Annotated[Path, typer.Argument(help="Where.")]
    how_many: Annotated[int, typer.Option(min=1, help="How many.")] = 3
    flavour: Annotated[Literal["sweet", "salty"], typer.Option("--taste", "-t", help="Which.")] = "sweet"
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing.")] = False


@pytest.fixture
def call():
    app, seen = typer.Typer(), list[Options]()

    def cook(options: Options) -> None:
        """Cook something."""
        seen.append(options)

    command(app, Options)(cook)

    def run(*arguments: str):
        result = CliRunner().invoke(app, list(arguments))
        return result, seen[-1] if seen else None

    return run


def test_a_commands_options_are_its_dataclass(call):
    assert call("pot")[1] == Options(Path("pot"))
    expected = Options(Path("pot"), how_many=5, flavour="salty", quiet=True)
    assert call("pot", "--how-many", "5", "-t", "salty", "--quiet")[1] == expected


def test_help_has_every_option_with_its_text(call):
    text = call("--help")[0].output
    for part in ("Cook something.", "place", "--how-many", "How many.", "--taste", "-t", "--quiet"):
        assert part in text


@pytest.mark.parametrize(
    "arguments", [(), ("pot", "--how-many", "0"), ("pot", "--taste", "sour"), ("pot", "--unknown")]
)
def test_what_is_no_option_ends_with_2(call, arguments):
    result, seen = call(*arguments)
    assert (result.exit_code, seen) == (2, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`how_many`", "--how-many"),
        ("set `how_many=7` or `flavour`", "set --how-many 7 or --taste"),
        ("the argument `place`", "the argument PLACE"),
        ("`no_such_setting` and `a command`", "`no_such_setting` and `a command`"),
    ],
)
def test_settings_in_messages_are_shown_as_options(call, text, shown):
    assert spelled(text) == shown


def test_choices_come_in_their_own_order():
    assert choices(" b,a ", "letters", ("a", "b", "c")) == ("a", "b")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (lambda text: choices(text, "letters", ("a", "b")), "a,z"),
        (lambda text: choices(text, "letters", ("a", "b")), " , "),
        (lambda text: numbers(text, "letters"), "1,x"),
        (lambda text: numbers(text, "letters"), "0"),
        (lambda text: numbers(text, "letters"), "9" * 5000),
        (lambda text: numbers(text, "letters"), "²"),
    ],
)
def test_lists_of_something_else_are_refused_by_name(parse, text):
    with pytest.raises(ExportError) as error:
        parse(text)
    assert error.value.where == "`letters`"
    assert error.value.expected
