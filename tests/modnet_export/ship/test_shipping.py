from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from converters.errors import CheckFailedError, ExportError
from modnet_export.record import manifest
from modnet_export.record.files import sha256
from modnet_export.ship.android import kotlin
from modnet_export.ship.android.shipping import ShipRequest, ship
from modnet_export.ship.lint.run import LintRequest, lint
from tests.modnet_export.ship.exports import SIZE, export
from tests.modnet_export.ship.projects import CATALOG, FORMS, KOTLIN, PROJECT, SCRIPT, VERSIONS, files, project, tree

ASSETS, SOURCES = "app/src/main/assets", "app/src/main/kotlin/io/modnet/matting"
GOLDEN, TESTS = "app/src/androidTest/assets/modnet", "app/src/androidTest/kotlin/io/modnet/matting"
NEW = {
    "app/modnet-rules.pro",
    "app/modnet-ship.json",
    f"{ASSETS}/modnet.json",
    f"{ASSETS}/modnet_fp16.tflite",
    f"{SOURCES}/ModnetModel.kt",
    *(f"{SOURCES}/{name}" for name in kotlin.sources()),
    f"{GOLDEN}/golden_image.png",
    f"{GOLDEN}/golden_matte.png",
    f"{TESTS}/ModnetParityTest.kt",
}


def test_a_project_holds_all_of_it(app, an_export, shipped):
    shipped()
    found = files(app)
    assert found.keys() - PROJECT.keys() == NEW
    assert {name: text.encode() for name, text in PROJECT.items()}.items() <= found.items()
    for name in ("golden_image.png", "golden_matte.png"):
        assert found[f"{GOLDEN}/{name}"] == (an_export / name).read_bytes()
    assert found[f"{ASSETS}/modnet_fp16.tflite"] == (an_export / "modnet_fp16.tflite").read_bytes()
    for name, data in kotlin.sources().items():
        assert found[f"{SOURCES}/{name}"] == data


def test_constants_are_the_manifests(app, an_export, shipped):
    shipped("modnet_int8.tflite", "modnet_fp16.tflite")
    text = (app / SOURCES / "ModnetModel.kt").read_text()
    for name in ("modnet_fp16.tflite", "modnet_int8.tflite"):
        assert f'sha256 = "{sha256(an_export / name)}"' in text
        assert f"bytes = {(an_export / name).stat().st_size}L" in text
    height, width = SIZE.height, SIZE.width
    assert f'image = ModelPort("image", PortType.FLOAT32, "NHWC", {height}, {width}, 3, 0.0f, 1.0f)' in text
    assert f'matte = ModelPort("matte", PortType.FLOAT32, "NHWC", {height}, {width}, 1, 0.0f, 1.0f)' in text
    assert f'image = ModelPort("image", PortType.UINT8, "NHWC", {height}, {width}, 3, 0.0f, 255.0f)' in text
    assert "val ALL = listOf(INT8, FP16)" in text
    content = json.loads((app / ASSETS / "modnet.json").read_text())
    assert [item["file"] for item in content["artefacts"]] == ["modnet_int8.tflite", "modnet_fp16.tflite"]
    assert content["size"] == {"height": height, "width": width}
    exported = json.loads((an_export / "manifest.json").read_text())
    assert content["source"]["sha256"] == exported["source"]["sha256"]
    assert content["versions"] == {"modnet-export": exported["versions"]["modnet-export"]}


def test_a_test_on_the_device_has_a_case_for_each_processor(app, shipped):
    """GPUs compute in fp16 and hold its limit; int8 arithmetic is written for CPUs."""
    shipped("modnet_fp32.tflite", "modnet_fp16.tflite", "modnet_int8.tflite")
    lines = (app / TESTS / "ModnetParityTest.kt").read_text().splitlines()
    assert [line.split("ModnetModel.")[1] for line in lines if "check(ModnetModel." in line] == [
        "FP32, Processor.CPU, 0.00296)",
        "FP32, Processor.GPU, 0.00296)",
        "FP16, Processor.CPU, 0.00296)",
        "FP16, Processor.GPU, 0.00296)",
        "INT8, Processor.CPU, 0.00932)",
    ]
    assert max(map(len, lines)) <= 140  # ktlint's


@pytest.mark.parametrize("form", FORMS)
def test_what_is_shipped_and_applied_satisfies_lint_in_every_form(tmp_path, an_export, form):
    app = project(tmp_path / "app", FORMS[form])
    ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",), apply=True)).carry_out()
    found = {item.rule: item.verdict for item in lint(LintRequest(app, export=an_export)).findings}
    assert {name: found[name] for name in ("model-stored", "model-hash", "gpu-artifact", "keep-rules", "opencl")} == (
        dict.fromkeys(("model-stored", "model-hash", "gpu-artifact", "keep-rules", "opencl"), "passed")
    )
    before = tree(app)
    again = ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",), apply=True))
    assert (again.changes, again.edits) == ((), ())
    again.carry_out()
    assert tree(app) == before


def test_the_build_file_is_left_alone_unless_asked(app, shipped):
    plan = shipped()
    assert (app / SCRIPT).read_text() == KOTLIN
    assert [edit.block[0] for edit in plan.edits] == ["android", "dependencies", "android"]
    assert shipped(apply=True).edits == ()
    assert (app / SCRIPT).read_text() != KOTLIN


def test_models_that_were_shipped_before_are_shipped_again_by_default(app, tmp_path, shipped, monkeypatch):
    shipped("modnet_fp16.tflite", "modnet_int8.tflite")
    export(tmp_path / "elsewhere" / "dist", version=1)
    monkeypatch.chdir(tmp_path / "elsewhere")
    plan = ship(ShipRequest(app))
    assert [item.file for item in plan.models] == ["modnet_fp16.tflite", "modnet_int8.tflite"]
    plan.carry_out()
    assert (app / ASSETS / "modnet_int8.tflite").read_bytes() == Path("dist/modnet_int8.tflite").read_bytes()


def test_a_model_that_is_no_longer_shipped_goes(app, shipped):
    shipped("modnet_fp16.tflite", "modnet_int8.tflite")
    plan = shipped("modnet_fp16.tflite")
    assert ("removed", app / ASSETS / "modnet_int8.tflite") in {(item.verb, item.path) for item in plan.changes}
    assert files(app).keys() - PROJECT.keys() == NEW


def test_another_app_modules_sources_are_not_written_twice(tmp_path, an_export):
    """As in android_demo: a module of its own has them."""
    changes = {
        SCRIPT: KOTLIN.replace("dependencies {", 'dependencies {\n    implementation(project(":matting"))'),
        "matting/build.gradle.kts": "",
        "matting/src/main/kotlin/io/modnet/matting/ModelSpec.kt": "",
    }
    app = project(tmp_path / "app", changes)
    ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",))).carry_out()
    assert [path.name for path in (app / SOURCES).iterdir()] == ["ModnetModel.kt"]


class TestAUsersFile:
    @pytest.mark.parametrize(
        "name", [f"{SOURCES}/ModelSpec.kt", f"{ASSETS}/modnet_fp16.tflite", "app/modnet-rules.pro"]
    )
    def test_is_not_overwritten_without_force(self, app, tmp_path, an_export, shipped, name):
        shipped()
        (app / name).write_text("mine")
        export(an_export, version=1)
        before = tree(app)
        with pytest.raises(ExportError, match=r"1 file\(s\) would be overwritten.*" + name):
            shipped()
        assert tree(app) == before
        shipped(force=True)
        assert (app / name).read_text(errors="replace") != "mine"

    def test_that_was_there_before_is_not_overwritten_either(self, app, shipped):
        (app / "app/modnet-rules.pro").write_text("mine")
        with pytest.raises(ExportError, match="as they were shipped"):
            shipped()
        assert not (app / ASSETS).exists()

    def test_that_is_no_longer_shipped_is_not_removed(self, app, shipped):
        shipped("modnet_fp16.tflite", "modnet_int8.tflite")
        (app / ASSETS / "modnet_int8.tflite").write_text("mine")
        with pytest.raises(ExportError, match=r"modnet_int8\.tflite"):
            shipped("modnet_fp16.tflite")

    def test_may_have_other_line_ends(self, app, shipped):
        shipped()
        for name in (f"{SOURCES}/ModnetModel.kt", "app/modnet-ship.json", "app/modnet-rules.pro"):
            (app / name).write_bytes((app / name).read_bytes().replace(b"\n", b"\r\n"))
        assert shipped().changes == ()

    def test_keeps_its_permissions(self, app, shipped):
        (app / SCRIPT).chmod(0o640)
        shipped(apply=True)
        assert (app / SCRIPT).stat().st_mode & 0o777 == 0o640


class TestCheck:
    def test_passes_what_was_just_shipped(self, shipped):
        shipped()
        shipped().require_current()

    @pytest.mark.parametrize(
        ("name", "change", "words"),
        [
            (f"{ASSETS}/modnet_fp16.tflite", b"x", "modnet_fp16.tflite differs"),
            (f"{ASSETS}/modnet_fp16.tflite", None, "modnet_fp16.tflite is missing"),
            (f"{GOLDEN}/golden_matte.png", b"x", "golden_matte.png differs"),
            (f"{SOURCES}/ModnetModel.kt", b"x", "ModnetModel.kt differs"),
        ],
    )
    def test_names_what_is_not_as_exported(self, app, an_export, shipped, name, change, words):
        shipped()
        (app / name).unlink() if change is None else (app / name).write_bytes(change)
        with pytest.raises(CheckFailedError, match=words):
            ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",))).require_current()

    def test_finds_another_export(self, app, an_export, shipped):
        shipped()
        export(an_export, version=1)
        with pytest.raises(CheckFailedError, match=r"5 file\(s\) are not those of the export"):
            ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",))).require_current()

    def test_leaves_the_users_own_kotlin_to_them(self, app, an_export, shipped):
        shipped()
        (app / SOURCES / "ModelSpec.kt").write_text("// mine")
        ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",))).require_current()


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({SCRIPT: "plugins { }"}, "is not an Android app's project"),
            ({"second/build.gradle.kts": KOTLIN}, "there are 2 app modules"),
            ({CATALOG: "["}, "cannot read the version catalog"),
            ({"app/modnet-ship.json": "[]"}, "as a record of what was shipped"),
            ({"app/modnet-rules.pro/file": ""}, "is in the way"),
        ],
    )
    def test_of_a_project_is_one_message(self, tmp_path, an_export, changes, words):
        app = project(tmp_path / "app", changes)
        before = tree(app)
        with pytest.raises(ExportError, match=words) as refused:
            ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",))).carry_out()
        assert (refused.value.exit_code, tree(app)) == (2, before)

    @pytest.mark.parametrize(
        ("model", "words"),
        [
            ("modnet_fp32.onnx", "not a TFLite model of this export"),
            ("nothing.tflite", "not a TFLite model of this export"),
            ("golden_image.png", "not a TFLite model of this export"),
        ],
    )
    def test_of_models_is_one_message(self, shipped, model, words):
        with pytest.raises(ExportError, match=words):
            shipped(model)

    @pytest.mark.parametrize("name", ["modnet_fp16.tflite", "golden_image.png", "golden_matte.png"])
    @pytest.mark.parametrize("change", [b"x", None])
    def test_a_file_that_is_not_as_exported_is_not_shipped(self, app, an_export, shipped, name, change):
        (an_export / name).unlink() if change is None else (an_export / name).write_bytes(change)
        with pytest.raises(ExportError, match=f"{name} is (missing|not the file)") as refused:
            shipped()
        assert (refused.value.exit_code, files(app).keys()) == (2, PROJECT.keys())

    def test_models_are_of_one_export(self, app, an_export, tmp_path):
        other = export(tmp_path / "other")
        with pytest.raises(ExportError, match="two exports"):
            ship(ShipRequest(app, (an_export / "modnet_fp16.tflite", other / "modnet_int8.tflite")))

    def test_a_model_that_missed_its_limits_is_not_shipped(self, an_export, shipped):
        content = json.loads((an_export / "manifest.json").read_text())
        fp16 = next(item for item in content["artefacts"] if item["file"] == "modnet_fp16.tflite")
        fp16["parity"][0] |= {"mad": 0.5, "missed": ["mad"], "passed": False}
        (an_export / "manifest.json").write_text(json.dumps(content))
        with pytest.raises(ExportError, match="missed its limits"):
            shipped()

    def test_a_model_for_npus_is_not_shipped(self, an_export, shipped):
        content = json.loads((an_export / "manifest.json").read_text())
        next(item for item in content["artefacts"] if item["file"] == "modnet_fp16.tflite")["precision"] = "int16x8"
        (an_export / "manifest.json").write_text(json.dumps(content))
        with pytest.raises(ExportError, match="written for NPUs"):
            shipped()

    def test_an_export_without_a_golden_image_is_to_be_made_again(self, an_export, shipped):
        export(an_export, golden=None)
        with pytest.raises(ExportError, match="has no golden image"):
            shipped()

    def test_a_first_time_needs_a_model(self, app):
        with pytest.raises(ExportError, match="no model was shipped"):
            ship(ShipRequest(app))

    def test_an_odd_build_file_changes_nothing_else(self, app, shipped):
        (app / SCRIPT).write_text(KOTLIN.replace("android {", "configure<ApplicationExtension> {"))
        before = tree(app)
        with pytest.raises(ExportError, match="cannot be edited"):
            shipped(apply=True)
        assert tree(app) == before
        shipped()


@settings(deadline=None)
@given(text=st.text())
@example(text='$name "quoted" \\ new\nline 🙂')
def test_a_kotlin_literal_is_the_text(text):
    """JSON's literals are Kotlin's, but for the dollar."""
    assert json.loads(kotlin._string(text).replace("\\$", "$")) == text
    assert "$" not in kotlin._string(text).replace("\\$", "")


def test_a_files_name_from_the_manifest_is_only_ever_a_literal(app, an_export):
    odd = 'modnet "$(touch x)" \'${y}.tflite'
    (an_export / "modnet_fp16.tflite").rename(an_export / odd)
    text = (an_export / "manifest.json").read_text()
    (an_export / "manifest.json").write_text(text.replace('"modnet_fp16.tflite"', json.dumps(odd)))
    ship(ShipRequest(app, (an_export / odd,))).carry_out()
    assert manifest.load(an_export).artefacts[2].file == odd
    assert (app / ASSETS / odd).is_file()
    assert r'file = "modnet \"\$(touch x)\" ' + r"'\${y}.tflite" in (app / SOURCES / "ModnetModel.kt").read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({CATALOG: VERSIONS.replace("9.2.1", "8.9.0")}, "no Kotlin plugin"),
        (
            {SCRIPT: KOTLIN.replace("libs.androidx.core.ktx", '"com.google.ai.edge.litert:litert:2.1.0"')},
            "raise LiteRT from 2.1.0 to 2.3.0",
        ),
        ({"app/src/main/AndroidManifest.xml": "<manifest/>"}, "libOpenCL.so"),
        ({}, None),
    ],
)
def test_what_cannot_be_put_right_is_said(tmp_path, an_export, changes, words):
    plan = ship(ShipRequest(project(tmp_path / "app", changes), (an_export / "modnet_fp16.tflite",)))
    assert [words in note for note in plan.notes] == ([] if words is None else [True])


def test_a_diff_can_be_applied_by_patch(app, tmp_path, an_export, shipped):
    """What `dry_run` shows is all that is text; git reads it."""
    plan = ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",), apply=True))
    text = "".join(part for part in plan.diff().splitlines(keepends=True) if not part.startswith("Binary"))
    copy = project(tmp_path / "copy")
    subprocess.run(["git", "apply", "--unsafe-paths", "-"], input=text.encode(), cwd=copy, check=True)
    plan.carry_out()
    assert {name: data for name, data in files(app).items() if b"\0" not in data} == files(copy)
