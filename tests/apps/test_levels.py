"""Whether what is newer than the oldest Android is asked for: by functions that do it right, and others that do not."""

from __future__ import annotations

import re

import pytest

from tests.apps import api, bytecode, kotlin, sdk
from tests.apps.classfile import ClassFile
from tests.apps.levels import Platform, unguarded

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("android_tools")]
PROBES = kotlin.ROOT / "tests/data/apps/kotlin"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    into = tmp_path_factory.mktemp("levels")
    sources = [PROBES / "Levels.kt", PROBES / "RequiresApi.kt"]
    done = kotlin.compiled(sources, into, [api.android_36()], "-no-jdk")
    assert not done.returncode, done.stderr
    return into


@pytest.fixture(scope="module")
def found(compiled):
    return unguarded([compiled])


def test_each_mistake_is_found_and_nothing_else(found):
    written = set(re.findall(r"fun (wrong\w+)", (PROBES / "Levels.kt").read_text(encoding="utf-8")))
    assert len(written) > 10
    assert {re.split(r"[$:]", line.removeprefix("probe/Levels").lstrip(".$"))[0] for line in found} == written


def test_the_level_that_is_missing_is_named(found):
    place = "probe/Levels.wrongLevel: android/os/PowerManager.getCurrentThermalStatus()I"
    assert f"{place} is there since API 29, and 28 is all that is sure" in found


def test_what_android_does_not_have_is_named(compiled, tmp_path):
    classes = (compiled / "probe/Newer29.class").read_bytes()
    (tmp_path / "Newer29.class").write_bytes(classes.replace(b"getCurrentThermalStatus", b"getCurrentThermalStates"))
    place = "probe/Newer29.status: Android has no android/os/PowerManager.getCurrentThermalStates()I"
    assert unguarded([tmp_path]) == [place]


def test_instructions_are_where_javap_finds_them(compiled):
    for path in sorted((compiled / "probe").glob("*.class")):
        printed = kotlin.run([sdk.javap(), "-c", "-p", path]).stdout
        item = ClassFile(path.read_bytes())
        code = [method.attributes["Code"] for method in item.methods if "Code" in method.attributes]
        ours = [one.at for listed, _ in map(bytecode.instructions, code) for one in listed]
        assert ours == [int(at) for at in re.findall(r"^ +(\d+): [a-z]", printed, re.MULTILINE)], path.name


def test_the_demo_calls_what_android_has_and_asks_for_every_level(app_classes, matting):
    assert unguarded([app_classes, matting / "io"]) == []


@pytest.mark.parametrize(
    ("owner", "name", "descriptor", "level"),
    [
        ("android/os/PowerManager", "getCurrentThermalStatus", "()I", 29),
        ("android/os/PowerManager", "getThermalHeadroom", "(I)F", 30),
        ("android/app/Activity", "getMainExecutor", "()Ljava/util/concurrent/Executor;", 28),  # its parent's parent's
        ("android/widget/Button", "getTextClassifier", "()Landroid/view/textclassifier/TextClassifier;", 26),
        ("java/util/List", "of", "()Ljava/util/List;", 30),
        ("java/util/function/Consumer", "accept", "(Ljava/lang/Object;)V", 24),
        ("android/view/textclassifier/TextClassifier", "getMaxGenerateLinksTextLength", "()I", 36),  # not declared
        ("android/os/PowerManager", "getCurrentThermalStatus", "()Z", None),
    ],
)
def test_levels_are_those_that_android_documents(owner, name, descriptor, level):
    """Of developer.android.com/reference."""
    assert Platform().of_member(owner, name, descriptor) == level


def test_what_the_oldest_android_has_needs_no_level():
    assert Platform().of_member("android/app/Activity", "finish", "()V") < 24
