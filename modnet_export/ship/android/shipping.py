"""Models into an Android project: what its app module should hold, and bringing it there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from converters.errors import CheckFailedError, ExportError, few
from modnet_export.record import manifest
from modnet_export.record.files import sha256
from modnet_export.record.manifest import Artefact, Manifest
from modnet_export.record.together import write_together
from modnet_export.ship.android import edits, gradle, kotlin
from modnet_export.ship.android.edits import Edit
from modnet_export.ship.android.gradle import LITERT
from modnet_export.ship.android.project import Project
from modnet_export.ship.changes import Change, Record, Shipped, changes, require_ours
from modnet_export.ship.lint.rules.of_models import SHIPPED

_ASSETS, _KOTLIN = "src/main/assets", f"src/main/kotlin/{kotlin.PACKAGE}"
_GOLDEN, _TEST = f"src/androidTest/assets/{kotlin.GOLDEN_FOLDER}", f"src/androidTest/kotlin/{kotlin.PACKAGE}"
_MARK = "ModelSpec.kt"
"""The file of the sources by which a module is known that has them already."""
RULES = b"""# Written by modnet-export. LiteRT's native code calls these classes by their names.
-keep class com.google.ai.edge.litert.** { *; }
"""
_BUILT_IN_KOTLIN = (9,)
"""The Android Gradle plugin that compiles Kotlin unasked."""
_KOTLIN_PLUGINS = ("org.jetbrains.kotlin.android", "kotlin-android", "android")
_OPENCL = '<uses-native-library android:name="libOpenCL.so" android:required="false" />'


@dataclass(frozen=True)
class ShipRequest:
    """Which models are to be in which project.

    ``model_files``: .tflite files of one exported folder; none: those that were shipped before, from ``dist`` in the
    working directory. ``module``: the app module of a project that has several. ``apply``: the build file is edited
    too.
    """

    project: Path
    model_files: tuple[Path, ...] = ()
    module: str | None = None
    apply: bool = False


@dataclass(frozen=True)
class Shipment:
    """What a request comes to; nothing is written yet."""

    project: Project
    models: tuple[Artefact, ...]
    changes: tuple[Change, ...]
    """The build file's among them, where it is to be edited."""
    edits: tuple[Edit, ...]
    """What the build file lacks and is not given: to be done by hand."""

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What keeps the models from running and cannot be put right from here."""
        scripts, found = self.project.app.scripts, []
        plugin = self.project.plugin
        built_in = plugin is not None and gradle.version_number(plugin) >= _BUILT_IN_KOTLIN
        if not built_in and not any(map(scripts.applies, _KOTLIN_PLUGINS)):
            found.append(
                "no Kotlin plugin is to be seen: apply org.jetbrains.kotlin.android, or the sources are not built"
            )
        version = self.project.libraries.get(f"{LITERT}:litert")
        if version and edits.is_old(version):
            found.append(f"raise LiteRT from {version} to {edits.LITERT_VERSION}, with litert-gpu of the same version")
        if not any(
            "libOpenCL.so" in str(item.attrib) for root in self.project.manifests.values() for item in root.iter()
        ):
            found.append(f"for GPUs, put into the manifest's <application>: {_OPENCL}")
        return tuple(found)

    def diff(self) -> str:
        """Every change, as ``diff -u`` shows it."""
        return "".join(item.diff(self.project.name(item.path)) for item in self.changes)

    def carry_out(self, *, force: bool = False) -> None:
        """Make all changes, or none; raises ExportError where a file is the user's, unless ``force``."""
        if not force:
            require_ours(self.changes, self.project.root)
        if self.changes:
            write_together(self.project.app.folder, {item.path: item.after for item in self.changes})

    def require_current(self) -> None:
        """Raise CheckFailedError where the project does not hold what the export holds."""
        old = [item for item in self.changes if item.exported]
        if old:
            words = {"new": "is missing", "changed": "differs"}
            named = [f"{self.project.name(item.path)} {words[item.verb]}" for item in old]
            raise CheckFailedError(
                f"{len(old)} file(s) are not those of the export: {few(named, 5)}",
                where=self.project.folder,
                expected="what was exported, unchanged",
                next_step="ship the models again",
            )


def ship(request: ShipRequest) -> Shipment:
    """What would be done; raises ExportError for bad input."""
    if not request.project.is_dir():
        raise ExportError(
            f"there is no folder {request.project}",
            where=request.project,
            expected="an Android project's folder",
            next_step="check the path",
        )
    project = Project(request.project, request.module)
    folder, exported, models = _exported(request.model_files or _before(project))
    files = _files(project, folder, exported, models)
    found = changes(project.app.folder, files)
    lacking = tuple(edits.lacking(project))
    if request.apply and lacking:
        script = project.app.script
        found = (Change(script, script.read_bytes(), edits.applied(project)), *found)
        lacking = ()
    return Shipment(project, models, found, lacking)


def _before(project: Project) -> tuple[Path, ...]:
    """The models that were shipped before, in ``dist``; raises ExportError where there are none."""
    recorded = map(PurePosixPath, Record.read(project.app.folder).files)
    found = tuple(Path("dist", path.name) for path in recorded if path.suffix == ".tflite")
    if not found:
        raise ExportError(
            f"no model was shipped to {project.folder.name} yet",
            where="`model_files`",
            expected="a .tflite file of an exported folder",
            next_step="name one: `model_files=dist/modnet_fp16.tflite`",
        )
    return found


def _exported(paths: Sequence[Path]) -> tuple[Path, Manifest, tuple[Artefact, ...]]:
    """The exported folder of models, its manifest, and their records; raises ExportError unless all is as exported."""
    folder = paths[0].parent
    other = next((path for path in paths if path.parent.resolve() != folder.resolve()), None)
    if other is not None:
        raise ExportError(
            f"{paths[0]} and {other} are of two exports",
            where="`model_files`",
            expected="models of one folder: they have one size and one golden image",
            next_step="export them together",
        )
    exported = manifest.load(folder)
    artefacts = {item.file: item for item in exported.artefacts if item.format == "tflite"}
    found = []
    for path in dict.fromkeys(paths):
        artefact = artefacts.get(path.name)
        if artefact is None:
            raise ExportError(
                f"{path.name} is no TFLite model of this export",
                where=folder / manifest.FILE_NAME,
                expected=f"one of {', '.join(artefacts)}" if artefacts else "an export with TFLite models",
                next_step="name another model, or export it",
            )
        if not artefact.passed:
            raise ExportError(
                f"{path.name} missed its limits when it was exported",
                where=path,
                expected="a model that gives the reference's matte",
                next_step="ship another model",
            )
        _require(path, artefact.sha256)
        found.append(artefact)
    if exported.golden is None:
        raise ExportError(
            f"{folder} has no golden image and matte",
            where=folder / manifest.FILE_NAME,
            expected="an export by this version of the tool",
            next_step="export again",
        )
    for item in (exported.golden.image, exported.golden.matte):
        _require(folder / item.file, item.sha256)
    return folder, exported, tuple(found)


def _require(path: Path, expected: str) -> None:
    """Raise ExportError unless a file is the exported one."""
    if not path.is_file() or sha256(path) != expected:
        raise ExportError(
            f"{path.name} is {'not the file that was exported' if path.exists() else 'missing'}",
            where=path,
            expected=f"SHA-256 {expected[:12]}..., as the manifest has it",
            next_step="export again; do not ship this file",
        )


def _files(project: Project, folder: Path, exported: Manifest, models: Sequence[Artefact]) -> dict[str, Shipped]:
    """All that the app module is to hold, by its path there."""
    golden = exported.golden
    assert golden is not None
    files = {f"{_ASSETS}/{item.file}": Shipped((folder / item.file).read_bytes(), True) for item in models}
    files[f"{_ASSETS}/{SHIPPED}"] = Shipped(_shipped(exported, models), True)
    for item in (golden.image, golden.matte):
        files[f"{_GOLDEN}/{item.file}"] = Shipped((folder / item.file).read_bytes(), True)
    files[f"{_KOTLIN}/ModnetModel.kt"] = Shipped(kotlin.constants(exported, models), True)
    files[f"{_TEST}/ModnetParityTest.kt"] = Shipped(kotlin.parity_test(exported, models))
    files[edits.RULES] = Shipped(RULES)
    others = (item.folder for item in project.used if item is not project.app)
    if not any((other / _KOTLIN / _MARK).is_file() for other in others):
        files |= {f"{_KOTLIN}/{name}": Shipped(data) for name, data in kotlin.sources().items()}
    return files


def _shipped(exported: Manifest, models: Sequence[Artefact]) -> bytes:
    """``modnet.json``: what the app's models are, for `lint` and for whoever opens the app."""
    kept = {"file", "sha256", "bytes", "precision", "tuning", "contract"}
    content = {
        "schema_version": 1,
        "source": exported.source.model_dump(include={"name", "sha256"}),
        "versions": {name: number for name, number in exported.versions.items() if name == "modnet-export"},
        "size": exported.size.model_dump(),
        "artefacts": [item.model_dump(include=kept) for item in models],
    }
    return (json.dumps(content, indent=2) + "\n").encode()
