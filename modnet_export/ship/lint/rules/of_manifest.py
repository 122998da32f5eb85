"""The app's manifest: OpenCL for the GPU, the oldest Android, and the camera."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element

from modnet_export.ship.android import manifest
from modnet_export.ship.android.package import Package
from modnet_export.ship.android.project import Project
from modnet_export.ship.lint.finding import Linted, Outcome, Rule, failed, passed, undecided

_OPENCL = "libOpenCL.so"
_OLDEST = 24
_CAMERA, _FEATURE = "android.permission.CAMERA", "android.hardware.camera"
GPU_LIBRARIES = (
    "libLiteRtGpuAccelerator.so",
    "libLiteRtClGlAccelerator.so",
    "libLiteRtOpenClAccelerator.so",
    "libtensorflowlite_gpu_jni.so",
)
"""What brings the GPU along: LiteRT's accelerators (its auto_registration.cc), and TFLite's delegate."""


def _opencl_project(given: Linted) -> Outcome:
    """The manifest that counts is merged from the libraries' when the app is built; here are the project's own."""
    project: Project = given.app
    declared = None
    for path, tree in project.manifests.items():
        library = manifest.native_libraries(tree).get(_OPENCL)
        if library is None:
            continue
        if library.get(f"{manifest.TOOLS}node") == "remove":
            return failed(project.name(path), 'tools:node="remove" takes libOpenCL.so out of the merged manifest')
        declared = path
    for path, tree in project.manifests.items():
        if any(item.get(f"{manifest.TOOLS}node") == "removeAll" for item in tree.iter("uses-native-library")):
            return failed(project.name(path), 'tools:node="removeAll" takes libOpenCL.so out of the merged manifest')
    if declared is not None:
        return passed(project.name(declared), "libOpenCL.so is declared")
    return undecided(
        project.name(project.app.script),
        "not in the project's own manifests; whether a library brings it is seen in an .apk or an .aab",
    )


def _opencl_built(given: Linted) -> Outcome:
    package: Package = given.app
    library = manifest.native_libraries(package.manifest).get(_OPENCL)
    if library is not None:
        only = "" if library.get(manifest.REQUIRED) == "false" else "; phones without it cannot install the app"
        return passed("AndroidManifest.xml", "libOpenCL.so is declared" + only)
    brought = next((entry.name for entry in package.libraries if PurePosixPath(entry.name).name in GPU_LIBRARIES), None)
    model = next((entry.name for entry in package.models if "fp16" in entry.name), None)
    if brought or model:
        return failed("AndroidManifest.xml", f"libOpenCL.so is not declared, and {brought or model} is for the GPU")
    return undecided(
        "AndroidManifest.xml", "libOpenCL.so is not declared; whether the app asks for the GPU cannot be seen here"
    )


def _min_sdk_project(given: Linted) -> Outcome:
    project: Project = given.app
    script = project.name(project.app.script)
    values = [value for name in ("minSdk", "minSdkVersion") for value in project.app.scripts.values(name)]
    for path, tree in project.manifests.items():
        if not values and path.is_relative_to(project.app.folder) and (value := manifest.min_sdk(tree)):
            script, values = project.name(path), [value]
    numbers = [number for value in values if value is not None and (number := _level(value)) is not None]
    if numbers and min(numbers) < _OLDEST:
        return failed(script, f"minSdk is {min(numbers)}")
    if not values or len(numbers) < len(values):
        return undecided(script, "minSdk is not a number that can be read here", "lint what you build")
    return passed(script, f"minSdk is {min(numbers)}")


def _min_sdk_built(given: Linted) -> Outcome:
    package: Package = given.app
    value = manifest.min_sdk(package.manifest)
    if value is None:
        return failed("AndroidManifest.xml", "it has no minSdkVersion, which Android takes for 1")
    level = _level(value)
    if level is None:
        return undecided("AndroidManifest.xml", f"minSdkVersion is {value[:40]}, a preview or a reference")
    return (passed if level >= _OLDEST else failed)("AndroidManifest.xml", f"minSdkVersion is {level}")


def _level(text: str) -> int | None:
    """An API level; None for the name of a preview, or what is none."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else None


def _camera_project(given: Linted) -> Outcome:
    project: Project = given.app
    trees = {project.name(path): tree for path, tree in project.manifests.items()}
    asks = next((name for name, tree in trees.items() if _CAMERA in manifest.names(tree, "uses-permission")), None)
    if asks is None:
        source = project.uses.get("camera")
        if source is not None:
            return failed(
                project.name(source),
                "uses the camera, and no manifest asks for it",
                f'<uses-permission android:name="{_CAMERA}"/> and <uses-feature android:name="{_FEATURE}" '
                'android:required="false"/>',
            )
        return undecided(project.name(project.app.script), "nothing asks for the camera; a library's manifest may")
    return _feature(asks, [element for tree in trees.values() for element in _features(tree)])


def _camera_built(given: Linted) -> Outcome:
    package: Package = given.app
    if _CAMERA not in manifest.names(package.manifest, "uses-permission"):
        return undecided(
            "AndroidManifest.xml", "does not ask for the camera; whether the app uses it cannot be seen here"
        )
    return _feature("AndroidManifest.xml", list(_features(package.manifest)))


def _features(tree: Element) -> Iterator[Element]:
    """The features of the back camera, of any camera, and of focusing."""
    for element in tree.iter("uses-feature"):
        if re.fullmatch(r"android\.hardware\.camera(\.(any|autofocus|front))?", element.get(manifest.NAME, "")):
            yield element


def _feature(place: str, features: list[Element]) -> Outcome:
    needed = [item.get(manifest.NAME, "") for item in features if item.get(manifest.REQUIRED, "true") == "true"]
    if needed:
        return failed(place, f"demands {needed[0]}: phones and Chromebooks without it cannot install the app")
    if all(item.get(manifest.NAME) != _FEATURE for item in features):
        return failed(place, f"the permission CAMERA alone demands {_FEATURE}")
    if any(item.get(manifest.REQUIRED) != "false" for item in features):
        return undecided(place, "android:required is a reference")
    return passed(place, 'asks for the camera, which is android:required="false"')


RULES = (
    Rule(
        "opencl",
        f'<uses-native-library android:name="{_OPENCL}" android:required="false"/> in <application>',
        ("project", "apk", "aab"),
        {"project": _opencl_project, "apk": _opencl_built, "aab": _opencl_built},
    ),
    Rule(
        "min-sdk",
        f"minSdk = {_OLDEST}, LiteRT's oldest",
        ("project", "apk", "aab"),
        {"project": _min_sdk_project, "apk": _min_sdk_built, "aab": _min_sdk_built},
    ),
    Rule(
        "camera",
        f'<uses-feature android:name="{_FEATURE}" android:required="false"/>',
        ("project", "apk", "aab"),
        {"project": _camera_project, "apk": _camera_built, "aab": _camera_built},
    ),
)
