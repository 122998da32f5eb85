"""Tolerances that a user changes."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from converters.errors import ExportError
from modnet_export.record.manifest import Artefact, Manifest
from modnet_export.record.measures import Tolerance


class Overrides:
    """Tolerances that a user changes: for all artefacts, for a precision, or for one file."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        self._by_name: dict[str, dict[str, float]] = {}
        for option in options:
            name, equals, value = option.partition("=")
            if equals and not Path(option).is_file():
                self._add("*", {name.strip(): value}, "--tolerance")
            else:
                self._read(Path(option))

    def _read(self, path: Path) -> None:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ExportError(
                f"cannot read tolerances from '{path}': {error}",
                where="--tolerance",
                expected="MEASURE=LIMIT, or a TOML file",
                next_step="for example --tolerance mad=0.002",
            ) from error
        plain = {name: value for name, value in content.items() if not isinstance(value, dict)}
        for name, limits in {"*": plain, **{k: v for k, v in content.items() if isinstance(v, dict)}}.items():
            self._add(name, limits, path)

    def _add(self, name: str, limits: Mapping[str, Any], where: object) -> None:
        try:
            checked = Tolerance.model_validate(limits)
        except ValidationError as error:
            first = error.errors()[0]
            raise ExportError(
                f"'{'.'.join(map(str, first['loc']))}' is not a tolerance: {first['msg']}",
                where=where,
                expected=f"a number for one of {', '.join(Tolerance.model_fields)}",
            ) from error
        self._by_name.setdefault(name, {}).update(checked.limits)

    def of(self, artefact: Artefact) -> Tolerance:
        """The artefact's own tolerance with what was changed, the most specific last."""
        changed = artefact.tolerance.limits
        for name in ("*", artefact.format, artefact.precision, artefact.file):
            changed |= self._by_name.get(name, {})
        return Tolerance(**changed)

    def check_names(self, manifest: Manifest) -> None:
        """Raise ExportError for a section that is about nothing in the folder: it would gate nothing."""
        known = {"*", *(name for item in manifest.artefacts for name in (item.format, item.precision, item.file))}
        unknown = sorted(set(self._by_name) - known)
        if unknown:
            raise ExportError(
                f"there is nothing called {', '.join(unknown)} to set a tolerance for",
                where="--tolerance",
                expected=f"one of {', '.join(sorted(known - {'*'}))}",
            )
