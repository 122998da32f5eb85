from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export import Size
from modnet_export.record import manifest
from modnet_export.record.files import sha256
from modnet_export.record.manifest import FunctionRecord
from modnet_export.ship.ios import swift
from modnet_export.ship.ios.project import Project
from modnet_export.ship.ios.shipping import ShipRequest, ship
from tests.modnet_export.ship.exports import SIZE, export, package
from tests.modnet_export.ship.ios_projects import FORMS, PBXPROJ, project
from tests.modnet_export.ship.projects import files, tree

TESTS = ("ModnetParityTests.swift", "golden_image.png", "golden_matte.png")
PARTS = ("Manifest.json", "Data/com.apple.CoreML/model.mlmodel", "Data/com.apple.CoreML/weights/weight.bin")


@pytest.fixture
def app(tmp_path) -> Path:
    return project(tmp_path / 'it\'s "my" app')


@pytest.fixture
def shipped(app, an_export):
    def call(*models: str, force: bool = False, **options: object):
        names = models or ("modnet_fp16.mlpackage",)
        plan = ship(ShipRequest(app, tuple(an_export / name for name in names), **options))
        plan.carry_out(force=force)
        return plan

    return call


def test_a_project_holds_all_of_it(app, an_export, shipped):
    before = files(app)
    shipped()
    found = files(app)
    assert before.items() <= found.items()
    assert found.keys() - before.keys() == {
        "modnet-ship.json",
        "My App/Modnet/modnet.json",
        "My App/Modnet/ModnetModel.swift",
        *(f"My App/Modnet/modnet_fp16.mlpackage/{part}" for part in PARTS),
        *(f"My App/Modnet/MattingKit/{name}" for name in swift.sources()),
        *(
            f"My App Tests/Modnet/{name}"
            for name in ("ModnetParityTests.swift", "golden_image.png", "golden_matte.png")
        ),
    }
    for part in PARTS:
        exported = (an_export / "modnet_fp16.mlpackage" / part).read_bytes()
        assert found[f"My App/Modnet/modnet_fp16.mlpackage/{part}"] == exported
    for name, data in swift.sources().items():
        assert found[f"My App/Modnet/MattingKit/{name}"] == data


@pytest.mark.parametrize("form", FORMS)
def test_what_is_shipped_and_applied_is_in_the_targets_of_every_form(tmp_path, an_export, form):
    folder = project(tmp_path / "app", form)
    request = ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), apply=True)
    before = files(folder)
    plan = ship(request)
    assert plan.steps == ()
    plan.carry_out()
    made = Project(folder)
    taken = {path.name for path in made.target.files()}
    assert {"modnet_fp16.mlpackage", "modnet.json", "ModnetModel.swift", "MattingEngine.swift"} <= taken
    assert made.tests is not None
    taken = {path.name for path in made.tests.files()}
    assert set(TESTS) <= taken
    own = {name: data for name, data in files(folder).items() if name in before}
    definition = made.name(made.form.definition)
    assert {name for name in before if own[name] != before[name]} <= {definition, f"ios/{definition}"}
    after = tree(folder)
    again = ship(request)
    assert (again.changes, again.steps) == ((), ())
    again.carry_out()
    assert tree(folder) == after


@pytest.mark.parametrize("form", ["XcodeGen, one file", "Swift package", "Tuist", "Xcode"])
def test_the_definition_is_left_alone_unless_asked(tmp_path, an_export, form):
    folder = project(tmp_path / "app", form)
    definition = Project(folder).form.definition
    before = definition.read_bytes()
    plan = ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",)))
    plan.carry_out()
    assert definition.read_bytes() == before
    told = "\n".join(step.how for step in plan.steps)
    words = {
        "XcodeGen, one file": "targets:\n  My App:\n    sources:\n      - My App/Modnet",
        "Swift package": 'resources: [.copy("Modnet/modnet.json"), .copy("Modnet/modnet_fp16.mlpackage")]',
        "Tuist": 'resources: ["My App/Modnet/modnet.json"]',
        "Xcode": 'File > Add Files to "My App"..., choose Modnet in ',
    }
    assert words[form] in told


def test_an_xcode_project_changes_by_its_additions_alone(tmp_path, an_export):
    """The library alone would make a line's end of the backslash and n in the shell script."""
    folder = project(tmp_path / "app", "Xcode")
    ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), apply=True)).carry_out()
    made = (folder / "My App.xcodeproj/project.pbxproj").read_text().splitlines()
    assert [line for line in PBXPROJ.splitlines() if line not in made] == []
    assert any("modnet_fp16.mlpackage in Sources" in line for line in made)


@pytest.mark.parametrize("form", ["XcodeGen", "Swift package", "Tuist", "Xcode"])
def test_a_package_of_the_kit_is_depended_on(tmp_path, an_export, form):
    folder = project(tmp_path / "app", form)
    kit = Path(__file__).parents[3] / "ios_demo" / "MattingKit"
    request = ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), kit=kit, apply=True)
    ship(request).carry_out()
    found = files(folder)
    assert not any("MattingEngine" in name for name in found)
    assert b"import MattingKit" in next(data for name, data in found.items() if name.endswith("ModnetModel.swift"))
    assert Project(folder).kit
    assert ship(request).changes == ()
    assert ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",))).changes == ()


def test_models_that_were_shipped_before_are_shipped_again_by_default(app, tmp_path, shipped, monkeypatch):
    shipped("modnet_fp16.mlpackage", "modnet_int8.mlpackage")
    export(tmp_path / "elsewhere" / "dist", version=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    plan = ship(ShipRequest(app))
    assert [item.file for item in plan.models] == ["modnet_fp16.mlpackage", "modnet_int8.mlpackage"]
    with pytest.raises(CheckFailedError, match=r"weight\.bin differs"):
        plan.require_current()
    plan.carry_out()
    ship(ShipRequest(app)).require_current()


def test_a_package_that_is_no_longer_shipped_goes_with_its_folder(app, shipped):
    shipped("modnet_fp16.mlpackage", "modnet_int8.mlpackage")
    shipped("modnet_fp16.mlpackage")
    assert [path.name for path in (app / "My App/Modnet").glob("*.mlpackage")] == ["modnet_fp16.mlpackage"]


@pytest.mark.parametrize("form", ["Xcode", "Swift package"])
def test_what_a_definition_still_names_is_said(tmp_path, an_export, form):
    folder = project(tmp_path / "app", form)
    models = tuple(an_export / name for name in ("modnet_fp16.mlpackage", "modnet_int8.mlpackage"))
    ship(ShipRequest(folder, models, apply=True)).carry_out()
    notes = ship(ShipRequest(folder, models[:1], apply=True)).notes
    assert any(re.match("take .*My App/Modnet/modnet_int8.mlpackage out of", note) for note in notes)


def test_a_users_file_is_not_overwritten_without_force(app, shipped):
    shipped()
    (app / "My App/Modnet/MattingKit/Matte.swift").write_text("// mine")
    with pytest.raises(ExportError, match=r"Matte\.swift"):
        shipped()
    shipped(force=True)
    assert b"mine" not in (app / "My App/Modnet/MattingKit/Matte.swift").read_bytes()


def test_constants_and_the_contract_are_the_manifests(app, an_export, shipped):
    shipped("modnet_int8.mlpackage", "modnet_fp16.mlpackage")
    text = (app / "My App/Modnet/ModnetModel.swift").read_text()
    exported = json.loads((an_export / "manifest.json").read_text())
    for item in exported["artefacts"]:
        assert (item["sha256"] in text) == item["file"].endswith(".mlpackage")
    assert f"static let height = {SIZE.height}\n    static let width = {SIZE.width}\n" in text
    content = json.loads((app / "My App/Modnet/modnet.json").read_text())
    assert [item["file"] for item in content["artefacts"]] == ["modnet_int8.mlpackage", "modnet_fp16.mlpackage"]


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "options", "words"),
        [
            ({"project.yml": FORMS["XcodeGen"]["project.yml"].replace('"16.0"', '"15.0"')}, {}, "needs iOS 16"),
            ({"project.yml": "targets: [1"}, {}, "it is not XcodeGen's"),
            ({"project.yml": "a"}, {}, "is not a dictionary"),
            ({}, {"target": "Widget"}, "there is no target Widget"),
            (
                {"project.yml": FORMS["XcodeGen"]["project.yml"] + "  Other: {type: application, platform: iOS}\n"},
                {},
                "there are 2 targets",
            ),
            ({}, {"kit": Path("nowhere")}, "is not the package MattingKit"),
        ],
    )
    def test_of_a_project_is_one_message(self, tmp_path, an_export, changes, options, words):
        folder = project(tmp_path / "app", "XcodeGen", changes)
        before = tree(folder)
        with pytest.raises(ExportError, match=words):
            ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), **options))
        assert tree(folder) == before

    def test_a_folder_without_a_project_is_one_message(self, tmp_path, an_export):
        with pytest.raises(ExportError, match="is not an iOS project"):
            ship(ShipRequest(tmp_path, (an_export / "modnet_fp16.mlpackage",)))

    @pytest.mark.parametrize(
        ("options", "words"), [({"specification": 8}, "needs iOS 17"), ({"images": False}, "takes and gives arrays")]
    )
    def test_a_package_that_cannot_run_is_not_shipped(self, app, tmp_path, options, words):
        made = export(tmp_path / "other")
        text = (made / "manifest.json").read_text()
        old = next(item for item in json.loads(text)["artefacts"] if item["file"] == "modnet_fp16.mlpackage")["sha256"]
        package(made / "modnet_fp16.mlpackage", b"weights", **options)
        (made / "manifest.json").write_text(text.replace(old, sha256(made / "modnet_fp16.mlpackage")))
        with pytest.raises(ExportError, match=words):
            ship(ShipRequest(app, (made / "modnet_fp16.mlpackage",)))

    def test_a_package_of_several_sizes_is_not_shipped(self, app, an_export):
        """MattingKit would run its default function alone, and the app would carry the others for nothing."""
        exported = manifest.load(an_export)
        functions = (FunctionRecord(size=Size(height=64, width=32), parity=exported.artefacts[0].parity),)
        artefacts = tuple(item.model_copy(update={"functions": functions}) for item in exported.artefacts)
        changed = exported.model_copy(update={"artefacts": artefacts})
        (an_export / manifest.FILE_NAME).write_bytes(manifest.dump(changed))
        with pytest.raises(ExportError, match="has functions for several sizes"):
            ship(ShipRequest(app, (an_export / "modnet_fp16.mlpackage",)))

    @pytest.mark.parametrize(
        "change", [b"other", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"]
    )
    def test_a_package_that_is_not_as_exported_is_not_shipped(self, app, an_export, shipped, change):
        (an_export / "modnet_fp16.mlpackage/Data/com.apple.CoreML/weights/weight.bin").write_bytes(change)
        before = tree(app)
        with pytest.raises(ExportError, match="not the file that was exported"):
            shipped()
        assert tree(app) == before

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text[: len(text) // 2],
            lambda text: text.replace("isa = PBXProject;", ""),
            lambda text: text.replace("rootObject = A00000000000000000000010", "rootObject = A0"),
            lambda text: "",
            lambda text: text + "}",
            lambda text: text.replace("(", "{"),
            lambda text: "(" * 5000,
        ],
    )
    def test_a_damaged_pbxproj_is_one_message_and_stays_byte_for_byte(self, tmp_path, an_export, damage):
        folder = project(tmp_path / "app", "Xcode", {"My App.xcodeproj/project.pbxproj": damage(PBXPROJ)})
        before = tree(folder)
        with pytest.raises(ExportError, match=r"cannot read project\.pbxproj|cannot be edited"):
            ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), apply=True)).carry_out()
        assert tree(folder) == before

    @pytest.mark.parametrize("at", [1, 2, 12, 28])
    def test_a_failure_half_way_leaves_the_project_byte_for_byte(self, tmp_path, an_export, monkeypatch, at):
        """The project's definition is the first that is renamed into place."""
        folder = project(tmp_path / "app", "Xcode")
        plan = ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), apply=True))
        before, count, replace = tree(folder), 0, Path.replace

        def failing(path, target):
            nonlocal count
            count += path.suffix == ".new"
            if path.suffix == ".new" and count == at:
                raise OSError("no space left")
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", failing)
        with pytest.raises(OSError, match="no space"):
            plan.carry_out()
        assert tree(folder) == before

    def test_a_setting_that_the_library_would_lose_is_not_lost(self, tmp_path, an_export):
        text = PBXPROJ.replace("SDKROOT = iphoneos;", "SDKROOT = iphoneos;\n\t\t\t\t_HIDDEN = YES;")
        folder = project(tmp_path / "app", "Xcode", {"My App.xcodeproj/project.pbxproj": text})
        before = tree(folder)
        with pytest.raises(ExportError, match="cannot be edited"):
            ship(ShipRequest(folder, (an_export / "modnet_fp16.mlpackage",), apply=True))
        assert tree(folder) == before
