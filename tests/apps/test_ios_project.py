"""``ios_demo/App`` as Xcode gets it: its project, property lists, texts. None of it needs Swift."""

from __future__ import annotations

import json
import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from modnet_export.ship.lint.run import LintRequest, lint
from tests.apps import swift

PROJECT = yaml.safe_load((swift.APP / "project.yml").read_text(encoding="utf-8"))
APP, TESTS = PROJECT["targets"]["MODNetDemo"], PROJECT["targets"]["MODNetDemoTests"]
INFO = plistlib.loads((swift.APP / "Info.plist").read_bytes())
PRIVACY = plistlib.loads((swift.APP / "Resources/PrivacyInfo.xcprivacy").read_bytes())
TEXTS = json.loads((swift.APP / "Resources/Localizable.xcstrings").read_text(encoding="utf-8"))
SOURCES = {
    path.name: path.read_text(encoding="utf-8")
    for folder in (swift.APP / "Sources", swift.CORE / "Sources", swift.KIT / "Sources")
    for path in folder.rglob("*.swift")
}
# The keys that XcodeGen knows (Docs/ProjectSpec.md of yonaskolb/XcodeGen), of those parts that are used.
_KNOWN = {
    "project": "name options packages settings targets schemes configs configFiles fileGroups include attributes",
    "options": "bundleIdPrefix deploymentTarget createIntermediateGroups fileTypes xcodeVersion developmentLanguage",
    "target": "type platform sources dependencies preBuildScripts postBuildScripts settings info scheme",
    "source": "path buildPhase optional excludes type name group",
    "script": "path script name basedOnDependencyAnalysis inputFiles outputFiles shell showEnvVars",
    "scheme": "build run test profile analyze archive",
    "build phase": "sources resources none headers",
    "dependency": "target package product framework sdk embed link",
}


def sources(target) -> list[dict[str, object]]:
    return [item if isinstance(item, dict) else {"path": item} for item in target["sources"]]


def unknown() -> list[str]:
    """What XcodeGen would pass over in silence."""
    parts = [("project", PROJECT), ("options", PROJECT["options"])]
    parts += [("scheme", item) for item in PROJECT["schemes"].values()]
    for target in (APP, TESTS):
        parts += [("target", target), *(("source", item) for item in sources(target))]
        parts += [("script", item) for item in target.get("preBuildScripts", ())]
        parts += [("dependency", item) for item in target["dependencies"]]
    phases = [*sources(APP), *sources(TESTS), *PROJECT["options"]["fileTypes"].values()]
    parts += [("build phase", {item["buildPhase"]}) for item in phases if "buildPhase" in item]
    return [f"{part}: {key}" for part, keys in parts for key in keys if key not in _KNOWN[part].split()]


def test_the_project_has_only_keys_that_xcodegen_knows(monkeypatch):
    assert unknown() == []
    monkeypatch.setitem(APP, "preBuildScript", [])
    assert unknown() == ["target: preBuildScript"]


def test_every_path_of_the_project_is_there():
    made = ("Sources/Modnet/", "Tests/Modnet/")
    paths = [item["path"] for target in (APP, TESTS) for item in sources(target) if not item.get("optional")]
    paths += [item["path"] for item in PROJECT["packages"].values()]
    paths += [item["path"] for item in APP["preBuildScripts"]] + [APP["settings"]["base"]["INFOPLIST_FILE"]]
    assert [path for path in paths if not (swift.APP / path).exists()] == []
    optional = [item["path"] for target in (APP, TESTS) for item in sources(target) if item.get("optional")]
    assert all(path.startswith(made) for path in optional)
    ignored = (swift.DEMO / ".gitignore").read_text().splitlines()
    assert {f"App/{folder}" for folder in made} <= set(ignored)


def test_the_project_and_its_packages_agree():
    names = [item["package"] for target in (APP, TESTS) for item in target["dependencies"] if "package" in item]
    oldest = PROJECT["options"]["deploymentTarget"]["iOS"].split(".")[0]
    for name in set(names):
        package = (swift.APP / PROJECT["packages"][name]["path"] / "Package.swift").read_text()
        assert f'.library(name: "{name}"' in package
        assert f".iOS(.v{oldest})" in package
        # None of others: an app to start from brings nothing that must be trusted.
        assert "url:" not in package
    assert {item["target"] for item in TESTS["dependencies"] if "target" in item} == {"MODNetDemo"}
    assert set(PROJECT["schemes"]["MODNetDemo"]["build"]["targets"]) == set(PROJECT["targets"])


def test_what_the_app_asks_the_user_for_is_explained():
    code = "".join(SOURCES.values())
    for used, key in (
        ("AVCaptureDevice", "NSCameraUsageDescription"),
        ("for: .addOnly", "NSPhotoLibraryAddUsageDescription"),
    ):
        assert used in code
        assert len(INFO[key]) > 20
    # To read photos needs no permission: the picker is another process.
    assert "NSPhotoLibraryUsageDescription" not in INFO
    assert "NSMicrophoneUsageDescription" not in INFO
    assert INFO["UILaunchScreen"] == {}


def reasons() -> dict[str, str]:
    """Of what Apple wants a reason for, what the sources use ("Describing use of required reason API")."""
    uses = {
        "UserDefaults": (r"\bUserDefaults\b", "CA92.1"),
        "SystemBootTime": (r"\bsystemUptime\b|\bmach_absolute_time\b", "35F9.1"),
        "FileTimestamp": (r"creationDate|modificationDate|contentModificationDateKey|\bstat\(", "C617.1"),
        "DiskSpace": (r"volumeAvailableCapacity|systemFreeSize|\bstatfs\(", "E174.1"),
        "ActiveKeyboards": (r"activeInputModes", "54BD.1"),
    }
    code = "".join(SOURCES.values())
    return {
        f"NSPrivacyAccessedAPICategory{name}": reason
        for name, (pattern, reason) in uses.items()
        if re.search(pattern, code)
    }


def test_the_privacy_manifest_gives_the_reasons_that_the_code_needs():
    given = {
        item["NSPrivacyAccessedAPIType"]: item["NSPrivacyAccessedAPITypeReasons"]
        for item in PRIVACY["NSPrivacyAccessedAPITypes"]
    }
    assert given == {name: [reason] for name, reason in reasons().items()}
    assert len(given) == 2
    assert (PRIVACY["NSPrivacyTracking"], PRIVACY["NSPrivacyCollectedDataTypes"]) == (False, [])


def cases(name: str) -> list[str]:
    """The cases of an enumeration of strings."""
    (found,) = [
        body
        for text in SOURCES.values()
        for body in re.findall(rf"enum {name}: String.*?\{{(.*?)\n\}}", text, re.DOTALL)
    ]
    return re.findall(r"^    case (\w+)$", found, re.MULTILINE)


def asked() -> set[str]:
    """The keys of all texts that the code asks for."""
    code = "".join(SOURCES.values())
    keys = set(re.findall(r'localized\(\s*"([\w.]+)"', code)) | set(re.findall(r'icon\("[\w.]+", "(\w+)"\)', code))
    for prefix, enumeration in (
        ("message", "Message"), ("remedy", "Remedy"), ("backdrop", "Backdrop"), ("units", "ComputeUnits")
    ):  # fmt: skip
        assert f'"{prefix}.\\(rawValue)"' in code
        keys |= {f"{prefix}.{case}" for case in cases(enumeration)}
    return keys


def test_every_text_is_in_the_catalogue_and_used():
    assert asked() == set(TEXTS["strings"])
    values = {key: item["localizations"]["en"]["stringUnit"] for key, item in TEXTS["strings"].items()}
    assert all(item["state"] == "translated" and item["value"].strip() for item in values.values())


def test_texts_take_as_many_arguments_as_they_are_given():
    code = re.sub(r"\s+", " ", "".join(SOURCES.values()))
    given = {"times": 4, "running.unknown": 1, "running.planned": 4, "benchmark.median": 1}
    for key, item in TEXTS["strings"].items():
        text = item["localizations"]["en"]["stringUnit"]["value"]
        assert len(re.findall(r"%(?:\d\$)?(?:@|lld|\.\df)", text)) == text.count("%") == given.get(key, 0)
    for key, count in given.items():
        (arguments,) = re.findall(rf'localized\( ?"{re.escape(key)}", ((?:[^()]|\([^()]*\))*)\)', code)
        assert len(arguments.split(", ")) == count


@pytest.fixture
def built(tmp_path) -> Path:
    """A project as Xcode builds it after `make ios-demo` and `xcodegen`."""
    shutil.copy(swift.APP / "check-models.sh", tmp_path)
    package = tmp_path / "Sources/Modnet/modnet_fp16.mlpackage"
    package.mkdir(parents=True)
    (tmp_path / "Tests/Modnet").mkdir(parents=True)
    for path in (package / "Manifest.json", package.parent / "modnet.json", tmp_path / "Tests/Modnet/golden_image.png"):
        path.touch()
    (tmp_path / "MODNetDemo.xcodeproj").mkdir()
    (tmp_path / "MODNetDemo.xcodeproj/project.pbxproj").write_text("modnet_fp16.mlpackage in Sources")
    return tmp_path


def checked(folder: Path) -> tuple[int, str]:
    settings = {"SRCROOT": str(folder), "PROJECT_FILE_PATH": str(folder / "MODNetDemo.xcodeproj")}
    done = subprocess.run(
        ["sh", folder / "check-models.sh"], env=settings | {"PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_a_build_with_the_model_goes_on(built):
    assert checked(built) == (0, "")


@pytest.mark.parametrize(
    "missing",
    [
        "Sources/Modnet/modnet_fp16.mlpackage/Manifest.json",
        "Sources/Modnet/modnet.json",
        "Tests/Modnet/golden_image.png",
    ],
)
def test_a_build_without_the_model_says_what_to_run(built, missing):
    (built / missing).unlink()
    code, said = checked(built)
    # Xcode shows lines that begin like this as errors.
    assert code == 1
    assert said.startswith(f"error: {missing} is missing") and "make ios-demo" in said


def test_a_project_that_is_older_than_the_model_is_noticed(built):
    (built / "MODNetDemo.xcodeproj/project.pbxproj").write_text("")
    code, said = checked(built)
    assert code == 1 and 'Run "xcodegen"' in said


def test_the_app_takes_what_is_shipped_and_passes_our_lint(ios_app):
    assert [item.rule for item in lint(LintRequest(ios_app)).findings if item.verdict != "passed"] == []
    made = {path.relative_to(ios_app).as_posix() for path in ios_app.rglob("*") if "Modnet" in path.parts}
    wanted = {item["path"] for item in sources(APP) if item.get("optional")}
    asked_for = set(re.findall(r"(?:Sources|Tests)/Modnet/[\w./]+", (ios_app / "check-models.sh").read_text()))
    assert len(asked_for) == 3 and (asked_for | wanted) <= made


def unguarded(text: str, names: set[str], ios: str) -> list[str]:
    """What is newer than the oldest iOS, and stands above the word of which iOS it needs."""
    start = text.find(f"@available(iOS {ios}")
    before = text if start < 0 else text[:start]
    return sorted(name for name in names if re.search(rf"\b{name}\b", before))


def test_what_is_newer_than_the_oldest_ios_is_guarded():
    stub = (swift.DEMO / "check/CoreML.swift").read_text()
    ios = "17.4"
    names = set(
        re.findall(rf"^@available\(iOS {ios}, \*\)\n(?:// .*\n)?public (?:class|enum) (\w+)", stub, re.MULTILINE)
    )
    assert {"MLComputePlan", "MLComputeDevice", "MLModelStructure"} <= names
    assert {name: found for name, text in SOURCES.items() if (found := unguarded(text, names, ios))} == {}
    users = [name for name, text in SOURCES.items() if any(item in text for item in names)]
    assert users == ["ComputePlanning.swift"]
    text = SOURCES["ComputePlanning.swift"].replace(f"@available(iOS {ios}", "@available(iOS 16")
    assert unguarded(text, names, ios) == ["MLComputePlan"]
