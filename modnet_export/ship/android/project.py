"""The folder of an Android project: its app module, what that is built from, and what lies in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from converters.errors import ExportError
from modnet_export.ship.android import gradle, manifest
from modnet_export.ship.android.gradle import Catalog, Scripts

_SETTINGS = ("settings.gradle.kts", "settings.gradle")
_NOT_SOURCES = {"build", "node_modules", "gradle"}
_DEEPEST = 4
_KOTLIN = (".kt", ".java")
Use = Literal["gpu", "camera"]
_WORDS: dict[Use, tuple[bytes, ...]] = {
    "gpu": (b"Accelerator.GPU", b"GpuDelegate"),
    "camera": (b"androidx.camera.", b"android.hardware.camera2"),
}
"""What stands in a source that uses one of them."""
_PACKS = ("com.android.asset-pack", "com.android.ai-pack")


@dataclass(frozen=True)
class Module:
    """One module; ``name`` is its path in Gradle without the first colon, for example ``app``."""

    name: str
    folder: Path
    script: Path
    scripts: Scripts

    @cached_property
    def _names(self) -> list[str]:
        found: list[str] = []
        for folder, folders, names in os.walk(self.folder / "src"):
            top = folder == str(self.folder / "src")
            folders[:] = sorted(name for name in folders if not (top and re.match("(androidT|t)est", name)))
            found += (f"{folder}{os.sep}{name}" for name in sorted(names))
        return found

    def files(self, *suffixes: str) -> list[Path]:
        """The files of its source sets, but for tests, folder by folder."""
        found = (Path(name) for name in self._names if name.lower().endswith(suffixes))
        return [path for path in found if path.is_file()]

    def assets(self) -> list[Path]:
        """The models in its assets."""
        return [path for path in self.files(".tflite") if "assets" in path.relative_to(self.folder).parts]


class Project:
    """A project's folder, or an app module's; raises ExportError where there is no app, or where there are several.

    ``module`` names the app module, ``:app`` or ``app``.
    """

    def __init__(self, folder: Path, module: str | None = None) -> None:
        self.folder = folder.resolve()
        # React Native and Flutter keep the Android project in a folder of that name.
        places = (self.folder, self.folder / "android", *self.folder.parents[:3])
        self.root = next((p for p in places if any((p / name).is_file() for name in _SETTINGS)), self.folder)
        self.catalog = Catalog.read(self.root)
        scripts = {path.parent: path for path in _scripts(self.root)}
        whole = "\n".join(
            gradle.read_script(path)
            for path in (*(self.root / name for name in (*gradle.SCRIPTS, *_SETTINGS)), self.root / "gradle.properties")
        )
        self.modules = {
            item.name: item
            for item in (
                Module(
                    ":".join(place.relative_to(self.root).parts),
                    place,
                    path,
                    Scripts(gradle.read_script(path), whole, self.catalog),
                )
                for place, path in scripts.items()
            )
        }
        self.app = self._app(module)

    def _app(self, asked: str | None) -> Module:
        apps = {name: item for name, item in self.modules.items() if item.scripts.of_app}
        inside = {name: item for name, item in apps.items() if item.folder.is_relative_to(self.folder)}
        if not inside:
            raise ExportError(
                f"{self.folder.name} is not an Android app's project",
                where=self.folder,
                expected=f"a folder with a build.gradle.kts or build.gradle that applies {gradle.APPLICATION}",
                next_step="name the project's folder, or an .apk or .aab that was built from it",
            )
        if asked is None and len(inside) == 1:
            return next(iter(inside.values()))
        chosen = None if asked is None else inside.get(asked.lstrip(":"))
        if chosen is None:
            raise ExportError(
                f"there are {len(inside)} app modules" if asked is None else f"there is no app module {asked}",
                where="`module`",
                expected=f"one of {', '.join(inside)}",
                next_step=f"`module={next(iter(inside))}`",
            )
        return chosen

    @cached_property
    def used(self) -> tuple[Module, ...]:
        """The app module, and those that it is built from."""
        found, waiting = {self.app.name: self.app}, [self.app]
        while waiting:
            for name in waiting.pop().scripts.projects():
                module = self.modules.get(name)
                if module is not None and name not in found:
                    found[name] = module
                    waiting.append(module)
        return tuple(found.values())

    @cached_property
    def packs(self) -> tuple[Module, ...]:
        """Asset packs and AI packs."""
        return tuple(item for item in self.modules.values() if any(item.scripts.applies(name) for name in _PACKS))

    @cached_property
    def manifests(self) -> dict[Path, Element]:
        """The source manifests of what the app is built from; raises ExportError for one that cannot be read."""
        found = {}
        for module in self.used:
            for path in module.files("androidmanifest.xml"):
                try:
                    found[path] = manifest.from_text(gradle.read_bytes(path))
                except ValueError as error:
                    raise ExportError(
                        f"cannot read {self.name(path)}: {error}",
                        where=path,
                        expected="an Android manifest in XML, without a DOCTYPE",
                        next_step="mend the file",
                    ) from error
        return found

    @cached_property
    def libraries(self) -> dict[str, str | None]:
        """Every ``group:artifact`` that the app's modules name, and its version where it is known."""
        found: dict[str, str | None] = {}
        for module in self.used:
            for name, version in module.scripts.libraries().items():
                found[name] = version or found.get(name)
        return found

    @property
    def plugin(self) -> str | None:
        """The version of the Android Gradle plugin."""
        return self.app.scripts.plugin_version(gradle.APPLICATION, "com.android.tools.build:gradle")

    @cached_property
    def uses(self) -> dict[Use, Path]:
        """The first Kotlin or Java file that uses the GPU, and the first that uses the camera, where there are any."""
        found: dict[Use, Path] = {}
        for path in (path for module in self.used for path in module.files(*_KOTLIN)):
            text = gradle.read_bytes(path)
            for use, words in _WORDS.items():
                if use not in found and any(word in text for word in words):
                    found[use] = path
            if len(found) == len(_WORDS):
                break
        return found

    def name(self, path: Path) -> str:
        """A path as it is shown: from the project's folder."""
        return Path(os.path.relpath(path, self.root)).as_posix()


def is_project(folder: Path) -> bool:
    """Whether a folder has a Gradle project, or has a folder ``android`` that has one."""
    return any(
        (place / name).is_file() for place in (folder, folder / "android") for name in (*_SETTINGS, *gradle.SCRIPTS)
    )


def _scripts(root: Path) -> Iterator[Path]:
    """The build file of every module, Kotlin's before Groovy's, the nearest folders first."""
    for folder, folders, names in os.walk(root):
        deep = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(n for n in folders if not n.startswith(".") and n not in _NOT_SOURCES and deep < _DEEPEST)
        script = next((name for name in gradle.SCRIPTS if name in names), None)
        if script is not None:
            yield Path(folder, script)
