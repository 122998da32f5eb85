"""What ``ship ios`` writes: built and tested by Swift itself in a package, type-checked in an app."""

from __future__ import annotations

import json
import shutil

import pytest

from modnet_export.ship.ios.shipping import ShipRequest, ship
from tests.apps import swift
from tests.modnet_export.ship.exports import export
from tests.modnet_export.ship.ios_projects import PACKAGE, project

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("swift_tools")]

TEST = """import XCTest

@testable import Cut_Out

final class CutOutTests: XCTestCase {
    func testWhatWasShippedIsInTheBundle() throws {
        XCTAssertEqual(ModnetModel.allCases.map(\\.rawValue), ["modnet_int8.mlpackage", "modnet_fp16.mlpackage"])
        for model in ModnetModel.allCases {
            let contract = try ModnetModel.contract()
            XCTAssertEqual(try contract.artefact(named: model.rawValue).sha256, model.sha256)
            let weights = try model.url().appendingPathComponent("Data/com.apple.CoreML/weights/weight.bin")
            XCTAssertFalse(try Data(contentsOf: weights).isEmpty)
        }
    }
}
"""


def test_a_swift_package_is_built_and_finds_its_models(tmp_path):
    folder = tmp_path / "cut out"
    for name, text in {
        "Package.swift": PACKAGE.replace("My App", "Cut Out"),
        "Sources/Cut Out/Empty.swift": "",
        "Tests/Cut Out Tests/CutOutTests.swift": TEST,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    dist = export(tmp_path / "dist")
    models = (dist / "modnet_int8.mlpackage", dist / "modnet_fp16.mlpackage")
    ship(ShipRequest(folder, models, apply=True)).carry_out()

    done = swift.run("swift", "package", "--package-path", folder, "dump-package", folders=[folder])
    assert not done.returncode, done.stderr
    (target,) = (item for item in json.loads(done.stdout)["targets"] if item["name"] == "Cut Out")
    assert [item["path"] for item in target["resources"]] == [
        f"Modnet/{name}" for name in ("modnet.json", "modnet_int8.mlpackage", "modnet_fp16.mlpackage")
    ]
    done = swift.test(folder)
    assert not done.returncode, done.stdout + done.stderr
    assert "Executed 1 test, with 0 failures" in done.stdout
    shutil.copy(swift.DEMO / ".swift-format", folder)
    done = swift.lint(*folder.rglob("Modnet*.swift"))
    assert not done.returncode, done.stderr


def test_what_is_shipped_into_an_app_is_typed_right_and_a_mistake_is_noticed(apple, tmp_path):
    """With MattingKit's sources in the app; the demo app has MattingKit as a module of its own."""
    folder = project(tmp_path / "app", "XcodeGen")
    ship(ShipRequest(folder, (export(tmp_path / "dist") / "modnet_fp16.mlpackage",))).carry_out()
    modules = tmp_path / "modules"
    shutil.copytree(apple, modules)
    done = swift.module("My_App", sorted((folder / "My App/Modnet").rglob("*.swift")), modules)
    assert not done.returncode, done.stderr
    (test,) = folder.rglob("ModnetParityTests.swift")
    done = swift.typecheck([test], modules)
    assert not done.returncode, done.stderr
    test.write_text(test.read_text().replace("try await engine.matte", "try engine.matte"))
    assert "not marked with 'await'" in swift.typecheck([test], modules).stderr
