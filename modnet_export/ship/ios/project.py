"""The folder of an iOS project: which form it has, and which target is meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from converters.errors import ExportError
from modnet_export.ship.ios.manifests import SwiftPackage, TuistProject
from modnet_export.ship.ios.target import KIT, Form, Target
from modnet_export.ship.ios.xcode import XcodeProject
from modnet_export.ship.ios.xcodegen import NAMES, XcodeGenProject


class Project:
    """A project's folder; raises ExportError where there is no iOS project, or several projects or targets.

    ``target`` names the target that models are in.
    """

    def __init__(self, folder: Path, target: str | None = None) -> None:
        self.folder = folder.resolve()
        self.form = self._form()
        self.root = self.form.root
        self.target = self._target(target)

    def _form(self) -> Form:
        # React Native and Flutter keep the iOS project in a folder of that name.
        for place in (self.folder, self.folder / "ios"):
            made = next((read for path, read in _forms(place) if path.exists()), None)
            if made is not None:
                return made()
        raise ExportError(
            f"{self.folder.name} is not an iOS project",
            where=self.folder,
            expected="a folder with an .xcodeproj, project.yml (XcodeGen), Project.swift (Tuist) or Package.swift",
            next_step="name the project's folder, or an .app or .ipa that was built from it",
        )

    def _target(self, asked: str | None) -> Target:
        targets = [item for item in self.form.targets if item.kind != "tests"]
        apps = [item for item in targets if item.kind == "app"] or targets
        wanted = [item for item in targets if item.name == asked] if asked is not None else apps
        if len(wanted) == 1:
            return wanted[0]
        if not targets:
            raise ExportError(
                f"no target of {self.form.definition.name} can be seen",
                where=self.form.definition,
                expected="an app's, a framework's or a library's target for iOS, as a literal",
                next_step="name another project's folder",
            )
        names = [item.name for item in (targets if asked is not None else apps)]
        raise ExportError(
            f"there are {len(names)} targets" if asked is None else f"there is no target {asked}",
            where="`target`",
            expected=f"one of {', '.join(names)}",
            next_step=f"`target={names[0]}`",
        )

    @property
    def tests(self) -> Target | None:
        """The unit tests of the target."""
        tests = [item for item in self.form.targets if item.kind == "tests"]
        return next((item for item in tests if self.target.name in item.depends), None)

    @property
    def kit(self) -> bool:
        """Whether the target has the module MattingKit from a package or another target."""
        return KIT in self.target.depends

    def name(self, path: Path) -> str:
        """A path as it is shown: from the project's folder."""
        return Path(os.path.relpath(path, self.root)).as_posix()


def is_project(folder: Path) -> bool:
    """Whether a folder has an iOS project, or has a folder ``ios`` that has one."""
    return any(path.exists() for place in (folder, folder / "ios") for path, _ in _forms(place))


def _forms(folder: Path) -> list[tuple[Path, Callable[[], Form]]]:
    """The files that make a folder a project, and how each is read: what generates an .xcodeproj before that."""
    if folder.suffix == ".xcodeproj":
        return [(folder, partial(XcodeProject, folder))]
    projects = sorted(folder.glob("*.xcodeproj"))
    return [
        *((folder / name, partial(XcodeGenProject, folder / name)) for name in NAMES),
        (folder / "Project.swift", partial(TuistProject, folder / "Project.swift")),
        *((path, partial(_only, projects)) for path in projects),
        (folder / "Package.swift", partial(SwiftPackage, folder / "Package.swift")),
    ]


def _only(projects: list[Path]) -> Form:
    if len(projects) == 1:
        return XcodeProject(projects[0])
    raise ExportError(
        f"there are {len(projects)} Xcode projects",
        where=projects[0].parent,
        expected=f"one of {', '.join(path.name for path in projects)}",
        next_step=f"name the project itself, for example {projects[0]}",
    )
