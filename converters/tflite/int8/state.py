"""What a search has found so far, in a file, so that one that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy.typing as npt

from converters.budget import Point
from converters.errors import ExportError

_HERE = Path(__file__).parents[2]
_CODE = ("eight_bit.py", "onnx/**/*.py", "tflite/**/*.py")
"""The files of ``converters`` that make the models, or decide what is measured of them."""


def fingerprint(data: bytes, images: Iterable[npt.NDArray[Any]], code: Path = _HERE) -> str:
    """A hash of all that decides a search's results: the float model, the images, and the code (below this folder)."""
    digest = hashlib.sha256(data)
    for image in images:
        digest.update(image.tobytes())
    for file in _files(code):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(code: Path) -> Iterator[Path]:
    for pattern in _CODE:
        yield from sorted(code.glob(pattern))


class State:
    """The sensitivities that a search has measured, and its points."""

    def __init__(self, path: Path | None, variant: str, key: str) -> None:
        """``path`` None: nothing is kept. ``variant``: which of several ways to build a model the points are of.
        ``key``: a ``fingerprint``; what was kept under another one is not used.

        Raises ExportError for a file that cannot be read.
        """
        self._path, self._variant, self._key = path, variant, key
        self.sensitivities: dict[str, float] = {}
        self._points: dict[str, list[Point]] = {}
        if path is not None and path.exists():
            try:
                saved = json.loads(path.read_text(encoding="utf-8"))
                if saved["key"] != key:
                    return
                self.sensitivities = {str(key): float(value) for key, value in saved["sensitivities"].items()}
                self._points = {
                    str(name): [Point(**item) for item in points] for name, points in saved["points"].items()
                }
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise ExportError(
                    f"cannot read {path.name} as the state of a search",
                    where=path,
                    next_step="delete it: the search then starts again",
                ) from error

    @property
    def points(self) -> list[Point]:
        return self._points.setdefault(self._variant, [])

    def keep(self, sensitivities: Mapping[str, float]) -> None:
        """Replace the sensitivities, and write the file."""
        self.sensitivities = dict(sensitivities)
        self._write()

    def add(self, point: Point) -> None:
        """Add a point, and write the file."""
        self.points.append(point)
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        points = {name: [asdict(point) for point in points] for name, points in self._points.items()}
        text = json.dumps({"key": self._key, "sensitivities": self.sensitivities, "points": points})
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._path)
