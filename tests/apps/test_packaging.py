"""An app, packaged by Android's own tools: resources, minified dex files, an APK and a bundle that pass our lint."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from converters.errors import ExportError
from modnet_export.ship.lint.run import LintRequest, lint
from tests.apps import kotlin, packaging, sdk
from tests.apps.classfile import ClassFile
from tests.apps.packaging import Linked, RefusedError
from tests.modnet_export.ship import apps

pytestmark = [pytest.mark.long]
RULES = kotlin.DEMO / "matting/consumer-rules.pro"
LITERT = "com/google/ai/edge/litert"
LIBRARIES = ("libLiteRt.so", "libLiteRtClGlAccelerator.so")


@dataclass(frozen=True)
class Packaged:
    """What was made of the app: its build type ``benchmark``, minified."""

    linked: Linked
    program: Path
    """The classes of the app and of ``matting``."""
    stubs: Path
    """Those that stand in for libraries: LiteRT's in one jar, androidx's in another."""
    androidx: Path
    dex: Path


@pytest.fixture(scope="session")
def package_tools(android_tools):
    try:
        sdk.aapt2(), sdk.zipalign(), sdk.dexdump(), sdk.apksigner(), sdk.r8(), sdk.javac(), sdk.keytool()
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")


@pytest.fixture(scope="session")
def packaged(shared, package_tools, app_classes, matting, androidx):
    linked = Linked(*(app_classes.parent / name for name in ("linked.apk", "proto.apk", "java", "resources.pro")))

    def made_in(folder):
        return Packaged(linked, folder / "program.jar", folder / "litert.jar", folder / "androidx.jar", folder / "dex")

    def make(folder):
        made = made_in(folder)
        packaging.jar(made.program, [(matting, "io"), (app_classes, "")])
        packaging.jar(made.stubs, [(matting, "com")])
        packaging.jar(made.androidx, [(androidx, "")])
        libraries = [made.stubs, made.androidx]
        packaging.r8([made.program, kotlin.stdlib()], libraries, [linked.rules, RULES], made.dex)

    return made_in(shared("packaged", make))


@pytest.fixture(scope="session")
def apk(shared, packaged):
    extra = {f"lib/arm64-v8a/{name}": apps.LIBRARY for name in LIBRARIES}
    return shared("apk", lambda into: packaging.package(packaged.linked, packaged.dex, extra, into)) / "app.apk"


def failed(app: Path) -> list[str]:
    return [finding.rule for finding in lint(LintRequest(app)).findings if finding.verdict == "failed"]


def passed(app: Path) -> set[str]:
    return {finding.rule for finding in lint(LintRequest(app)).findings if finding.verdict == "passed"}


def test_what_android_starts_survives_minifying(packaged, apk):
    started = packaging.components(apk)
    assert "io/modnet/demo/BenchmarkActivity" in started
    dumped = packaging.dexdump(packaged.dex)
    assert not [name for name in started if "<init>:()V" not in dumped.get(name, ())]
    # And it is minified: the module's classes have other names.
    assert not [name for name in dumped if name.startswith("io/modnet/matting/")]


def test_the_signed_apk_passes_our_lint(apk):
    packaging.run(*sdk.apksigner(), "verify", "--min-sdk-version", "24", apk)
    assert failed(apk) == []
    assert passed(apk) >= {"model-stored", "model-hash", "opencl", "min-sdk", "camera", "elf-16kb", "zip-16kb"}
    assert not packaging.debuggable(apk)


def test_the_bundle_passes_our_lint(packaged, tmp_path):
    extra = {f"base/lib/arm64-v8a/{name}": apps.LIBRARY for name in LIBRARIES}
    extra |= {
        "BundleConfig.pb": apps.config(apps.AGP_GLOB),
        apps.DEPENDENCIES: apps.dependencies(litert="2.3.0", litert_gpu="2.3.0"),
    }
    made = packaging.bundle(packaged.linked, packaged.dex, extra, tmp_path)
    assert failed(made) == []
    assert passed(made) >= {"model-stored", "model-hash", "opencl", "gpu-artifact", "zip-16kb", "abi-split"}
    extra["BundleConfig.pb"] = apps.config()
    assert failed(packaging.bundle(packaged.linked, packaged.dex, extra, tmp_path)) == ["model-stored"]


def test_a_debug_build_is_dexed(packaged, tmp_path):
    packaging.d8([packaged.program], [packaged.stubs, packaged.androidx, kotlin.stdlib()], tmp_path / "dex")
    assert "io/modnet/matting/Matting" in packaging.dexdump(tmp_path / "dex")


def _names(jar: Path) -> dict[str, set[str]]:
    """The classes of a jar of stubs, and their methods, as ``dexdump`` gives them."""
    with zipfile.ZipFile(jar) as archive:
        classes = [ClassFile(archive.read(name)) for name in archive.namelist()]
    return {item.name: {f"{method.name}:{method.descriptor}" for method in item.methods} for item in classes}


def _stripped(packaged: Packaged, rules: list[Path], into: Path) -> set[str]:
    """LiteRT's classes and methods that are gone or renamed where R8 minifies LiteRT's classes too."""
    program = [packaged.program, packaged.stubs]
    packaging.r8(program, [packaged.androidx, kotlin.stdlib()], [packaged.linked.rules, *rules], into)
    dumped = packaging.dexdump(into)
    return {
        f"{name}.{method}"
        for name, methods in _names(packaged.stubs).items()
        for method in methods
        if method not in dumped.get(name, ())
    }


def test_the_modules_rules_keep_what_litert_calls_by_name(packaged, tmp_path):
    assert _stripped(packaged, [RULES], tmp_path / "kept") == set()
    stripped = _stripped(packaged, [], tmp_path / "stripped")
    assert any(name.startswith(f"{LITERT}/TensorBuffer.readInt8:") for name in stripped)


def test_r8_refuses_a_class_that_is_missing(packaged, tmp_path):
    libraries = [packaged.stubs, kotlin.stdlib()]
    with pytest.raises(RefusedError, match=r"Missing class androidx\.activity\.ComponentActivity"):
        packaging.r8([packaged.program], libraries, [packaged.linked.rules], tmp_path / "dex")


@pytest.fixture
def own(tmp_path, package_tools, demo_app):
    """A copy of the app to plant mistakes in."""
    return replace(demo_app, folder=shutil.copytree(demo_app.folder, tmp_path / "app"))


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        ("res/values/themes.xml", "Theme.Material.Light.NoActionBar", "Theme.Material.None"),
        ("res/layout/activity_main.xml", "@string/picture", "@string/other"),
        ("AndroidManifest.xml", "@style/Theme.Demo", "@style/Fancy"),
        ("AndroidManifest.xml", "android:exported", "android:export"),
    ],
)
def test_aapt2_refuses_what_is_not_there(own, tmp_path, file, right, wrong):
    path = own.folder / "src/main" / file
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(RefusedError, match=wrong.removeprefix("@")):
        packaging.link(own, tmp_path)


def test_an_apk_that_can_be_debugged_is_noticed(own, tmp_path):
    assert packaging.debuggable(packaging.link(own, tmp_path, "--debug-mode").apk)


def test_a_deflated_model_is_noticed(packaged, tmp_path):
    made = tmp_path / "app.apk"
    with (
        zipfile.ZipFile(packaged.linked.apk) as source,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert failed(made) == ["model-stored"]


def test_only_the_benchmark_build_has_what_adb_drives(own, tmp_path, apk):
    release = packaging.link(replace(own, source_sets=("main",)), tmp_path)
    assert packaging.components(release.apk) == {"io/modnet/demo/MainActivity"}
    tree = packaging.run(*sdk.aapt2(), "dump", "xmltree", "--file", "AndroidManifest.xml", apk)
    assert 'android:permission(0x01010006)="android.permission.DUMP"' in tree


def test_the_manifest_of_a_library_is_merged_in(own, tmp_path):
    library = tmp_path / "library"
    (library / "src/main").mkdir(parents=True)
    (library / "src/main/AndroidManifest.xml").write_text(
        '<manifest xmlns:android="http://schemas.android.com/apk/res/android">'
        '<uses-permission android:name="${applicationId}.own" /></manifest>',
        encoding="utf-8",
    )
    linked = packaging.link(replace(own, libraries=(library,)), tmp_path)
    badging = packaging.run(*sdk.aapt2(), "dump", "badging", linked.apk)
    assert "uses-permission: name='io.modnet.demo.own'" in badging
