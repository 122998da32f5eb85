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
from tests.apps.packaging import App, Linked, RefusedError
from tests.modnet_export.ship import apps

pytestmark = [pytest.mark.long]
MINIMAL = App(Path(__file__).parent / "minimal", "org.example.minimal")
RULES = kotlin.DEMO / "matting/consumer-rules.pro"
LITERT = "com/google/ai/edge/litert"
LIBRARIES = ("libLiteRt.so", "libLiteRtClGlAccelerator.so")


@dataclass(frozen=True)
class Packaged:
    """What was made of an app."""

    folder: Path

    @property
    def linked(self) -> Linked:
        names = ("linked.apk", "proto.apk", "java", "resources.pro")
        return Linked(*(self.folder / name for name in names))

    @property
    def program(self) -> Path:
        """The classes of the app and of ``matting``."""
        return self.folder / "program.jar"

    @property
    def stubs(self) -> Path:
        """Those that stand in for libraries."""
        return self.folder / "stubs.jar"

    @property
    def minified(self) -> Path:
        return self.folder / "r8"


@pytest.fixture(scope="session")
def package_tools(android_tools):
    try:
        sdk.aapt2(), sdk.zipalign(), sdk.dexdump(), sdk.apksigner(), sdk.r8(), sdk.javac(), sdk.keytool()
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")


@pytest.fixture(scope="session")
def packaged(shared, matting, package_tools):
    """The app: linked, compiled and minified."""

    def make(folder):
        for name, data in {"modnet_fp16.tflite": apps.MODEL, "modnet.json": apps.SHIPPED}.items():
            (folder / "assets").mkdir(exist_ok=True)
            (folder / "assets" / name).write_bytes(data)
        app = replace(MINIMAL, assets=folder / "assets")
        (folder / "classes").mkdir()
        linked = packaging.link(app, folder)
        packaging.compile_app(app, linked, [matting], folder / "classes")
        made = Packaged(folder)
        packaging.jar(made.program, [(matting, "io"), (folder / "classes", "")])
        packaging.jar(made.stubs, [(matting, "com")])
        packaging.r8([made.program, kotlin.stdlib()], [made.stubs], [linked.rules, RULES], made.minified)

    return Packaged(shared("packaged-minimal", make))


@pytest.fixture(scope="session")
def apk(shared, packaged):
    extra = {f"lib/arm64-v8a/{name}": apps.LIBRARY for name in LIBRARIES}
    return shared("apk", lambda into: packaging.package(packaged.linked, packaged.minified, extra, into)) / "app.apk"


def failed(app: Path) -> list[str]:
    return [finding.rule for finding in lint(LintRequest(app)).findings if finding.verdict == "failed"]


def passed(app: Path) -> set[str]:
    return {finding.rule for finding in lint(LintRequest(app)).findings if finding.verdict == "passed"}


def test_what_android_starts_survives_minifying(packaged, apk):
    started = packaging.components(apk)
    assert "org/example/minimal/MainActivity" in started
    dumped = packaging.dexdump(packaged.minified)
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
    made = packaging.bundle(packaged.linked, packaged.minified, extra, tmp_path)
    assert failed(made) == []
    assert passed(made) >= {"model-stored", "model-hash", "opencl", "gpu-artifact", "zip-16kb", "abi-split"}
    extra["BundleConfig.pb"] = apps.config()
    assert failed(packaging.bundle(packaged.linked, packaged.minified, extra, tmp_path)) == ["model-stored"]


def test_a_debug_build_is_dexed(packaged, tmp_path):
    packaging.d8([packaged.program], [packaged.stubs, kotlin.stdlib()], tmp_path / "dex")
    assert "io/modnet/matting/Matting" in packaging.dexdump(tmp_path / "dex")


def _names(jar: Path) -> dict[str, set[str]]:
    """The classes of a jar of stubs, and their methods, as ``dexdump`` gives them."""
    with zipfile.ZipFile(jar) as archive:
        classes = [ClassFile(archive.read(name)) for name in archive.namelist()]
    return {item.name: {f"{method.name}:{method.descriptor}" for method in item.methods} for item in classes}


def _stripped(packaged: Packaged, rules: list[Path], into: Path) -> set[str]:
    """LiteRT's classes and methods that are gone or renamed where R8 minifies LiteRT's classes too."""
    program = [packaged.program, packaged.stubs]
    packaging.r8(program, [kotlin.stdlib()], [packaged.linked.rules, *rules], into)
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
    with pytest.raises(RefusedError, match=f"Missing class {LITERT.replace('/', '.')}.CompiledModel"):
        packaging.r8([packaged.program], [kotlin.stdlib()], [packaged.linked.rules], tmp_path / "dex")


@pytest.fixture
def own(tmp_path, package_tools):
    """A copy of the app to plant mistakes in."""
    return replace(MINIMAL, folder=shutil.copytree(MINIMAL.folder, tmp_path / "app"))


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        ("res/values/values.xml", "DeviceDefault.NoActionBar", "DeviceDefault.None", "DeviceDefault.None"),
        ("res/layout/main.xml", "@string/name", "@string/other", "string/other"),
        ("AndroidManifest.xml", "@style/Plain", "@style/Fancy", "style/Fancy"),
        ("AndroidManifest.xml", "android:exported", "android:export", "android:export"),
    ],
)
def test_aapt2_refuses_what_is_not_there(own, tmp_path, file, right, wrong, said):
    path = own.folder / "src/main" / file
    path.write_text(path.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    with pytest.raises(RefusedError, match=said):
        packaging.link(own, tmp_path)


def test_an_apk_that_can_be_debugged_is_noticed(own, tmp_path):
    assert packaging.debuggable(packaging.link(own, tmp_path, "--debug-mode").apk)


def test_a_deflated_model_is_noticed(packaged, tmp_path):
    made = tmp_path / "app.apk"
    with zipfile.ZipFile(packaged.linked.apk) as source, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    assert failed(made) == ["model-stored"]


def test_manifests_of_several_source_sets_and_modules_are_one(own, tmp_path, package_tools):
    extra, library = own.folder / "src/benchmark", tmp_path / "library"
    for folder, inside in {
        extra: '<application><activity android:name=".Bench" android:exported="true" /></application>',
        library / "src/main": '<uses-permission android:name="${applicationId}.own" />',
    }.items():
        folder.mkdir(parents=True)
        head = '<manifest xmlns:android="http://schemas.android.com/apk/res/android">'
        (folder / "AndroidManifest.xml").write_text(f"{head}{inside}</manifest>", encoding="utf-8")
    whole = replace(own, source_sets=("main", "benchmark"), libraries=(library,))
    linked = packaging.link(whole, tmp_path)
    assert packaging.components(linked.apk) == {"org/example/minimal/MainActivity", "org/example/minimal/Bench"}
    badging = packaging.run(*sdk.aapt2(), "dump", "badging", linked.apk)
    assert "uses-permission: name='org.example.minimal.own'" in badging
