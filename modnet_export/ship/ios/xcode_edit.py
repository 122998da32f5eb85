"""Files into the targets of an Xcode project, by the library pbxproj; what it made is read again before it is taken."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from converters.errors import needs
from modnet_export.ship.ios import openstep, xcode
from modnet_export.ship.ios.target import KIT, Target

_TYPES = {
    ".swift": ("sourcecode.swift", "PBXSourcesBuildPhase"),
    ".mlpackage": ("folder.mlpackage", "PBXSourcesBuildPhase"),
    ".json": ("text.json", "PBXResourcesBuildPhase"),
    ".png": ("image.png", "PBXResourcesBuildPhase"),
}
"""Xcode's type of a file, and the phase that takes it: packages are compiled."""


def edited(text: str, folder: Path, wanted: Sequence[tuple[Target, Sequence[Path], str | None]]) -> bytes:
    """A project's text with files in their targets; raises ValueError where more than that would change.

    Raises ExportError where pbxproj is not installed.
    """
    needs("pbxproj", extra="apps")
    before = openstep.parse(text)
    try:
        editor = _Editor(before, folder)
        for target, paths, kit in wanted:
            for path in paths:
                editor.add(target.name, path)
            if kit is not None:
                editor.depend(target.name, kit)
        made = editor.text()
    except (AttributeError, KeyError, TypeError) as error:  # the library expects more than what a target needs
        raise ValueError(f"pbxproj does not read it: {error}") from error
    if "\r\n" in text:
        made = made.replace("\n", "\r\n")
    after = openstep.parse(made)
    _require_only_additions(before, after)
    targets = {target.name: target for target in xcode.targets(after, folder)}
    for target, paths, kit in wanted:
        found = targets[target.name]
        if not all(map(found.takes, paths)) or (kit is not None and KIT not in found.depends):
            raise ValueError("what was added is not found in it")
    return made.encode()


class _Editor:
    def __init__(self, tree: dict[str, Any], folder: Path) -> None:
        import pbxproj

        # From our own reader: the library's takes an escaped backslash before an n for a line's end.
        self.project = pbxproj.XcodeProject(tree, str(folder / "x.xcodeproj" / "project.pbxproj"))
        self.known = xcode.Objects(tree, folder)
        self.references = {path: name for name, path in self.known.paths.items() if "isa" in self.known.all[name]}

    def text(self) -> str:
        return repr(self.project) + "\n"

    def add(self, target: str, path: Path) -> None:
        """A file into a target, in a group for its folder."""
        from pbxproj.pbxsections import PBXBuildFile, PBXFileReference

        kind, phase = _TYPES[path.suffix]
        name = self.references.get(path)
        if name is None:
            group = self.group(path.parent)
            reference = PBXFileReference.create(path.name, "<group>")
            del reference["name"]
            reference.set_last_known_file_type(kind)
            name = self._add(reference, "file", path)
            group.children.append(name)
            self.references[path] = name
        built = self._keyed(PBXBuildFile.create(self.project.objects[name]), "build", target, path)
        (item,) = self.project.objects.get_targets(target)
        made = item.get_or_create_build_phase(phase)[0]
        self.project.objects[built.get_id()] = built
        made.add_build_file(built)

    def group(self, folder: Path) -> Any:
        """The group of a folder, made where there is none, in that of the folder above."""
        from pbxproj.pbxsections import PBXGroup

        objects = self.project.objects
        if folder in self.references:
            return objects[self.references[folder]]
        root = self.known.root
        outer = folder.parent if folder.parent in self.references else None
        if outer is None and folder.parent not in (root, *root.parents):
            parent = self.group(folder.parent)
        else:
            parent = objects[self.references[outer] if outer else self.known.project["mainGroup"]]
        base = folder.parent if outer or folder.parent != root else root
        made = PBXGroup.create(path=os.path.relpath(folder, base))
        name = self._add(made, "group", folder)
        parent.children.append(name)
        self.references[folder] = name
        return made

    def depend(self, target: str, kit: str) -> None:
        """A target depends on the local package MattingKit."""
        from pbxproj.pbxsections import PBXBuildFile, XCLocalSwiftPackageReference, XCSwiftPackageProductDependency

        objects, main = self.project.objects, self.project.objects[self.project.rootObject]
        package = XCLocalSwiftPackageReference.create(kit)
        _append(main, "packageReferences", self._add(package, "package", kit))
        (item,) = objects.get_targets(target)
        product = XCSwiftPackageProductDependency.create(package, KIT)
        del product["package"]  # Xcode names none of a local package's products
        _append(item, "packageProductDependencies", self._add(product, "product", target))
        built = self._keyed(PBXBuildFile.create(product, is_product=True), "build", target, KIT)
        objects[built.get_id()] = built
        item.get_or_create_build_phase("PBXFrameworksBuildPhase")[0].add_build_file(built)

    def _add(self, made: Any, *of: object) -> Any:
        self._keyed(made, *of)
        self.project.objects[made.get_id()] = made
        return made.get_id()

    def _keyed(self, made: Any, *of: object) -> Any:
        """An object with an identifier that is the same in every run."""
        from pbxproj.PBXKey import PBXKey

        root = self.known.root
        told = [str(os.path.relpath(item, root)) if isinstance(item, Path) else str(item) for item in of]
        key = hashlib.sha256("\0".join(told).encode()).hexdigest()[:24].upper()
        made["_id"] = PBXKey(key, self.project.objects)
        return made


def _append(item: Any, name: str, value: object) -> None:
    """Not by ``item[name] = [value]``, which makes a list of one its only element."""
    if name not in item:
        setattr(item, name, [])
    getattr(item, name).append(value)


def _require_only_additions(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Raise ValueError unless all that was there is there still, and lists have only grown."""
    others = {key: value for key, value in before.items() if key != "objects"}
    if {key: value for key, value in after.items() if key != "objects"} != others:
        raise ValueError("its head would change")
    for name, old in before["objects"].items():
        new = after["objects"].get(name, {})
        for key, value in old.items():
            found = new.get(key)
            grown = isinstance(value, list) and isinstance(found, list) and found[: len(value)] == value
            if found != value and not grown:
                raise ValueError(f"the object {name} would change in {key}")
