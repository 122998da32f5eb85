"""``android_demo/matting``: compiled with warnings as errors, run on the JVM with the shared vectors, checked."""

from __future__ import annotations

import re

import pytest

from tests.apps import kotlin, toolchains
from tests.apps.vectors import falsified

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("android_tools")]
TEST = kotlin.tests("matting")
TESTS = [f"io.modnet.matting.{path.stem}" for path in TEST if path.stem.endswith("Test")]


@pytest.fixture(scope="session")
def tests(shared, matting):
    def make(folder):
        libraries = [matting, *toolchains.junit()]
        done = kotlin.compiled(TEST, folder, libraries, f"-Xfriend-paths={matting}")
        assert not done.returncode, done.stderr

    return shared("matting-test", make)


def test_the_unit_tests_pass_on_the_jvm(matting, tests):
    """With the shared vectors, and counting what is allocated for each frame."""
    done = kotlin.junit([matting, tests], TESTS)
    assert not done.returncode, done.stdout
    written = sum(len(re.findall(r"^    @Test$", path.read_text(), re.MULTILINE)) for path in TEST)
    assert f"OK ({written} tests)" in done.stdout


def test_vectors_that_say_otherwise_are_noticed(matting, tests, tmp_path):
    files = falsified(tmp_path)
    done = kotlin.junit([matting, tests], ["io.modnet.matting.VectorsTest"], tmp_path)
    assert f"Tests run: {files},  Failures: {files}" in done.stdout


def test_the_compiler_refuses_warnings(tmp_path):
    source = tmp_path / "Wrong.kt"
    source.write_text('fun needless(): String = ""!!\n', encoding="utf-8")
    done = kotlin.compiled([source], tmp_path / "out", [toolchains.android_jar()], "-no-jdk")
    assert done.returncode
    assert "warning: unnecessary non-null assertion" in done.stderr


def test_kotlin_is_formatted(tmp_path):
    done = kotlin.run([toolchains.ktlint(), "--relative", *kotlin.sources(kotlin.DEMO)])
    assert not done.returncode, done.stdout
    (tmp_path / "Wrong.kt").write_text("fun  wrong( ) { }\n", encoding="utf-8")
    assert kotlin.run([toolchains.ktlint(), tmp_path / "Wrong.kt"]).returncode
