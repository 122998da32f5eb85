"""What can be read from Gradle's build files without running them: literals, version catalogs, simple variables.

Anything else (a convention plugin, a function, a file elsewhere) is unknown, and said to be.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converters.errors import ExportError, reason

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LITERT = "com.google.ai.edge.litert"
APPLICATION = "com.android.application"
SCRIPTS = ("build.gradle.kts", "build.gradle")
_CATALOG = "gradle/libs.versions.toml"
_LARGEST = 4 << 20
# Strings are kept, comments become a space.
_COMMENT = re.compile(r'("""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|//[^\n]*|/\*[\s\S]*?\*/')


def read_bytes(path: Path) -> bytes:
    """A source file; nothing of one that is no regular file, or is larger than any that a person writes."""
    return path.read_bytes() if path.is_file() and path.stat().st_size <= _LARGEST else b""


def read_source(path: Path) -> str:
    """The same as text."""
    return read_bytes(path).decode("utf-8", "replace")


def read_script(path: Path) -> str:
    """A build file without its comments."""
    return without_comments(read_source(path))


def without_comments(text: str) -> str:
    """The text of a build file without its comments."""
    return _COMMENT.sub(lambda found: found[1] or " ", text)


def blocks(text: str, *names: str) -> Iterator[str]:
    """What stands in the braces behind a name, and in these behind the next: ``blocks(text, "splits", "abi")``."""
    for found in re.finditer(rf"\b{names[0]}\s*\{{", text):
        depth, end = 1, found.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        inside = text[found.end() : end - 1]
        yield from blocks(inside, *names[1:]) if names[1:] else [inside]


def is_set(text: str, name: str) -> bool:
    """Whether a switch is on, in Kotlin (``isEnable = true``) or in Groovy (``enable true``)."""
    kotlin = f"is{name[0].upper()}{name[1:]}"
    return re.search(rf"\b(?:{kotlin}|{name})\s*(?:=|\(|\s)\s*true\b", text) is not None


def version_number(text: str) -> tuple[int, ...]:
    """``8.5.1`` as (8, 5, 1), for comparing; what stands behind the numbers is left out."""
    found = re.match(r"[0-9]{1,9}(?:\.[0-9]{1,9})*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def _accessor(alias: str) -> str:
    """How build files call an alias of the catalog."""
    return re.sub(r"[-_.]", ".", alias)


@dataclass(frozen=True)
class Catalog:
    """``gradle/libs.versions.toml``."""

    versions: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    plugins: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    bundles: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Path) -> Catalog:
        """A project's catalog; empty where there is none. Raises ExportError for one that is not TOML."""
        path = root / _CATALOG
        try:
            content = tomllib.loads(read_source(path))
            versions = {name: _version(value, {}) for name, value in content.get("versions", {}).items()}
            known = {_accessor(name): value for name, value in versions.items() if value}
            return cls(
                known,
                {_accessor(k): _entry(v, known, "module") for k, v in content.get("libraries", {}).items()},
                {_accessor(k): _entry(v, known, "id") for k, v in content.get("plugins", {}).items()},
                {_accessor(k): tuple(map(_accessor, v)) for k, v in content.get("bundles", {}).items()},
            )
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise ExportError(
                f"cannot read the version catalog: {reason(error)}",
                where=path,
                expected="TOML with [versions], [libraries], [plugins] and [bundles]",
                next_step="mend the file; Gradle cannot read it either",
            ) from error


def _version(value: Any, known: dict[str, str]) -> str | None:
    """A version as it stands in a catalog: text, a reference, or a rich version; None where there is none."""
    if isinstance(value, dict):
        if "ref" in value:
            return known.get(_accessor(value["ref"]))
        value = next((value[name] for name in ("strictly", "require", "prefer") if name in value), None)
    return None if value is None else str(value)


def _entry(value: Any, known: dict[str, str], name: str) -> tuple[str, str | None]:
    """A library as ``group:artifact``, or a plugin's id, and its version."""
    if isinstance(value, str):
        identity, _, version = (
            value.rpartition(":") if value.count(":") == (2 if name == "module" else 1) else (value, "", "")
        )
        return identity, version or None
    identity = value.get(name) or f"{value.get('group')}:{value.get('name')}"
    return identity, _version(value.get("version"), known)


@dataclass(frozen=True)
class Scripts:
    """The build files that say something of one module: its own first, then those of the whole project."""

    own: str
    others: str
    catalog: Catalog

    def applies(self, plugin: str) -> bool:
        """Whether the module's own file applies a plugin."""
        quoted = rf"[\"']{re.escape(plugin)}[\"']"
        for line in re.findall(rf"(?:\bid\b|\bplugin\b)[^\n]*{quoted}[^\n]*", self.own):
            if not re.search(r"\bapply\s*\(?\s*false", line):
                return True
        for alias, tail in re.findall(r"\balias\s*\(?\s*libs\.plugins\.([\w.]+)\)?([^\n]*)", self.own):
            if self.catalog.plugins.get(alias, ("", None))[0] == plugin and not re.search(
                r"\bapply\s*\(?\s*false", tail
            ):
                return True
        return False

    @property
    def of_app(self) -> bool:
        """Whether the module is an app: by its plugin or, where a plugin of the project's own hides that, its id."""
        return self.applies(APPLICATION) or re.search(r"\bapplicationId\b", self.own) is not None

    def stores(self, suffix: str) -> bool:
        """Whether the module's own file says that files of a suffix are stored in the app, not deflated."""
        return re.search(rf"\bnoCompress\b[^}}]*[\"']\.?{suffix}[\"']", self.own) is not None

    def resolved(self, expression: str) -> str | None:
        """A number or a version: a literal, an entry of the catalog, or a variable that a literal is assigned to."""
        expression = expression.strip()
        literal = re.match(r"[\"']?(\d[\w.+-]*)[\"']?", expression)
        if literal:
            return literal[1]
        entry = re.match(r"[\"']?(?:\$\{)?libs\.versions\.([\w.]+?)\.(?:get|toInt|asProvider)\b", expression)
        if entry:
            return self.catalog.versions.get(entry[1])
        variable = re.match(r"[\"']?\$?\{?(?:rootProject\.|project\.|ext\.|extra\.)*([A-Za-z_]\w*)", expression)
        if variable:
            for text in (self.own, self.others):
                found = re.search(rf"(?<![\w.])(?:ext\.)?{variable[1]}\s*=\s*[\"']?(\d[\w.+-]*)", text)
                if found:
                    return found[1]
        return None

    def values(self, name: str) -> list[str | None]:
        """Every value that the module's own file gives a setting; None for one that cannot be read."""
        found = re.finditer(rf"(?<![\w.]){name}\s*(?:=|\(|\.set\s*\(|(?=[\s{{]))\s*(\{{[^}}]*\}}|[^\n;}}]+)", self.own)
        return [self._value(item[1]) for item in found]

    def _value(self, text: str) -> str | None:
        release = re.search(r"release\s*\(\s*([^)]*)\)", text)
        return self.resolved(release[1] if release else text)

    def libraries(self) -> dict[str, str | None]:
        """The libraries that the module's own file names, ``group:artifact``, and their versions where known."""
        found: dict[str, str | None] = {}
        for name, version in re.findall(r"[\"']([\w.-]+:[\w.-]+)(?::([^\"'@]+))?[^\"'\n]*[\"']", self.own):
            found[name] = self.resolved(version) if version else None
        for group, name, version in re.findall(
            r"group\s*[:=]\s*[\"']([\w.-]+)[\"']\s*,\s*name\s*[:=]\s*[\"']([\w.-]+)[\"'](?:\s*,\s*version\s*[:=]\s*([^,)\n]+))?",
            self.own,
        ):
            found[f"{group}:{name}"] = self.resolved(version) if version else None
        for accessor in re.findall(r"(?<![\w.])libs\.([\w.]+)", self.own):
            names: Iterable[str] = [accessor]
            if accessor.startswith("bundles."):
                names = self.catalog.bundles.get(accessor.removeprefix("bundles."), ())
            found.update(self.catalog.libraries[item] for item in names if item in self.catalog.libraries)
        return found

    def plugin_version(self, plugin: str, classpath: str) -> str | None:
        """The version of a plugin, from any build file or the catalog; None where none says it."""
        text = self.own + "\n" + self.others
        for pattern in (
            rf"[\"']{re.escape(plugin)}[\"']\s*\)?\s*\.?version\s*\(?\s*(\S+)",
            rf"[\"']{re.escape(classpath)}:([^\"']+)[\"']",
        ):
            found = re.search(pattern, text)
            if found and (value := self.resolved(found[1])):
                return value
        return next((version for name, version in self.catalog.plugins.values() if name == plugin), None)

    def projects(self) -> set[str]:
        """The paths of other modules that this one depends on."""
        paths = set(re.findall(r"\bproject\s*\(\s*(?:path\s*[:=]\s*)?[\"']:?([\w:.-]+)[\"']", self.own))
        accessors = re.findall(r"(?<![\w.])projects\.([\w.]+)", self.own)
        return paths | {
            re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "-" + m[1].lower(), a).replace(".", ":") for a in accessors
        }
