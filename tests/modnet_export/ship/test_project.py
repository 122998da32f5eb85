"""The rules on an Android project's folder, and what is read from its build files."""

from __future__ import annotations

import json

import pytest

from modnet_export.ship import globs
from modnet_export.ship.android import gradle
from modnet_export.ship.lint.rules import RULES
from tests.modnet_export.ship.apps import CATALOG, DATA, KOTLIN_DSL, MISALIGNED, MODEL, SHA256

UNDECIDED = "cannot be decided here"
SCRIPT, MANIFEST = "app/build.gradle.kts", "app/src/main/AndroidManifest.xml"
MODEL_AT = "app/src/main/assets/modnet_fp16.tflite"
GOOD_MANIFEST = (DATA / "good.xml").read_text(encoding="utf-8")

GROOVY = """
apply plugin: 'com.android.application'
android {
    defaultConfig { minSdkVersion 24 }
    aaptOptions { noCompress 'tflite' }
    splits { abi { enable true } }
    buildTypes { release { minifyEnabled true; proguardFiles 'proguard-rules.pro' } }
}
dependencies {
    implementation 'com.google.ai.edge.litert:litert:2.3.0'
    implementation group: 'com.google.ai.edge.litert', name: 'litert-gpu', version: '2.3.0'
}
"""
LITERAL = KOTLIN_DSL.replace("alias(libs.plugins.android.application)", 'id("com.android.application") version "9.2.1"')
LITERAL = LITERAL.replace("libs.litert.gpu", '"com.google.ai.edge.litert:litert-gpu:$version"')
LITERAL = LITERAL.replace("libs.litert)", '"com.google.ai.edge.litert:litert:${version}")')
FORMS = {
    "Kotlin with a catalog": {},
    "Groovy": {SCRIPT: None, "app/build.gradle": GROOVY},
    "Kotlin with a variable": {SCRIPT: 'val version = "2.3.0"\n' + LITERAL, "gradle/libs.versions.toml": None},
    "a bundle of libraries": {
        SCRIPT: KOTLIN_DSL.replace("libs.litert)", "libs.bundles.matting)").replace(
            "implementation(libs.litert.gpu)", ""
        ),
        "gradle/libs.versions.toml": CATALOG + '[bundles]\nmatting = ["litert", "litert-gpu"]\n',
    },
    "minSdk of the catalog": {
        SCRIPT: KOTLIN_DSL.replace("minSdk = 24", "minSdk = libs.versions.min.sdk.get().toInt()"),
        "gradle/libs.versions.toml": CATALOG.replace("[versions]", '[versions]\nmin-sdk = "24"'),
    },
    "noCompress as a list": {
        SCRIPT: KOTLIN_DSL.replace('+= "tflite"', '+= listOf(\n    "json",\n    "tflite",\n)'),
        "gradle/libs.versions.toml": CATALOG.replace('version.ref = "agp"', 'version.ref = "none"'),
    },
    "minSdk as a block": {SCRIPT: KOTLIN_DSL.replace("minSdk = 24", "minSdk { version = release(24) }")},
    "React Native's variables": {
        SCRIPT: None,
        "app/build.gradle": GROOVY.replace("minSdkVersion 24", "minSdkVersion rootProject.ext.minSdkVersion"),
        "build.gradle.kts": None,
        "build.gradle": "buildscript { ext { minSdkVersion = 24\nagp = '8.7.2' }\n"
        'dependencies { classpath("com.android.tools.build:gradle:$agp") } }',
    },
    "a plugin of the project's own": {
        SCRIPT: KOTLIN_DSL.replace("alias(libs.plugins.android.application)", 'id("org.example.app")').replace(
            "minSdk = 24", 'minSdk = 24\napplicationId = "org.example"'
        ),
    },
    "a library module": {
        SCRIPT: KOTLIN_DSL.replace("implementation(libs.litert)", 'implementation(project(":matting"))'),
        "matting/build.gradle.kts": "dependencies { api(libs.litert) }",
    },
    "a library module by its accessor": {
        SCRIPT: KOTLIN_DSL.replace("implementation(libs.litert)", "implementation(projects.matteKit)"),
        "matte-kit/build.gradle.kts": "dependencies { api(libs.litert) }",
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_a_good_project_fails_no_rule_in_any_form(apps, form):
    result = apps(apps.project(FORMS[form]))
    assert {item.rule: (item.verdict, item.reason) for item in result.findings if item.verdict != "passed"} == {
        "elf-16kb": (UNDECIDED, "the libraries come with the build, so only an .apk or an .aab shows them"),
        "zip-16kb": (UNDECIDED, "the build aligns them, so only an .apk or an .aab shows how"),
    }
    assert [item.rule for item in result.findings] == [rule.name for rule in RULES]


def script(*changes: tuple[str, str]) -> dict[str, str | bytes | None]:
    text = KOTLIN_DSL
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return {SCRIPT: text}


OLD_PLUGIN = {"gradle/libs.versions.toml": CATALOG.replace("9.2.1", "8.4.0")}
FAULTS = {
    "a plugin that deflates": (
        "model-stored",
        {
            **script(('noCompress += "tflite"', "")),
            "gradle/libs.versions.toml": CATALOG.replace("9.2.1", "4.0.2"),
        },
    ),
    "no noCompress, no plugin's version": (
        "model-stored",
        {**script(('noCompress += "tflite"', "")), "gradle/libs.versions.toml": CATALOG.replace('"agp"', '"none"')},
    ),
    "another model": ("model-hash", {MODEL_AT: MODEL[:-1]}),
    "a Git LFS pointer": ("model-hash", {MODEL_AT: b"version https://git-lfs.github.com/spec/v1\n"}),
    "libOpenCL removed": (
        "opencl",
        {
            MANIFEST: GOOD_MANIFEST.replace(
                'libOpenCL.so" android:required="false"', 'libOpenCL.so" tools:node="remove"'
            ).replace("<manifest ", '<manifest xmlns:tools="http://schemas.android.com/tools" ')
        },
    ),
    "an old Android": ("min-sdk", script(("minSdk = 24", "minSdk = 23"))),
    "an old Android in a flavour": (
        "min-sdk",
        script(("buildTypes", 'productFlavors { create("old") { minSdk = 21 } }\nbuildTypes')),
    ),
    "a demanded camera": ("camera", {MANIFEST: (DATA / "demanding.xml").read_bytes()}),
    "a camera by its permission": ("camera", {MANIFEST: (DATA / "old.xml").read_bytes()}),
    "a camera without permission": (
        "camera",
        {MANIFEST: "<manifest/>", "app/src/main/java/Camera.kt": "import androidx.camera.core.ImageAnalysis"},
    ),
    "no litert-gpu": ("gpu-artifact", script(("implementation(libs.litert.gpu)", ""))),
    "two versions": (
        "gpu-artifact",
        script(("libs.litert.gpu", '"com.google.ai.edge.litert:litert-gpu:2.2.9"')),
    ),
    "no keep rules": ("keep-rules", {"app/proguard-rules.pro": "# -keep class com.google.ai.edge.litert.** { *; }"}),
    "a rule that keeps no methods": (
        "keep-rules",
        {"app/proguard-rules.pro": "-keep class com.google.ai.edge.litert.**"},
    ),
    "a rule that keeps no names": (
        "keep-rules",
        {"app/proguard-rules.pro": "-keep,allowobfuscation class com.google.ai.edge.litert.** { *; }"},
    ),
    "a rule in a file that is not used": (
        "keep-rules",
        {
            "app/proguard-rules.pro": None,
            "app/other.pro": "-keep class com.google.ai.edge.litert.** { *; }",
        },
    ),
    "a misaligned LiteRT": (
        "elf-16kb",
        {"gradle/libs.versions.toml": CATALOG.replace('litert = "2.3.0"', 'litert = "2.1.1"')},
    ),
    "an old NDK": (
        "elf-16kb",
        script(("namespace", 'ndkVersion = "26.1.10909125"\nexternalNativeBuild { }\nnamespace')),
    ),
    "own libraries of 4 KB": ("elf-16kb", {"app/src/main/jniLibs/arm64-v8a/liba.so": MISALIGNED}),
    "an old plugin": ("zip-16kb", OLD_PLUGIN),
    "no split of bundles": (
        "abi-split",
        script(("splits { abi { isEnable = true } }", "bundle { abi { enableSplit = false } }")),
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_a_project_is_found(apps, case):
    rule, changes = FAULTS[case]
    result = apps(apps.project(changes))
    failed = [item.rule for item in result.failed]
    assert failed == [rule] or (rule, "zip-16kb") == tuple(failed), result.failed  # so old a plugin breaks that as well
    assert result.failed[0].mend


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("model-stored", None),
        ("model-hash", {"app/src/main/assets/modnet.json": None}),
        ("model-hash", {MODEL_AT: None}),
        ("model-size", {MODEL_AT: None}),
        ("opencl", {MANIFEST: "<manifest/>"}),
        ("opencl", {MANIFEST: GOOD_MANIFEST.replace("<application", "<other").replace("/application", "/other")}),
        ("min-sdk", script(("minSdk = 24", "minSdk = theOldest()"))),
        ("min-sdk", script(("minSdk = 24", "minSdk = " + "9" * 5000))),
        ("zip-16kb", {"gradle/libs.versions.toml": CATALOG.replace("9.2.1", "9" * 5000)}),
        ("min-sdk", {**script(("minSdk = 24", "")), MANIFEST: "<manifest/>"}),
        ("camera", {MANIFEST: "<manifest/>"}),
        ("gpu-artifact", {**script(("implementation(libs.litert.gpu)", "")), "app/src/main/java/Main.kt": ""}),
        ("gpu-artifact", script(("libs.litert.gpu", '"com.google.ai.edge.litert:litert-gpu:${newest()}"'))),
        ("gpu-artifact", script(("implementation(libs.litert)", ""))),
        ("abi-split", script(("isEnable = true", ""))),
    ],
)
def test_what_a_project_does_not_show_is_not_passed(apps, rule, changes):
    if changes is None:
        changes = {MODEL_AT: None, **script(('noCompress += "tflite"', ""))}
        assert apps.finding(apps.project(changes), rule).verdict == "passed"  # the plugin's version decides
        return
    assert apps.finding(apps.project(changes), rule).verdict == UNDECIDED


def test_a_new_plugin_stores_models_unasked(apps):
    finding = apps.finding(apps.project(script(('noCompress += "tflite"', ""))), "model-stored")
    assert (finding.verdict, "9.2.1" in finding.reason) == ("passed", True)


def test_models_are_compared_with_an_export(apps, tmp_path, monkeypatch):
    """``export`` goes before what the app's own assets say."""
    from types import SimpleNamespace

    from modnet_export.record import manifest

    told = SimpleNamespace(artefacts=[SimpleNamespace(file="modnet_fp16.tflite", sha256="0" * 64)])
    monkeypatch.setattr(manifest, "load", lambda folder: told)
    for app in (apps.project(), apps.apk(), apps.aab()):
        assert apps.finding(app, "model-hash", export=tmp_path).verdict == "failed"
    told.artefacts[0].sha256 = SHA256
    changes = {"app/src/main/assets/modnet.json": None}
    assert apps.finding(apps.project(changes), "model-hash", export=tmp_path).verdict == "passed"


def test_the_module_itself_can_be_named(apps):
    project = apps.project()
    assert not apps(project / "app").failed
    assert apps.finding(project / "app", "gpu-artifact").verdict == "passed"  # the catalog lies a folder higher


def test_a_project_within_a_cross_platform_one_is_found(apps):
    project = apps.project()
    outer = apps.path("")
    outer.mkdir()
    project.rename(outer / "android")
    assert not apps(outer).failed


def test_tests_of_the_app_are_not_the_app(apps):
    result = apps(apps.project({"app/src/androidTest/AndroidManifest.xml": (DATA / "old.xml").read_bytes()}))
    assert not result.failed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a // b\nc", "a  \nc"),
        ('"http://a" // b', '"http://a"  '),
        ("/* a\n // b */c", " c"),
        ("'//' + \"/*\" /* d */", "'//' + \"/*\"  "),
        ('"""//\n/*""" // x', '"""//\n/*"""  '),
    ],
)
def test_comments_are_left_out_and_strings_kept(tmp_path, text, expected):
    (tmp_path / "build.gradle").write_text(text)
    assert gradle.read_script(tmp_path / "build.gradle") == expected


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("**.[tT][fF][lL][iI][tT][eE]", "assets/a/model.TFLITE", True),
        ("**.tflite", "assets/model.tflite", True),
        ("*.tflite", "assets/model.tflite", False),
        ("assets/**", "assets/a/b", True),
        ("assets/**/*.tflite", "assets/b.tflite", False),
        ("assets/?.tflite", "assets/b.tflite", True),
        ("assets/*.{tflite,lite}", "assets/b.lite", True),
        ("assets/[!a].tflite", "assets/a.tflite", False),
        ("assets/[!a].tflite", "assets/b.tflite", True),
        (r"assets/\*.tflite", "assets/b.tflite", False),
        ("assets/b+c.tflite", "assets/b+c.tflite", True),
        ("assets/{a", "assets/a", False),
        ("**a" * 40, "a" * 5000, False),
    ],
)
def test_globs_are_javas(glob, path, expected):
    """As ``FileSystem.getPathMatcher`` documents them; bundletool's PathMatcher follows it."""
    assert globs.matches(glob, path) is expected


def test_json_of_a_result_says_where_each_rule_is_decided(apps):
    result = json.loads(apps(apps.project()).model_dump_json())
    decided = {item["rule"]: item["decided_in"] for item in result["findings"]}
    assert decided["keep-rules"] == ["project"]
    assert decided["elf-16kb"] == ["apk", "aab"]
    assert all(decided.values())
