"""What an XcodeGen project (``project.yml``) says of its targets, and lines put into it with its comments kept."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modnet_export.ship.globs import matches
from modnet_export.ship.ios.target import INFO, KIT, OLDEST, WRAPPERS, Form, Kind, Target, damaged, kind_of, text_of
from modnet_export.ship.ios.xcode import plist

NAMES = ("project.yml", "project.yaml")
_DEEPEST = 10


class XcodeGenProject(Form):
    """A project.yml; raises ExportError for one that is damaged."""

    what = "an XcodeGen project"

    def __init__(self, definition: Path) -> None:
        self.definition = definition
        self.text = text_of(definition)
        try:
            self.targets = self._targets(_with_includes(definition))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise damaged(definition, f"it is not XcodeGen's: {error}") from error

    def _targets(self, spec: Mapping[str, Any]) -> tuple[Target, ...]:
        found = []
        for name, own in (spec.get("targets") or {}).items():
            item: dict[str, Any] = {}
            for template in own.get("templates", ()):
                item = _merged(item, spec.get("targetTemplates", {}).get(template) or {})
            item = _merged(item, own)
            platforms = item.get("platform", "iOS"), item.get("supportedDestinations") or []
            kind = kind_of(str(item.get("type")))
            if kind is not None and "iOS" in (
                *_listed(platforms[0]),
                *platforms[1],
                *(["iOS"] * ("auto" in platforms)),
            ):
                found.append(self._target(str(name), kind, item, spec))
        return tuple(found)

    def _target(self, name: str, kind: Kind, item: Mapping[str, Any], spec: Mapping[str, Any]) -> Target:
        root = self.definition.parent
        sources = [_Source.read(root, one) for one in _listed(item.get("sources"))]
        folders = [one.path for one in sources if one.whole and one.path.is_dir() and one.path.suffix not in WRAPPERS]
        settings = [*_settings(item), *_settings(spec)]
        oldest = item.get("deploymentTarget") or (spec.get("options") or {}).get("deploymentTarget")
        oldest = oldest.get("iOS") if isinstance(oldest, dict) else oldest
        oldest = oldest or next((one[OLDEST] for one in settings if OLDEST in one), None)
        depends = [
            str(one.get(key)) for one in item.get("dependencies") or () for key in ("target", "product", "package")
        ]
        names = [item.get("productName"), *(one.get("PRODUCT_NAME") for one in settings)]
        modules = [str(one) for one in (*(one.get("PRODUCT_MODULE_NAME") for one in settings), *names) if one]
        return Target(
            name,
            kind,
            folders[0] if folders else root / name,
            tuple(one.path for one in sources),
            lambda path: any(one.takes(path) for one in sources),
            frozenset(depends),
            None if oldest is None else str(oldest),
            self._info(item, settings),
            next(iter(modules), None),
            frozenset(one.path for one in sources),
        )

    def _info(self, item: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        given = item.get("info") or {}
        for path in (given.get("path"), *(one.get("INFOPLIST_FILE") for one in settings)):
            found |= plist(self.definition.parent / str(path)) or {} if path else {}
        for one in settings:
            found |= {key.removeprefix(INFO): value for key, value in one.items() if str(key).startswith(INFO)}
        return found | (given.get("properties") or {})

    def steps(self, target: Target, paths: Sequence[Path], kit: str | None) -> str:
        """Lines of YAML."""
        lines = []
        if kit is not None:
            lines += ["packages:", f"  {KIT}:", f"    path: {_quoted(kit)}"]
        lines += ["targets:", f"  {_quoted(target.name)}:"]
        if paths:
            lines += ["    sources:", *(f"      - {_quoted(item)}" for item in self._entries(paths))]
        if kit is not None:
            lines += ["    dependencies:", f"      - package: {KIT}"]
        return "\n".join(lines)

    def _entries(self, paths: Sequence[Path]) -> list[str]:
        """What is put under ``sources``: the folder that has the files."""
        folder = min((path.parent for path in paths), key=lambda item: len(item.parts))
        return [Path(os.path.relpath(folder, self.definition.parent)).as_posix()]

    def edited(self, wanted: Sequence[tuple[Target, Sequence[Path], str | None]]) -> bytes:
        """The file with these lines in it, read again; raises ValueError where they are not found there."""
        import yaml

        text = self.text
        before = yaml.safe_load(text)
        for target, paths, kit in wanted:
            if paths:
                for entry in self._entries(paths):
                    text = _inserted(text, ("targets", target.name, "sources"), _quoted(entry))
            if kit is not None:
                text = _inserted(text, ("targets", target.name, "dependencies"), f"package: {KIT}")
                if KIT not in (yaml.safe_load(text).get("packages") or {}):
                    text = _inserted(text, ("packages", KIT), f"path: {_quoted(kit)}")
        after = yaml.safe_load(text)
        expected = before
        for target, paths, kit in wanted:
            item = expected["targets"][target.name]
            if paths:
                item["sources"] = [*_listed(item.get("sources")), *self._entries(paths)]
            if kit is not None:
                item["dependencies"] = [*(item.get("dependencies") or []), {"package": KIT}]
                packages = expected.get("packages") or {}
                expected["packages"] = {KIT: {"path": kit}} | packages
        if after != expected:
            raise ValueError("what was put into it is not all that would change")
        return text.encode()

    def after(self) -> str | None:
        return "xcodegen generate"


@dataclass(frozen=True)
class _Source:
    """An entry of ``sources``."""

    path: Path
    excludes: tuple[str, ...]
    includes: tuple[str, ...]
    whole: bool
    """Whether files of each kind in it are taken as XcodeGen takes them."""
    nowhere: bool = False
    """Whether its files are only shown, and in no phase of the build."""

    @classmethod
    def read(cls, root: Path, entry: object) -> _Source:
        item = entry if isinstance(entry, dict) else {"path": entry}
        path = Path(os.path.normpath(root / str(item["path"])))
        whole = (
            not item.get("includes")
            and not item.get("buildPhase")
            and item.get("type") in (None, "group", "syncedFolder")
        )
        return cls(
            path, _texts(item.get("excludes")), _texts(item.get("includes")), whole, item.get("buildPhase") == "none"
        )

    def takes(self, path: Path) -> bool:
        if self.nowhere or not path.is_relative_to(self.path):
            return False
        inner = path.relative_to(self.path).as_posix()
        if any(_covers(glob, inner) for glob in self.excludes):
            return False
        return not self.includes or any(_covers(glob, inner) for glob in self.includes)


def _covers(glob: str, path: str) -> bool:
    """Whether a pattern covers a path or a folder above it."""
    glob = re.sub(r"(^|/)\*\*/", r"\1{,**/}", glob)
    parts = path.split("/")
    return any(matches(glob, "/".join(parts[:count])) for count in range(1, len(parts) + 1))


def _with_includes(path: Path, depth: int = 0) -> dict[str, Any]:
    """A file merged over those that it includes; raises ValueError for what is no YAML, or no dictionary."""
    import yaml

    if depth > _DEEPEST:
        raise ValueError("its includes go in a circle")
    try:
        spec = yaml.safe_load(text_of(path))
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(spec, dict):
        raise ValueError(f"{path.name} is not a dictionary")
    found: dict[str, Any] = {}
    for item in _listed(spec.pop("include", None)):
        other = path.parent / str(item["path"] if isinstance(item, dict) else item)
        if other.is_file():
            found = _merged(found, _with_includes(other, depth + 1))
    return _merged(found, spec)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """As XcodeGen merges: dictionaries by their keys, lists one after the other."""
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            found[key] = _merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            found[key] = [*old, *value]
        else:
            found[key] = value
    return found


def _settings(item: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Build settings: of each configuration, of all, or where there is no such division."""
    settings = item.get("settings") or {}
    yield from (one for one in (settings.get("configs") or {}).values() if isinstance(one, dict))
    yield settings.get("base") or {}
    yield {key: value for key, value in settings.items() if key not in ("base", "configs", "groups")}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in _listed(value))


_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def _quoted(text: str) -> str:
    """A string of YAML: plain where that can be nothing else."""
    plain = re.fullmatch(r"[A-Za-z_/][\w./ -]*(?<! )", text, re.ASCII) is not None and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _inserted(text: str, keys: Sequence[str], entry: str) -> str:
    """One entry more at the end of the list (or, for a package, the dictionary) of some keys; raises ValueError."""
    import yaml

    lines = text.splitlines(keepends=True)
    newline = "\r\n" if text.endswith("\r\n") or "\r\n" in text else "\n"
    node, found = yaml.compose(text, yaml.SafeLoader), 0
    indents = [0]
    for key in keys:
        if not isinstance(node, yaml.MappingNode) or node.flow_style:
            raise ValueError(f"`{keys[found - 1] if found else key}` is not a block of lines in it")
        indents.append(node.start_mark.column)
        inner = next((value for name, value in node.value if name.value == key), None)
        if inner is None:
            break
        node, found = inner, found + 1
    unit = 2
    if found < len(keys):  # the rest of the keys go to the end of what was found
        at = _end_line(lines, node)
        indent = node.start_mark.column
        added = [f"{' ' * (indent + unit * depth)}{_quoted(key)}:" for depth, key in enumerate(keys[found:])]
        inside = " " * (indent + unit * len(added))
        added.append(inside + (entry if keys[0] == "packages" else f"- {entry}"))
        return _with_lines(lines, at, added, newline)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style:
        return _with_lines(lines, _end_line(lines, node), [f"{' ' * node.start_mark.column}- {entry}"], newline)
    begin, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.SequenceNode):
        inner_text = text[begin + 1 : end - 1].rstrip().rstrip(",")
        return f"{text[:begin]}[{inner_text}{', ' if inner_text.strip() else ''}{entry}{text[end - 1 :]}"
    if isinstance(node, yaml.ScalarNode) and node.value:
        return f"{text[:begin]}[{text[begin:end]}, {entry}]{text[end:]}"
    raise ValueError(f"`{keys[-1]}` is not a list in it")


def _end_line(lines: Sequence[str], node: Any) -> int:
    """The line after the last in which a block says something, that is, no comment."""
    end = node.end_mark
    inside = end.line < len(lines) and lines[end.line][: end.column].strip() != ""
    at: int = end.line + inside
    while at > node.start_mark.line + 1 and re.match(r"\s*(#|$)", lines[at - 1]):
        at -= 1
    return at


def _with_lines(lines: list[str], at: int, added: Sequence[str], newline: str) -> str:
    before = "".join(lines[:at])
    gap = "" if not before or before.endswith("\n") else newline
    return before + gap + "".join(line + newline for line in added) + "".join(lines[at:])
