"""The argument of commands that take a folder that export wrote, or models of anybody's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

_SUFFIXES = (".tflite", ".onnx", ".mlpackage")

ModelsArgument = Annotated[
    list[Path],
    typer.Argument(help="A folder that export wrote, or .tflite, .onnx and .mlpackage models from anywhere."),
]


def foreign_models(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The models that somebody else converted; none where it is one folder that an export wrote."""
    is_folder = len(paths) == 1 and paths[0].suffix.lower() not in _SUFFIXES and not paths[0].is_file()
    return () if is_folder else tuple(paths)
