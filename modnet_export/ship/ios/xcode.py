"""What an Xcode project (``project.pbxproj``) says of its targets."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from modnet_export.ship.ios import openstep
from modnet_export.ship.ios.bundle import property_list
from modnet_export.ship.ios.target import INFO, OLDEST, Form, Target, damaged, kind_of, source, text_of

_SYNCHRONIZED = "PBXFileSystemSynchronizedRootGroup"
"""A folder of Xcode 16: whatever lies in it is in the target."""


class XcodeProject(Form):
    """An .xcodeproj; raises ExportError for one that is damaged."""

    what = "an Xcode project"

    def __init__(self, folder: Path) -> None:
        self.definition = folder / "project.pbxproj"
        self.text = text_of(self.definition)
        try:
            self.tree = openstep.parse(self.text)
            self.targets = targets(self.tree, folder.parent)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = str(error) if type(error) is ValueError else f"it is not whole ({type(error).__name__}: {error})"
            raise damaged(self.definition, why) from error

    def steps(self, target: Target, paths: Sequence[Path], kit: str | None) -> str:
        """What is to be done in Xcode's menus."""
        lines = []
        if paths:
            folder = _common(paths)
            lines += [
                f'File > Add Files to "{self.definition.parent.stem}"..., choose {folder.name} in {folder.parent}',
                f"    Action: Reference files in place, Groups: Create groups, Targets: {target.name} alone",
            ]
        if kit is not None:
            lines += [
                f"File > Add Package Dependencies... > Add Local..., choose {kit}",
                f"    Add to Target: {target.name}",
            ]
        return "\n".join(lines)

    def edited(self, wanted: Sequence[tuple[Target, Sequence[Path], str | None]]) -> bytes:
        """The file with these files in their targets, by the library pbxproj; raises ValueError, ExportError."""
        from modnet_export.ship.ios import xcode_edit

        return xcode_edit.edited(self.text, self.definition.parents[1], wanted)

    @property
    def root(self) -> Path:
        return self.definition.parents[1]


def targets(tree: Mapping[str, Any], folder: Path) -> tuple[Target, ...]:
    """The targets of a project that lies in ``folder``."""
    objects = Objects(tree, folder)
    found = (objects.target(identifier) for identifier in objects.project["targets"])
    return tuple(target for target in found if target is not None)


class Objects:
    """The objects of a project by their identifiers, and where their files lie."""

    def __init__(self, tree: Mapping[str, Any], folder: Path) -> None:
        self.all: dict[str, dict[str, Any]] = tree["objects"]
        self.project = self.all[tree["rootObject"]]
        self.root = folder / self.project.get("projectDirPath", "")

    @cached_property
    def paths(self) -> dict[str, Path]:
        """Where the files and groups lie that lie in the project, by their identifiers."""
        found: dict[str, Path] = {}
        waiting = [(self.project["mainGroup"], self.root)]
        while waiting:
            identifier, parent = waiting.pop()
            item = self.all.get(identifier)
            if item is None or identifier in found:
                continue
            tree, path = item.get("sourceTree", "<group>"), item.get("path", "")
            if tree not in ("<group>", "SOURCE_ROOT", "<absolute>"):
                continue  # a product or an SDK's
            base = parent if tree == "<group>" else self.root if tree == "SOURCE_ROOT" else Path("/")
            found[identifier] = place = Path(os.path.normpath(base / path))
            waiting += ((child, place) for child in item.get("children", ()))
        return found

    def target(self, identifier: str) -> Target | None:
        """None for one of another kind, such as an extension or tests of the interface."""
        item = self.all[identifier]
        kind = kind_of(item.get("productType", ""))
        settings = [*self._settings(item), *self._settings(self.project)]
        mac_only = all("iphone" not in text for text in _all(settings, "SDKROOT", "SUPPORTED_PLATFORMS"))
        if kind is None or (mac_only and not _all(settings, OLDEST)):
            return None
        members, synchronized = set(self._members(item)), dict(self._synchronized(identifier, item))
        own = [path for path in members if path.suffix == ".swift"]
        named = self.root / item["name"]
        folder = named if named.is_dir() or not own else min(own).parent
        if synchronized and named not in synchronized:
            folder = next(iter(synchronized))

        def takes(path: Path) -> bool:
            inside = (path.is_relative_to(root) and not _except(path, root, out) for root, out in synchronized.items())
            return path in members or any(inside)

        modules = [*_all(settings, "PRODUCT_MODULE_NAME"), *_all(settings, "PRODUCT_NAME")]
        return Target(
            item["name"],
            kind,
            folder,
            (*synchronized, *sorted(members)),
            takes,
            frozenset(self._depends(item)),
            _oldest(_all(settings[: len(self._settings(item))], OLDEST) or _all(settings, OLDEST)),
            self._info(settings),
            next((name for name in modules if "$" not in name), None),
            frozenset(members),
        )

    def _members(self, target: Mapping[str, Any]) -> Iterator[Path]:
        for phase in (self.all[name] for name in target.get("buildPhases", ())):
            if phase["isa"] in ("PBXSourcesBuildPhase", "PBXResourcesBuildPhase"):
                for name in phase.get("files", ()):
                    reference = self.all.get(name, {}).get("fileRef")
                    item = self.all.get(reference or "", {})
                    for one in item.get("children", (reference,)):  # of a group of languages, each
                        if one in self.paths:
                            yield self.paths[one]

    def _synchronized(self, identifier: str, target: Mapping[str, Any]) -> Iterator[tuple[Path, set[str]]]:
        """Each folder whose files are in the target, and which of them are not."""
        for name in target.get("fileSystemSynchronizedGroups", ()):
            sets = [self.all.get(one, {}) for one in self.all[name].get("exceptions", ())]
            excepted = {path for one in sets if one.get("target") == identifier for path in _excepted(one)}
            yield self.paths[name], excepted

    def _depends(self, target: Mapping[str, Any]) -> Iterator[str]:
        for name in target.get("dependencies", ()):
            item = self.all.get(name, {})
            other = self.all.get(item.get("target", ""), {}).get("name")
            proxy = self.all.get(item.get("targetProxy", ""), {}).get("remoteInfo")
            yield from (found for found in (other, proxy) if found)
        for name in target.get("packageProductDependencies", ()):
            yield self.all.get(name, {}).get("productName", "")

    def _settings(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The build settings of each configuration, those of its .xcconfig file after its own."""
        found = []
        for name in self.all[item["buildConfigurationList"]]["buildConfigurations"]:
            configuration = self.all[name]
            path = self.paths.get(configuration.get("baseConfigurationReference", ""))
            outer = {} if path is None else _xcconfig(source(path).decode("utf-8", "replace"))
            found.append(outer | configuration.get("buildSettings", {}))
        return found

    def _info(self, settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        found = {
            key.removeprefix(INFO): value for one in settings for key, value in one.items() if key.startswith(INFO)
        }
        for name in _all(settings, "INFOPLIST_FILE"):
            path = self.root / re.sub(r"^\$[({](SRCROOT|PROJECT_DIR)[)}]/", "", name)
            found |= plist(path) or {}
        return found


def plist(path: Path) -> dict[str, Any] | None:
    """A property list; None for a file that is none, or is not there."""
    try:
        return property_list(source(path))
    except ValueError:
        return None


def _common(paths: Sequence[Path]) -> Path:
    """The nearest folder that has all of them."""
    return next(parent for parent in paths[0].parents if all(path.is_relative_to(parent) for path in paths))


def _except(path: Path, root: Path, excepted: set[str]) -> bool:
    return any((root / name) in (path, *path.parents) for name in excepted)


def _excepted(item: Mapping[str, Any]) -> Sequence[str]:
    found: Sequence[str] = item.get("membershipExceptions", ())
    return found


def _all(settings: Sequence[Mapping[str, Any]], *names: str) -> list[str]:
    return [value for one in settings for name in names if isinstance(value := one.get(name), str)]


def _oldest(values: Sequence[str]) -> str | None:
    """The oldest of some versions; one that is a variable is none."""
    numbers = [value for value in values if re.fullmatch(r"\d+(\.\d+)*", value)]
    return min(numbers, key=lambda text: tuple(map(int, text.split("."))), default=None)


def _xcconfig(text: str) -> dict[str, str]:
    """Settings of a configuration file; those for one SDK or processor only are left out."""
    return dict(re.findall(r"^\s*(\w+)\s*=\s*([^\n/]*?)\s*(?://.*)?$", text, re.MULTILINE))
