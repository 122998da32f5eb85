"""A command takes one frozen dataclass; its annotated fields are the command's options."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from converters.errors import ExportError

O = TypeVar("O")  # noqa: E741
C = TypeVar("C", bound=str)

MOST = 512
"""The largest number of threads or processes: engines abort the whole program where a system cannot start them."""

_FLAGS: dict[str, str] = {}
"""How the command line spells each setting."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
"""To be used for a field called ``as_json``."""


def command(
    app: typer.Typer, options: type[O], *, name: str | None = None
) -> Callable[[Callable[[O], None]], Callable[[O], None]]:
    """Register a function of one ``options`` value as a command of ``app``.

    ``options`` is a frozen dataclass. Each field is an option with the field's default, or an argument where it has
    none; typer's own ``Annotated[type, typer.Option(...)]`` gives the help and, where it differs, the flag.
    """

    def register(function: Callable[[O], None]) -> Callable[[O], None]:
        hints = get_type_hints(options, include_extras=True)
        parameters = []
        for field in fields(options):  # type: ignore[arg-type]
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            parameters.append(
                inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name]
                )
            )
            _FLAGS.setdefault(field.name, _flag(field.name, hints[field.name]))

        def run(**values: Any) -> None:
            for setting, value in values.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise ExportError(f"{value} is not a finite number", where=f"`{setting}`", expected="a number")
            function(options(**values))

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__annotations__ = {item.name: item.annotation for item in parameters}
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        app.command()(run)
        return function

    return register


def _flag(name: str, hint: Any) -> str:
    """The long option of a field, or the argument's name."""
    info = next((item for item in get_args(hint) if isinstance(item, typer.models.ParameterInfo)), None)
    if isinstance(info, typer.models.ArgumentInfo):
        return name.upper()
    declared = [
        item
        for item in (getattr(info, "default", None), *(getattr(info, "param_decls", None) or ()))
        if isinstance(item, str)
    ]
    return next((item for item in declared if item.startswith("--")), f"--{name.replace('_', '-')}")


def spelled(text: str) -> str:
    """A message with its settings as options: `` `size` `` is ``--size``, `` `size=512x512` `` is ``--size 512x512``.

    Everything below the command line names settings as Python spells them.
    """

    def flag(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        return _FLAGS[name] + (f" {value}" if value else "") if name in _FLAGS else found[0]

    return re.sub(r"`([a-z][a-z0-9_]*)(?:=([^`]*))?`", flag, text)


def choices(text: str, setting: str, allowed: tuple[C, ...]) -> tuple[C, ...]:
    """A comma-separated list of allowed words, in the order of ``allowed``; raises ExportError."""
    words = {word.strip() for word in text.split(",") if word.strip()}
    unknown = words - set(allowed)
    if unknown or not words:
        raise ExportError(
            f"'{', '.join(sorted(unknown)) or text}' is not a choice",
            where=f"`{setting}`",
            expected=f"one or more of {', '.join(allowed)}, separated by commas",
        )
    return tuple(word for word in allowed if word in words)


def one_of(text: str, setting: str, allowed: tuple[C, ...]) -> C:
    """One of the allowed words; raises ExportError."""
    found = next((word for word in allowed if word == text), None)
    if found is None:
        raise ExportError(f"'{text}' is not a choice", where=f"`{setting}`", expected=f"one of {', '.join(allowed)}")
    return found


def numbers(text: str, setting: str) -> list[int]:
    """Comma-separated whole numbers from 1 to ``MOST``; raises ExportError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and len(word) < 10 and 1 <= int(word) <= MOST for word in words):
        raise ExportError(
            f"'{text}' is not a list of numbers from 1 to {MOST}", where=f"`{setting}`", expected="for example 1,2,4"
        )
    return [int(word) for word in words]
