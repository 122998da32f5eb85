"""iOS projects before anything is shipped to them, in the forms that real ones have.

After Xcode 15's and 16's templates, XcodeGen's fixtures, Tuist's and SwiftPM's templates, React Native and Flutter.
"""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modnet_export.ship.lint.run import LintRequest, lint

APP = 'import SwiftUI\n\n@main struct MyApp: App { var body: some Scene { WindowGroup { Text("") } } }\n'
XCODEGEN = """name: My App
options:
  deploymentTarget:
    iOS: "16.0"
targets:
  # The app itself
  My App:
    type: application
    platform: iOS
    sources:
      - path: My App
        excludes: ["**/*.md"]
    info:
      path: My App/Info.plist
      properties:
        NSCameraUsageDescription: to cut you out
  My App Tests:
    type: bundle.unit-test
    platform: iOS
    sources: [My App Tests]
    dependencies:
      - target: My App
"""
PACKAGE = """// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "My App",
    platforms: [.iOS(.v16), .macOS(.v13)],
    targets: [
        .target(name: "My App"),  // )
        .testTarget(
            name: "My App Tests",
            dependencies: ["My App"]
        ),
    ]
)
"""
TUIST = """import ProjectDescription

let project = Project(
    name: "My App",
    targets: [
        .target(
            name: "My App",
            destinations: .iOS,
            product: .app,
            bundleId: "org.example.app",
            deploymentTargets: .iOS("16.0"),
            infoPlist: .extendingDefault(with: ["NSCameraUsageDescription": "to cut you out"]),
            sources: ["My App/**"],
            resources: [
                "My App/Resources/**",  // "]"
            ],
            dependencies: []
        ),
        .target(
            name: "My App Tests",
            destinations: .iOS,
            product: .unitTests,
            bundleId: "org.example.tests",
            sources: ["My App Tests/**"],
            dependencies: [.target(name: "My App")]
        ),
    ]
)
"""
PBXPROJ = (Path(__file__).parents[2] / "data/apps/MyApp.pbxproj").read_text()
"""As Xcode 15 writes it: sections and objects in order, tabs, comments."""
_IDS = {"My App": "A00000000000000000000030", "My App Tests": "A00000000000000000000031"}


def _synchronized() -> str:
    """As Xcode 16 makes projects: the targets are made of whole folders."""
    kind, text = "PBXFileSystemSynchronizedRootGroup", PBXPROJ.replace("objectVersion = 56", "objectVersion = 77")
    made = ""
    for name, key in _IDS.items():
        made += f'\t\t{key} /* {name} */ = {{isa = {kind}; path = "{name}"; sourceTree = "<group>"; }};\n'
        groups = f"\t\t\tfileSystemSynchronizedGroups = (\n\t\t\t\t{key} /* {name} */,\n\t\t\t);\n"
        text = text.replace(
            f'\t\t\tname = "{name}";\n\t\t\tproductName', f'{groups}\t\t\tname = "{name}";\n\t\t\tproductName'
        )
        first = "\t\t\t\tA00000000000000000000008 /* Products */,\n"
        text = text.replace(first, f"\t\t\t\t{key} /* {name} */,\n{first}")
    section = f"/* Begin {kind} section */\n{made}/* End {kind} section */\n\n"
    return text.replace("/* Begin PBXGroup section */", section + "/* Begin PBXGroup section */")


_WHOLE = """      - path: My App
        excludes: ["**/*.md"]
"""
_GLOBS = """sources: ["My App/**"],
            resources: [
                "My App/Resources/**",  // "]"
            ],"""
DEFINITION = "My App.xcodeproj/project.pbxproj"
_SOURCES = {"My App/MyApp.swift": APP, "My App Tests/MyTests.swift": "import XCTest\n"}
_PACKAGED = {
    "Sources/My App/Thing.swift": "public struct Thing {}\n",
    "Tests/My App Tests/MyTests.swift": "import XCTest\n",
}
FORMS: dict[str, dict[str, str]] = {
    "XcodeGen": {"project.yml": XCODEGEN, **_SOURCES},
    "XcodeGen, one file": {
        "project.yml": XCODEGEN.replace(_WHOLE, "      - My App/MyApp.swift\n"),
        **_SOURCES,
    },
    "XcodeGen, a word": {
        "project.yml": XCODEGEN.replace("sources: [My App Tests]", "sources: My App Tests/MyTests.swift"),
        **_SOURCES,
    },
    "XcodeGen, no sources": {"project.yml": XCODEGEN.replace("    sources: [My App Tests]\n", ""), **_SOURCES},
    "XcodeGen, lines end as on Windows": {
        "project.yml": XCODEGEN.replace("[My App Tests]", "[My App Tests/MyTests.swift]").replace("\n", "\r\n"),
        **_SOURCES,
    },
    "Swift package": {"Package.swift": PACKAGE, **_PACKAGED},
    "Swift package with resources": {
        "Package.swift": PACKAGE.replace(
            '.target(name: "My App")', '.target(\n            name: "My App",\n            resources: [\n'
            '                .process("a.json")  // "b"\n            ]\n        )'
        ),
        **_PACKAGED,
        "Sources/My App/a.json": "{}",
    },
    "Tuist": {"Project.swift": TUIST, **_SOURCES},
    "Tuist, folders": {
        "Project.swift": TUIST.replace(_GLOBS, 'buildableFolders: ["My App"],'),
        **_SOURCES,
    },
    "Xcode": {DEFINITION: PBXPROJ, **_SOURCES},
    "Xcode, folders": {DEFINITION: _synchronized(), **_SOURCES},
    "React Native": {f"ios/{DEFINITION}": PBXPROJ, **{f"ios/{name}": text for name, text in _SOURCES.items()}},
}  # fmt: skip


def project(folder: Path, form: str = "XcodeGen", changes: dict[str, str] | None = None) -> Path:
    """A project of some files."""
    for name, text in (FORMS[form] | (changes or {})).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder


BOOT = "NSPrivacyAccessedAPICategorySystemBootTime"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 13\n"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def privacy(reasons: Sequence[str] = ("35F9.1",), **others: object) -> bytes:
    """A privacy manifest that names the time since the start of the system."""
    entry = {"NSPrivacyAccessedAPIType": BOOT, "NSPrivacyAccessedAPITypeReasons": list(reasons)}
    return plistlib.dumps({"NSPrivacyTracking": False, "NSPrivacyAccessedAPITypes": [entry], **others})


def verdicts(path: Path, **options: Any) -> dict[str, str]:
    """Each rule's verdict of an app."""
    return {item.rule: item.verdict for item in lint(LintRequest(path, **options)).findings}
