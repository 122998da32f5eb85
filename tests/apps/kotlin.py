"""The Kotlin compiler, JUnit and javap, each as one call."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.apps import toolchains
from tests.apps.vectors import VECTORS

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "android_demo"
_COMPILER = (
    "kotlin-compiler", "kotlin-stdlib", "kotlin-script-runtime", "kotlin-reflect", "kotlin-daemon-client",
    "kotlinx-coroutines-core-jvm", "annotations-13.0",
)  # fmt: skip
# A compiler lives for seconds: what compiles it well, or collects garbage beside it, only takes time from others.
SHORT = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.kt"))


def tests(module: str) -> list[Path]:
    """A module's unit tests, and those that Gradle does not build: Android's jar lacks what they use of the JDK."""
    return sources(DEMO / module / "src/test", DEMO / module / "src/jvmTest")


def classpath(paths: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, paths))


def run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=500)


def compiled(
    kotlin: Sequence[Path], into: Path, libraries: Sequence[Path], *options: str
) -> subprocess.CompletedProcess[str]:
    """Compiles for Java 11; a warning is an error."""
    jars = toolchains.kotlin()
    compiler = classpath([jars / f"{name}.jar" for name in _COMPILER])
    main = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"
    return run([
        toolchains.java(), *SHORT, "-cp", compiler, main, "-Werror", "-no-stdlib", "-no-reflect", "-jvm-target", "11",
        "-module-name", "matting", *options, "-cp", classpath([*libraries, stdlib()]), "-d", into, *kotlin,
    ])  # fmt: skip


def stdlib() -> Path:
    return toolchains.kotlin() / "kotlin-stdlib.jar"


def annotations_jar() -> Path:
    """What the standard library is used with: the annotations that the compiler writes."""
    return toolchains.kotlin() / "annotations-13.0.jar"


def junit(
    classes: Sequence[Path], tests: Sequence[str], vectors: Path = VECTORS, **folders: Path
) -> subprocess.CompletedProcess[str]:
    """Run tests, which are told of folders as the properties ``modnet.NAME``."""
    paths = classpath([*classes, *toolchains.junit(), stdlib()])
    told = [f"-Dmodnet.{name}={folder}" for name, folder in {"vectors": vectors, **folders}.items()]
    return run([toolchains.java(), *told, "-cp", paths, "org.junit.runner.JUnitCore", *tests])
