"""What a Swift package (``Package.swift``) and a Tuist project (``Project.swift``) say of their targets, as literals.

Both are programs. What stands in variables and functions is not seen, and said to be.
"""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from modnet_export.ship.globs import matches
from modnet_export.ship.ios.swiftcode import Call, calls, literal, unescaped, with_elements
from modnet_export.ship.ios.target import KIT, Form, Kind, Target, damaged, text_of
from modnet_export.ship.ios.xcode import plist

_PACKAGE_KINDS: dict[str, Kind] = {"target": "library", "executableTarget": "library", "testTarget": "tests"}
_TUIST_KINDS: dict[str, Kind] = {
    "app": "app",
    "unitTests": "tests",
    "framework": "library",
    "staticFramework": "library",
    "staticLibrary": "library",
    "dynamicLibrary": "library",
}
_PLACES = ("Sources", "Source", "src", "srcs")
"""Where SwiftPM looks for a target's folder (``PackageBuilder.predefinedSourceDirectories``)."""
_OTHERS = re.compile(r"\.(macOS|tvOS|watchOS|visionOS)|\[\s*\.mac\s*\]")
"""Tuist's destinations without iOS."""
_BEFORE_RESOURCES = ("name", "dependencies", "path", "exclude", "sources")
_BEFORE_TUIST = (
    "name", "destinations", "platform", "product", "productName", "bundleId", "deploymentTargets", "deploymentTarget",
    "infoPlist", "sources",
)  # fmt: skip


class _Manifest(Form):
    """What both have in common: a text in Swift, with calls that make targets."""

    before: tuple[str, ...]
    """The labels of a target's arguments that stand before ``resources``: Swift wants them in their order."""

    def __init__(self, definition: Path) -> None:
        self.definition = definition
        self.text = text_of(definition)
        try:
            self.targets = self._read(self.text)
        except ValueError as error:
            raise damaged(definition, str(error)) from error

    def _read(self, text: str) -> tuple[Target, ...]:
        """The targets whose names are literals."""
        named = [(call.string("name"), kind, call) for kind, call in self._calls(text)]
        return tuple(self._target(name, kind, call) for name, kind, call in named if name is not None)

    @abstractmethod
    def _calls(self, text: str) -> Sequence[tuple[Kind, Call]]:
        """The calls that make targets, and of which kind."""

    @abstractmethod
    def _target(self, name: str, kind: Kind, call: Call) -> Target:
        """What a call says of its target."""

    @abstractmethod
    def _elements(self, target: Target, paths: Sequence[Path]) -> list[str]:
        """What is put under ``resources`` for some files."""

    @abstractmethod
    def _depending(self, text: str, target: Target, kit: str) -> str:
        """The text with a dependency on the local package MattingKit."""

    def _inside(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.root)).as_posix()

    def edited(self, wanted: Sequence[tuple[Target, Sequence[Path], str | None]]) -> bytes:
        """The file with resources and dependencies in it; raises ValueError where they are not found there."""
        text = self.text
        for target, paths, kit in wanted:
            elements = self._elements(target, paths)
            if elements:
                text = with_elements(self._call(text, target.name), "resources", elements, self.before)
            if kit is not None:
                text = self._depending(text, target, kit)
        targets = {target.name: target for target in self._read(text)}
        for target, paths, kit in wanted:
            if not all(map(targets[target.name].takes, paths)) or (kit and KIT not in targets[target.name].depends):
                raise ValueError("what was added is not found in it")
        return text.encode()

    def _call(self, text: str, name: str) -> Call:
        return next(call for _, call in self._calls(text) if call.string("name") == name)


class SwiftPackage(_Manifest):
    """A Package.swift."""

    what = "a Swift package"
    before = _BEFORE_RESOURCES

    def _calls(self, text: str) -> Sequence[tuple[Kind, Call]]:
        found = [(kind, call) for name, kind in _PACKAGE_KINDS.items() for call in calls(text, rf"\.{name}")]
        # A target may be named by such a call, too, in the dependencies of another.
        return [
            (kind, call) for kind, call in found if not any(other.begin < call.begin < other.end for _, other in found)
        ]

    def _target(self, name: str, kind: Kind, call: Call) -> Target:
        given, places = call.string("path"), _PLACES if kind != "tests" else ("Tests", *_PLACES)
        folder = self.root / (given or f"{places[0]}/{name}")
        if given is None:
            folder = next((made for item in places if (made := self.root / item / name).is_dir()), folder)
        resources = {folder / item for item in _resources(call.raw("resources") or "")}
        excluded = {folder / item for item in call.strings("exclude") or ()}
        whole = call.raw("sources") is None

        def takes(path: Path) -> bool:
            above = {path, *path.parents}
            if not path.is_relative_to(folder) or above & excluded:
                return False
            return bool(above & resources) or (whole and path.suffix == ".swift")

        oldest = re.search(r"\.iOS\s*\(\s*(?:\.v(\d+)(?:_(\d+))?|\"([\d.]+)\")\s*\)", call.text)
        minimum = oldest and (oldest[3] or ".".join(part for part in oldest.groups()[:2] if part))
        depends = frozenset(_texts(call.raw("dependencies") or ""))
        return Target(name, kind, folder, (folder,), takes, depends, minimum, named=frozenset(resources))

    def _elements(self, target: Target, paths: Sequence[Path]) -> list[str]:
        """Packages are copied: SwiftPM would flatten them, and MattingEngine compiles them at their first use."""
        return [
            f".copy({literal(path.relative_to(target.folder).as_posix())})" for path in paths if path.suffix != ".swift"
        ]

    def steps(self, target: Target, paths: Sequence[Path], kit: str | None) -> str:
        """Lines of Swift."""
        lines = []
        if kit is not None:
            lines += ["dependencies:", f"    .package(path: {literal(kit)}),"]
        lines.append(f"the target named {literal(target.name)}:")
        if kit is not None:
            lines.append(f"    dependencies: [.product(name: {literal(KIT)}, package: {literal(KIT)})],")
        if paths:
            lines.append(f"    resources: [{', '.join(self._elements(target, paths))}]")
        return "\n".join(lines)

    def _depending(self, text: str, target: Target, kit: str) -> str:
        product = f".product(name: {literal(KIT)}, package: {literal(Path(kit).name)})"
        text = with_elements(self._call(text, target.name), "dependencies", [product], ("name",))
        (package,) = calls(text, r"(?<![.\w])Package")
        before = ("name", "defaultLocalization", "platforms", "pkgConfig", "providers", "products")
        return with_elements(package, "dependencies", [f".package(path: {literal(kit)})"], before)


class TuistProject(_Manifest):
    """A Project.swift."""

    what = "a Tuist project"
    before = _BEFORE_TUIST

    def _calls(self, text: str) -> Sequence[tuple[Kind, Call]]:
        found = [*calls(text, r"\.target"), *calls(text, r"(?<![.\w])Target")]
        found = [
            call for call in found if not _OTHERS.fullmatch(call.raw("destinations") or call.raw("platform") or "")
        ]
        products = [(_TUIST_KINDS.get((call.raw("product") or "").lstrip(".")), call) for call in found]
        return [(kind, call) for kind, call in products if kind is not None]

    def _target(self, name: str, kind: Kind, call: Call) -> Target:
        sources, resources = (self._globs(call, label) for label in ("sources", "resources"))
        folders = [self.root / item for item in call.strings("buildableFolders") or ()]
        roots = [*folders, *(self.root / item.split("*")[0].rstrip("/") for item in (*sources, *resources))]
        own = next((root for root in roots if root.is_dir()), self.root / name)

        def takes(path: Path) -> bool:
            if any(path.is_relative_to(folder) for folder in folders):
                return True
            if not path.is_relative_to(self.root):
                return False
            compiled = path.suffix in (".swift", ".mlpackage", ".mlmodel", ".metal")
            return any(_covers(glob, self._inside(path)) for glob in (sources if compiled else resources))

        oldest = re.search(
            r"\.(?:iOS|multiplatform)\s*\(\s*(?:iOS|targetVersion)?\s*:?\s*\"([\d.]+)\"",
            call.text[call.begin : call.end],
        )
        info = self._info(call.raw("infoPlist"))
        depends = _texts(call.raw("dependencies") or "")
        return Target(
            name, kind, own, tuple(roots), takes, frozenset(depends), None if oldest is None else oldest[1], info,
            call.string("productName"),
            frozenset(self.root / item for item in (*sources, *resources) if "*" not in item),
        )  # fmt: skip

    def _globs(self, call: Call, label: str) -> list[str]:
        """Patterns of an argument: literals in a list, or in calls such as ``.glob(pattern: "...")``."""
        return _texts(call.raw(label) or "", before=r"(?<!excluding: )(?<!excluding: \[)")

    def _info(self, raw: str | None) -> dict[str, object] | None:
        """A file, or literals of ``.extendingDefault(with:)``; None where neither is to be seen."""
        if raw is None:
            return None
        if raw.startswith((".file", '"')):
            return plist(self.root / next(iter(_texts(raw)), "").removeprefix("$(SRCROOT)/"))
        keys = re.findall(r'"(\w+)"\s*:', raw)
        return (
            {key: next(iter(_texts(raw, before=rf'"{key}"\s*:\s*')), None) for key in keys} if "with:" in raw else None
        )

    def _elements(self, target: Target, paths: Sequence[Path]) -> list[str]:
        return [literal(self._inside(path)) for path in paths if path.suffix not in (".swift", ".mlpackage")]

    def steps(self, target: Target, paths: Sequence[Path], kit: str | None) -> str:
        """Lines of Swift."""
        lines = [f"the target named {literal(target.name)}:"]
        compiled = [path for path in paths if path.suffix in (".swift", ".mlpackage")]
        if compiled:
            folder = min((path.parent for path in compiled), key=lambda item: len(item.parts))
            lines.append(f"    sources: [{literal(self._inside(folder) + '/**')}],")
        if elements := self._elements(target, paths):
            lines.append(f"    resources: [{', '.join(elements)}],")
        if kit is not None:
            lines.append(f"    dependencies: [.package(product: {literal(KIT)})],")
            lines = ["packages:", f"    .local(path: {literal(kit)}),", *lines]
        return "\n".join(lines)

    def _depending(self, text: str, target: Target, kit: str) -> str:
        before = (*_BEFORE_TUIST, "resources", "copyFiles", "headers", "entitlements", "scripts")
        text = with_elements(
            self._call(text, target.name), "dependencies", [f".package(product: {literal(KIT)})"], before
        )
        (project,) = calls(text, r"(?<![.\w])Project")
        return with_elements(
            project, "packages", [f".local(path: {literal(kit)})"], ("name", "organizationName", "options")
        )

    def after(self) -> str | None:
        return "tuist generate"


def _resources(raw: str) -> list[str]:
    """Paths in ``.copy("...")`` and ``.process("...")``."""
    return _texts(raw, before=r"\.(?:copy|process|embedInCode)\s*\(\s*")


def _texts(raw: str, before: str = "") -> list[str]:
    """The strings that stand behind a pattern."""
    return [unescaped(text) for text in re.findall(before + r'"((?:\\.|[^"\\\n])*)"', raw)]


def _covers(glob: str, path: str) -> bool:
    return matches(glob.replace("**/", "{,**/}"), path) if "*" in glob else path == glob or path.startswith(glob + "/")
