"""What several tests of the apps need: each is compiled once for all processes of a run."""

from __future__ import annotations

import re
import shutil
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from converters.errors import ExportError
from modnet_export.ship.android.shipping import ShipRequest, ship
from modnet_export.ship.ios.shipping import ShipRequest as IosRequest
from modnet_export.ship.ios.shipping import ship as ship_ios
from tests.apps import api, kotlin, packaging, swift, toolchains
from tests.benchmarks.android.conftest import adb as adb
from tests.benchmarks.android.conftest import phones as phones
from tests.modnet_export.ship.exports import export


@pytest.fixture(scope="session")
def android_tools():
    """Skips where the toolchains are missing, and says how to get them."""
    try:
        toolchains.java(), toolchains.kotlin(), toolchains.android_jar(), toolchains.junit()
        toolchains.ktlint(), toolchains.api(), toolchains.levels()
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")


@pytest.fixture(scope="session")
def matting(shared, android_tools):
    """The classes of ``android_demo/matting``, with the stubs of LiteRT in place of the library."""

    def make(folder):
        sources = kotlin.sources(kotlin.DEMO / "matting/src/main", kotlin.DEMO / "check/litert")
        done = kotlin.compiled(sources, folder, [api.android_36()], "-no-jdk")
        assert not done.returncode, done.stderr

    return shared("matting", make)


@pytest.fixture(scope="session")
def demo(shared, dist) -> Path:
    """``android_demo`` with small models in it, as ``make android-demo`` leaves it. Read only."""

    def make(folder):
        generated = shutil.ignore_patterns("assets", "androidTest", "ModnetModel.kt", "modnet-*", "build", ".gradle")
        shutil.copytree(kotlin.DEMO, folder, ignore=generated, dirs_exist_ok=True)
        models = (dist / "modnet_fp16.tflite", dist / "modnet_fp32.tflite")
        ship(ShipRequest(folder, models)).carry_out()
        # The code of the docs is compiled too.
        for page in ("android", "preprocessing"):
            code = re.findall(r"```kotlin\n(.*?)```", (kotlin.ROOT / f"docs/{page}.md").read_text(), re.DOTALL)
            (folder / f"app/src/main/kotlin/{page}.kt").write_text(
                f"package io.modnet.docs.{page}\n\n" + "\n".join(code)
            )

    return shared("android-demo", make)


@pytest.fixture(scope="session")
def demo_app(demo) -> packaging.App:
    """The demo app as its build type ``benchmark`` has it."""
    return packaging.App(demo / "app", "io.modnet.demo", ("main", "benchmark"))


@pytest.fixture(scope="session")
def androidx(shared, android_tools) -> Path:
    """The classes of the stubs that stand in for what the app uses beside LiteRT."""

    def make(folder):
        done = kotlin.compiled(kotlin.sources(kotlin.DEMO / "check/androidx"), folder, [api.android_36()], "-no-jdk")
        assert not done.returncode, done.stderr

    return shared("androidx", make)


@pytest.fixture(scope="session")
def app_classes(shared, demo_app, matting, androidx) -> Path:
    """The app's classes and R's, without those of ``matting``."""

    def make(folder):
        classes = folder / "classes"
        classes.mkdir()
        packaging.compile_app(demo_app, packaging.link(demo_app, folder), [matting, androidx], classes)

    return shared("app", make) / "classes"


@pytest.fixture(scope="session")
def swift_tools():
    """Skips where the toolchain is missing, and says how to get it."""
    try:
        if toolchains.own_swift() is None:
            toolchains.swift_root()
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")


@pytest.fixture(scope="session")
def apple(shared, swift_tools) -> Path:
    """Stubs of the frameworks that are not to be had here, compiled."""

    def make(folder):
        stubs = {path.stem: path for path in (swift.DEMO / "check").glob("*.swift")}
        imports = {
            name: set(re.findall(r"import (\w+)", path.read_text(encoding="utf-8"))) & set(stubs)
            for name, path in stubs.items()
        }
        for name in TopologicalSorter(imports).static_order():
            done = swift.module(name, [stubs[name]], folder)
            assert not done.returncode, done.stderr

    return shared("apple", make)


@pytest.fixture(scope="session")
def ios_modules(shared, apple) -> Path:
    """The same, with MattingKit and DemoCore."""

    def make(folder):
        shutil.copytree(apple, folder, dirs_exist_ok=True)
        for name, sources in (("MattingKit", swift.KIT), ("DemoCore", swift.CORE)):
            done = swift.module(name, sorted((sources / "Sources").rglob("*.swift")), folder)
            assert not done.returncode, done.stderr

    return shared("ios-modules", make)


@pytest.fixture(scope="session")
def ios_app(shared) -> Path:
    """``ios_demo/App`` with a package that is one by its names alone, as ``make ios-demo`` leaves it. Read only."""

    def make(folder):
        exported = export(folder / "export")
        generated = shutil.ignore_patterns("Modnet", "modnet-ship.json", ".build", "*.xcodeproj")
        shutil.copytree(swift.APP, folder / "App", ignore=generated)
        shutil.copytree(swift.KIT, folder / "MattingKit", ignore=generated)
        ship_ios(IosRequest(folder / "App", (exported / "modnet_fp16.mlpackage",))).carry_out()

    return shared("ios-demo", make) / "App"
