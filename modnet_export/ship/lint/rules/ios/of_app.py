"""The app around the models: why it uses the camera, its privacy manifest, and the warm-up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from modnet_export.ship import archive
from modnet_export.ship.exported import CONTRACT
from modnet_export.ship.ios.bundle import App, property_list
from modnet_export.ship.ios.project import Project
from modnet_export.ship.ios.shipping import FOLDER
from modnet_export.ship.ios.target import KIT, source
from modnet_export.ship.lint.finding import Linted, Outcome, Rule, failed, passed, undecided, warned

_CAMERA = "NSCameraUsageDescription"
_USES_CAMERA = re.compile(rb"\b(AVCaptureDevice|AVCaptureSession|UIImagePickerController|ARSession)\b")
_CAMERA_CLASSES = (b"_OBJC_CLASS_$_AVCaptureDevice", b"_OBJC_CLASS_$_AVCaptureSession")
PRIVACY = "PrivacyInfo.xcprivacy"
_BOOT, _DEFAULTS = "NSPrivacyAccessedAPICategorySystemBootTime", "NSPrivacyAccessedAPICategoryUserDefaults"
_REASONED = {
    _BOOT: (re.compile(rb"\bsystemUptime\b|\bmach_absolute_time\b"), ("35F9.1", "8FFB.1", "3D61.1")),
    _DEFAULTS: (re.compile(rb"\bUserDefaults\b|@AppStorage\b"), ("CA92.1", "1C8F.1", "C56D.1", "AC6B.1")),
}
"""Apple's "Describing use of required reason API": what in a source asks for a category, and the reasons it takes."""
_KINDS = {
    "NSPrivacyTracking": bool,
    "NSPrivacyTrackingDomains": list,
    "NSPrivacyCollectedDataTypes": list,
    "NSPrivacyAccessedAPITypes": list,
}


def _sources(project: Project) -> list[Path]:
    """Swift and Objective-C of the target, but for what was shipped into it."""
    return [
        path for path in project.target.files() if path.suffix in (".swift", ".m", ".mm") and FOLDER not in path.parts
    ]


# The camera ------------------------------------------------------------


def _camera_project(given: Linted) -> Outcome:
    project: Project = given.app
    place = project.name(project.form.definition)
    if project.target.kind == "library":
        return undecided(place, "it is a library; the app that contains it must say why it uses the camera")
    uses = next((path for path in _sources(project) if _USES_CAMERA.search(source(path))), None)
    info = project.target.info
    if info is not None and info.get(_CAMERA, "") is None:
        return undecided(place, f"{_CAMERA} is not a text that can be read here", "lint what you build")
    if info is not None and _CAMERA in info:
        return _said(place, info[_CAMERA])
    if info is None:
        return undecided(place, "its Info.plist cannot be read here", "lint what you build")
    if uses is None:
        return undecided(place, "no source of the target uses the camera; a library may")
    return failed(project.name(uses), f"it uses the camera, and Info.plist has no {_CAMERA}: iOS ends the app")


def _camera_built(given: Linted) -> Outcome:
    app: App = given.app
    if _CAMERA in app.info:
        return _said("Info.plist", app.info[_CAMERA])
    programs = [str(app.info.get("CFBundleExecutable", ""))]
    programs += [name for name in app.sizes if re.fullmatch(r"Frameworks/([^/]+)\.framework/\1|.+\.debug\.dylib", name)]
    for name in (name for name in programs if name in app.sizes):
        if archive.holds(app.blocks(name), *_CAMERA_CLASSES):
            return failed(name, f"it uses the camera, and Info.plist has no {_CAMERA}: iOS ends the app")
    return undecided("Info.plist", f"there is no {_CAMERA}; but no program in the app names AVCaptureDevice")


def _said(place: str, text: object) -> Outcome:
    if not isinstance(text, str) or not text.strip():
        return failed(place, f"{_CAMERA} is empty: the App Store refuses it")
    return passed(place, f"{_CAMERA} is there")


# The privacy manifest ------------------------------------------------------------


def _privacy_project(given: Linted) -> Outcome:
    project: Project = given.app
    place = project.name(project.form.definition)
    found = [path for path in project.target.files() if path.name == PRIVACY]
    if not found and project.target.kind == "library":
        return undecided(place, f"it is a library without a {PRIVACY}: the app's must name what it uses")
    if not found:
        return failed(place, f"no {PRIVACY} is in the target's resources")
    asked = {
        category
        for path in project.target.files()
        if path.suffix in (".swift", ".m", ".mm")
        for category, (words, _) in _REASONED.items()
        if words.search(source(path))
    }
    return _privacy(project.name(found[0]), source(found[0]), asked | ({_BOOT} if project.kit else set()))


def _privacy_built(given: Linted) -> Outcome:
    app: App = given.app
    if PRIVACY not in app.sizes:
        other = next((name for name in app.sizes if PurePosixPath(name).name == PRIVACY), None)
        return failed(other or app.path.name, f"there is no {PRIVACY} beside Info.plist")
    has_kit = any(PurePosixPath(name).name == CONTRACT for name in app.sizes)
    return _privacy(PRIVACY, app.read(PRIVACY), {_BOOT} if has_kit else set())


def _privacy(place: str, data: bytes, asked: set[str]) -> Outcome:
    try:
        content = property_list(data)
        declared = _declared(content)
    except ValueError as error:
        return failed(place, str(error), 'write it as Apple\'s "Privacy manifest files" describes')
    for category in sorted(asked):
        reasons = declared.get(category)
        if not reasons:
            return failed(
                place, f"{category} is used and not declared", f"declare it, with {_REASONED[category][1][0]}"
            )
        if not set(reasons) & set(_REASONED[category][1]):
            return failed(place, f"{category} has none of its reasons", f"name {_REASONED[category][1][0]}")
    return passed(place, "well-formed" + (f", with {', '.join(sorted(asked))}" if asked else ""))


def _declared(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The reasons of each category; raises ValueError for what is of another form."""
    for key, value in content.items():
        if key not in _KINDS:
            raise ValueError(f"{key[:60]} is not a key of a privacy manifest")
        if not isinstance(value, _KINDS[key]):
            raise ValueError(f"{key} is not a {_KINDS[key].__name__}")
    found = {}
    for item in content.get("NSPrivacyAccessedAPITypes", ()):
        if not isinstance(item, dict) or not isinstance(item.get("NSPrivacyAccessedAPITypeReasons"), list):
            raise ValueError("an entry of NSPrivacyAccessedAPITypes has no NSPrivacyAccessedAPITypeReasons")
        found[str(item.get("NSPrivacyAccessedAPIType"))] = list(map(str, item["NSPrivacyAccessedAPITypeReasons"]))
    return found


# The warm-up ------------------------------------------------------------


def _warm_up_project(given: Linted) -> Outcome:
    project: Project = given.app
    texts = {path: source(path) for path in _sources(project)}
    opens = next(
        (path for path, text in texts.items() if re.search(rb"\bMattingEngine\s*\(|\.engine\s*\(", text)), None
    )
    if opens is None:
        return undecided(project.name(project.form.definition), f"no source of the target opens a model with {KIT}")
    warm = next((path for path, text in texts.items() if re.search(rb"\.warmUp\s*\(\s*\)", text)), None)
    if warm is None:
        return warned(project.name(opens), "opens a model, and nothing calls warmUp(): the first frame waits for it")
    return passed(project.name(warm), "calls warmUp()")


def _warm_up_built(given: Linted) -> Outcome:
    return undecided(given.app.path.name, "what a program calls can be seen only in a project", "lint the project")


RULES = (
    Rule(
        "camera-usage",
        f"say in Info.plist why the camera is used: {_CAMERA}",
        ("project", "app", "ipa"),
        {"project": _camera_project, "app": _camera_built, "ipa": _camera_built},
    ),
    Rule(
        "privacy-manifest",
        f"add {PRIVACY} to the target's resources, with {_BOOT} for the reason 35F9.1",
        ("project", "app", "ipa"),
        {"project": _privacy_project, "app": _privacy_built, "ipa": _privacy_built},
    ),
    Rule(
        "warm-up",
        "call `warmUp()` once, after the model was opened",
        ("project",),
        {"project": _warm_up_project, "app": _warm_up_built, "ipa": _warm_up_built},
    ),
)
