"""Models into an Android project: what its app module should hold, and bringing it there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from modnet_export.ship.android import edits, gradle, kotlin
from modnet_export.ship.android.edits import Edit
from modnet_export.ship.android.gradle import LITERT
from modnet_export.ship.android.project import Project
from modnet_export.ship.changes import Change, Shipment, Shipped, changes, require_folder
from modnet_export.ship.exported import Exported, shipped_before

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
class AndroidShipment(Shipment):
    """What a request comes to; the build file is among the changes where it is to be edited."""

    project: Project
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


def ship(request: ShipRequest) -> AndroidShipment:
    """What would be done; raises ExportError for bad input."""
    require_folder(request.project, "an Android project's folder")
    project = Project(request.project, request.module)
    before = request.model_files or shipped_before(project.app.folder, ".tflite", "modnet_fp16.tflite")
    exported = Exported.read(before, "tflite")
    found = changes(project.app.folder, _files(project, exported))
    lacking = tuple(edits.lacking(project))
    if request.apply and lacking:
        script = project.app.script
        found = (Change(script, script.read_bytes(), edits.applied(project)), *found)
        lacking = ()
    return AndroidShipment(project.root, project.app.folder, exported.models, found, project, lacking)


def _files(project: Project, exported: Exported) -> dict[str, Shipped]:
    """All that the app module is to hold, by its path there."""
    files = exported.files(_ASSETS) | exported.golden_files(_GOLDEN)
    files[f"{_KOTLIN}/ModnetModel.kt"] = Shipped(kotlin.constants(exported.manifest, exported.models), True)
    files[f"{_TEST}/ModnetParityTest.kt"] = Shipped(kotlin.parity_test(exported.manifest, exported.models))
    files[edits.RULES] = Shipped(RULES)
    others = (item.folder for item in project.used if item is not project.app)
    if not any((other / _KOTLIN / _MARK).is_file() for other in others):
        files |= {f"{_KOTLIN}/{name}": Shipped(data) for name, data in kotlin.sources().items()}
    return files
