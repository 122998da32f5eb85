"""Tolerances that a user changes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from converters.errors import ExportError
from modnet_export.record.manifest import Artefact, Manifest
from modnet_export.record.measures import MEASURES, Tolerance
from modnet_export.record.recipes import Recipe

ALL = "*"
"""The name under which a change is for every artefact."""


@dataclass(frozen=True)
class ToleranceChanges:
    """Limits that take the place of the manifest's own.

    ``by_name`` has them for all artefacts (``ALL``), for a format, for a precision, or for one file.
    """

    by_name: Mapping[str, Tolerance] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Sequence[str]) -> ToleranceChanges:
        """Each text is ``MEASURE=LIMIT``, or the path of a TOML file with sections; a later one replaces an earlier.

        Raises ExportError for anything else.
        """
        limits: dict[str, dict[str, float]] = {}
        for text in texts:
            name, equals, value = text.partition("=")
            sections: Mapping[str, Mapping[str, Any]] = (
                {ALL: {name.strip(): _number(value)}} if equals and not Path(text).is_file() else _sections(Path(text))
            )
            for section, content in sections.items():
                limits.setdefault(section, {}).update(_checked(content, text).limits)
        return cls({name: Tolerance(**content) for name, content in limits.items()})

    def of(self, item: Artefact | Recipe, own: Tolerance | None = None) -> Tolerance:
        """An artefact's own tolerance (``own``, where it is not the one written down) with what was changed.

        The most specific change is the last.
        """
        changed = (own or item.tolerance).limits
        for name in (ALL, item.format, item.precision, item.file):
            if name in self.by_name:
                changed |= self.by_name[name].limits
        return Tolerance(**changed)

    def require_known(self, items: Iterable[Artefact | Recipe]) -> None:
        """Raise ExportError for a name that none of these has: its limits would gate nothing."""
        known = {name for item in items for name in (item.format, item.precision, item.file)}
        unknown = sorted(set(self.by_name) - known - {ALL})
        if unknown:
            raise ExportError(
                f"there is nothing called {', '.join(unknown)} to set a tolerance for",
                where="`tolerance`",
                expected=f"one of {', '.join(sorted(known))}",
                next_step="correct the name, or leave its limits out",
            )

    def applied(self, manifest: Manifest) -> Manifest:
        """The manifest with its artefacts' tolerances changed; raises ExportError for a name that it does not have."""
        self.require_known(manifest.artefacts)
        artefacts = tuple(item.model_copy(update={"tolerance": self.of(item)}) for item in manifest.artefacts)
        return manifest.model_copy(update={"artefacts": artefacts})


def _sections(path: Path) -> Mapping[str, Mapping[str, Any]]:
    """The limits of a TOML file by name; those before any section are for all artefacts."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExportError(
            f"cannot read tolerances from '{path}': {error}",
            where="`tolerance`",
            expected="MEASURE=LIMIT, or a TOML file",
            next_step="for example `tolerance=mad=0.002`",
        ) from error
    sections = {name: limits for name, limits in content.items() if isinstance(limits, dict)}
    return {ALL: {name: limit for name, limit in content.items() if name not in sections}, **sections}


def _number(text: str) -> float | str:
    """A number where the text is one; otherwise the text, which no limit can be."""
    try:
        return float(text)
    except ValueError:
        return text


def _checked(limits: Mapping[str, Any], where: str) -> Tolerance:
    try:
        return Tolerance.model_validate(limits)
    except ValidationError as error:
        first = error.errors()[0]
        raise ExportError(
            f"'{'.'.join(map(str, first['loc']))}' is not a tolerance: {first['msg'].removeprefix('Value error, ')}",
            where=f"`tolerance={where}`",
            expected=f"a number for one of {', '.join(name for name, measure in MEASURES.items() if measure.limited)}",
            next_step="for example `tolerance=mad=0.002`",
        ) from error
