"""Every rule for iOS with planted mistakes in a project; which project is linted."""

from __future__ import annotations

import plistlib
import shutil
from pathlib import Path

import pytest

from converters.errors import ExportError
from modnet_export.ship.ios.shipping import ShipRequest, ship
from modnet_export.ship.lint.run import LintRequest, lint
from tests.modnet_export.ship.exports import SIZE, package
from tests.modnet_export.ship.ios_projects import (
    FORMS,
    PBXPROJ,
    POINTER,
    WEIGHTS,
    XCODEGEN,
    privacy,
    project,
    verdicts,
)
from tests.modnet_export.ship.projects import project as android_project
from tests.modnet_export.ship.projects import tree

SWIFT = "import AVFoundation\nlet session = AVCaptureSession()\nlet engine = MattingEngine()\n"
WARM = SWIFT + "try await engine.warmUp()\n"
MODEL = "My App/Modnet/modnet_fp16.mlpackage"
PLACE = "My App/PrivacyInfo.xcprivacy"


@pytest.fixture
def good(tmp_path, an_export) -> Path:
    """A project that every rule passes."""
    folder = project(tmp_path / "app", "XcodeGen", {"My App/Camera.swift": WARM})
    (folder / PLACE).write_bytes(privacy())
    ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), apply=True)).carry_out()
    return folder


def test_a_good_project_passes_every_rule_and_nothing_is_written(good):
    before = tree(good)
    assert set(verdicts(good).values()) == {"passed"}
    assert tree(good) == before


@pytest.mark.parametrize("form", FORMS)
def test_what_is_shipped_satisfies_lint_in_every_form(tmp_path, an_export, form):
    folder = project(tmp_path / "app", form)
    ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), apply=True)).carry_out()
    found = verdicts(folder, export=an_export)
    names = ("model-in-target", "model-whole", "model-hash", "model-ports", "deployment-target", "model-size")
    assert {name: found[name] for name in names} == dict.fromkeys(names, "passed")


def _text(name, old, new):
    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def _bytes(name, data):
    return lambda folder: (folder / name).write_bytes(data)


def _package(**options):
    return lambda folder: package(folder / MODEL, b"weights", **options)


PLANTED = {
    "not in the target": (
        "model-in-target",
        _text("project.yml", '"**/*.md"', '"Modnet"'),
        "failed",
        "not in the target's resources",
    ),
    "a model that is missing": (
        "model-in-target",
        lambda folder: shutil.rmtree(folder / MODEL),
        "failed",
        "names modnet",
    ),
    "no modnet.json": (
        "model-in-target",
        lambda f: (f / "My App/Modnet/modnet.json").unlink(),
        "failed",
        "no modnet.json",
    ),
    "weights in Git LFS": ("model-whole", _bytes(f"{MODEL}/{WEIGHTS}", POINTER), "failed", "Git LFS pointer"),
    "no weights": ("model-whole", lambda folder: (folder / MODEL / WEIGHTS).unlink(), "failed", "no weights"),
    "a specification in Git LFS": (
        "model-whole",
        _bytes(f"{MODEL}/Data/com.apple.CoreML/model.mlmodel", POINTER),
        "failed",
        "Git LFS pointer",
    ),
    "noise for a specification": (
        "model-whole",
        _bytes(f"{MODEL}/Data/com.apple.CoreML/model.mlmodel", b"\xff" * 40),
        "failed",
        "model.mlmodel",
    ),
    "noise for a manifest": ("model-whole", _bytes(f"{MODEL}/Manifest.json", b"[]"), "failed", "Manifest.json"),
    "a way out of the package": (
        "model-whole",
        _text(f"{MODEL}/Manifest.json", "com.apple.CoreML/model", "../../../model"),
        "failed",
        "leads out",
    ),
    "other weights": ("model-hash", _bytes(f"{MODEL}/{WEIGHTS}", b"other"), "failed", "exported was"),
    "modnet.json is none": (
        "model-hash",
        _bytes("My App/Modnet/modnet.json", b"{}"),
        "cannot be decided here",
        "cannot be read",
    ),
    "arrays": ("model-ports", _package(images=False), "warning", "image (array)"),
    "another size": ("model-ports", _package(size=type(SIZE)(height=64, width=64)), "failed", "32x64"),
    "too old an iOS": ("deployment-target", _text("project.yml", '"16.0"', '"15.4"'), "failed", "iOS 15.4"),
    "too new a package": ("deployment-target", _package(specification=9), "failed", "needs 18"),
    "a package of the future": ("deployment-target", _package(specification=11), "failed", "needs 27"),
    "an iOS that is not to be seen": (
        "deployment-target",
        _text("project.yml", '"16.0"', "${IOS}"),
        "cannot be decided here",
        "not a number",
    ),
    "no reason for the camera": (
        "camera-usage",
        _text("project.yml", "NSCameraUsageDescription: to cut you out", "Other: 1"),
        "failed",
        "ends the app",
    ),
    "an empty reason for the camera": (
        "camera-usage",
        _text("project.yml", "to cut you out", '" "'),
        "failed",
        "empty",
    ),
    "no privacy manifest": ("privacy-manifest", lambda folder: (folder / PLACE).unlink(), "failed", "in the target"),
    "a privacy manifest outside": (
        "privacy-manifest",
        lambda folder: (folder / PLACE).rename(folder / "PrivacyInfo.xcprivacy"),
        "failed",
        "in the target",
    ),
    "a damaged privacy manifest": (
        "privacy-manifest",
        _bytes(PLACE, b"<plist>"),
        "failed",
        "not a whole property list",
    ),
    "a privacy manifest with a wrong key": (
        "privacy-manifest",
        _bytes(PLACE, privacy(Tracking=True)),
        "failed",
        "Tracking",
    ),
    "a privacy manifest with a wrong type": (
        "privacy-manifest",
        _bytes(PLACE, privacy(NSPrivacyTrackingDomains="a")),
        "failed",
        "is not a list",
    ),
    "a privacy manifest without the time": (
        "privacy-manifest",
        _bytes(PLACE, plistlib.dumps({"NSPrivacyTracking": False})),
        "failed",
        "not declared",
    ),
    "a privacy manifest with no reason": (
        "privacy-manifest",
        _bytes(PLACE, privacy(("XXXX.1",))),
        "failed",
        "none of its reasons",
    ),
    "no warm-up": ("warm-up", _bytes("My App/Camera.swift", SWIFT.encode()), "warning", "first frame"),
    "no engine": ("warm-up", _bytes("My App/Camera.swift", b""), "cannot be decided here", "opens a model"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_mistake_is_found_in_a_project(good, planted):
    rule, change, verdict, words = PLANTED[planted]
    change(good)
    result = lint(LintRequest(good))
    (found,) = (item for item in result.findings if item.rule == rule)
    assert (found.verdict, words in found.reason) == (verdict, True), found
    assert found.mend
    others = {item.rule for item in result.findings if item.verdict != "passed"} - {rule}
    assert others <= {
        "model-hash",
        "model-whole",
        "model-in-target",
        "model-ports",
        "deployment-target",
        "model-size",
    } | ({"camera-usage"} if planted == "no engine" else set())


def test_a_whole_manifest_will_do_for_modnet_json(good, an_export):
    shutil.copy(an_export / "manifest.json", good / "My App/Modnet/modnet.json")
    assert set(verdicts(good).values()) == {"passed"}


@pytest.mark.parametrize(
    "content", [b"[]", b'{"artefacts": [1]}', b'{"artefacts": [], "source": 1}', b"\xff", b"[" * 9999]
)
def test_a_modnet_json_of_another_form_is_read_or_told_of(good, content):
    (good / "My App/Modnet/modnet.json").write_bytes(content)
    assert verdicts(good)["model-hash"] == "cannot be decided here"


def test_large_models_are_warned_of(good):
    with (good / MODEL / WEIGHTS).open("r+b") as file:
        file.truncate(201_000_000)
    found = next(item for item in lint(LintRequest(good)).findings if item.rule == "model-size")
    assert (found.verdict, "Background Assets" in (found.mend or "")) == ("warning", True)


class TestWhichProject:
    def test_a_folder_with_both_is_asked_about(self, tmp_path):
        project(tmp_path, "React Native")
        android_project(tmp_path / "android")
        with pytest.raises(ExportError, match="an Android project and an iOS project"):
            lint(LintRequest(tmp_path))
        assert lint(LintRequest(tmp_path / "ios")).findings[0].rule == "model-in-target"
        assert lint(LintRequest(tmp_path, target="My App")).findings[0].rule == "model-in-target"
        assert lint(LintRequest(tmp_path / "android")).findings[0].rule == "model-stored"
        assert lint(LintRequest(tmp_path, module="app")).findings[0].rule == "model-stored"

    def test_several_targets_are_asked_for(self, tmp_path):
        other = XCODEGEN + "  Other: {type: application, platform: iOS, sources: Other}\n"
        folder = project(tmp_path / "app", "XcodeGen", {"project.yml": other})
        with pytest.raises(ExportError, match="there are 2 targets"):
            lint(LintRequest(folder))
        assert lint(LintRequest(folder, target="Other")).kind == "project"

    def test_several_xcode_projects_are_asked_for(self, tmp_path):
        folder = project(tmp_path / "app", "Xcode", {"Other.xcodeproj/project.pbxproj": PBXPROJ})
        with pytest.raises(ExportError, match="there are 2 Xcode projects"):
            lint(LintRequest(folder))
        assert lint(LintRequest(folder / "Other.xcodeproj")).kind == "project"
