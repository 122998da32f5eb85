"""The classes of API 36 that apps are compiled against."""

from __future__ import annotations

import re
import zipfile

import pytest

from tests.apps import api, kotlin, sdk, toolchains
from tests.apps.classfile import ClassFile
from tests.apps.declarations import declared, dots, key
from tests.apps.signatures import signatures

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("android_tools")]
PROBES = kotlin.ROOT / "tests/data/apps/kotlin"


@pytest.fixture(scope="module")
def old(android_tools):
    with zipfile.ZipFile(toolchains.android_jar()) as archive:
        read = (ClassFile(archive.read(name)) for name in archive.namelist() if name.endswith(".class"))
        return {item.name: item for item in read}


@pytest.fixture(scope="module")
def made_jar(android_tools):
    """Our own, also where this machine has an SDK."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdk, "platform", lambda: None)
        return api.android_36()


@pytest.fixture(scope="module")
def made(made_jar):
    with zipfile.ZipFile(made_jar) as archive:
        return {name.removesuffix(".class"): ClassFile(archive.read(name)) for name in archive.namelist()}


def test_newer_api_compiles_and_what_api_36_warns_of_is_warned_of(made_jar, tmp_path):
    sources = [PROBES / "Newer.kt", PROBES / "Careless.kt"]
    done = kotlin.compiled(sources, tmp_path, [made_jar], "-no-jdk")
    warned = re.findall(r"(\w+)\.kt:\d+:\d+: (\w+): (.*)", done.stderr)
    assert [(name, kind) for name, kind, _ in warned] == [("Careless", "warning")] * 3, done.stderr
    deprecated, *nullable = (text for *_, text in warned)
    assert "systemUiVisibility: Int' is deprecated" in deprecated
    assert all("nullable receiver of type" in text for text in nullable)


def test_a_class_file_is_read_and_written_whole(old):
    for item in old.values():
        again = ClassFile(item.written())
        same = ("name", "access", "parent", "interfaces", "fields", "methods", "attributes", "constants", "version")
        assert [getattr(again, part) for part in same] == [getattr(item, part) for part in same], item.name


def test_javap_reads_what_was_written(made, tmp_path):
    names = ("android/os/PowerManager$OnThermalStatusChangedListener", "android/graphics/BlendMode")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.class").write_bytes(made[name].written())
    done = kotlin.run([sdk.javap(), "-p", "-v", *(tmp_path / f"{name}.class" for name in names)])
    assert not done.returncode, done.stderr
    assert "public abstract void onThermalStatusChanged(int);" in done.stdout
    assert (
        "class android/os/PowerManager$OnThermalStatusChangedListener of class android/os/PowerManager" in done.stdout
    )
    assert "java.lang.Enum<android.graphics.BlendMode>" in done.stdout
    assert "flags: (0x4019) ACC_PUBLIC, ACC_STATIC, ACC_FINAL, ACC_ENUM" in done.stdout


def test_what_api_23_has_stays_as_it_is(old, made):
    for name, item in old.items():
        methods = {(member.name, member.descriptor, member.access) for member in item.methods}
        assert methods <= {(member.name, member.descriptor, member.access) for member in made[name].methods}, name
    # Written in Python, an int and an Integer look alike: neither is added beside what is there.
    assert len([member for member in made["android/content/ContentValues"].methods if member.name == "put"]) == 9


def test_only_what_is_newer_than_api_23_is_added(old, made):
    levels = declared(toolchains.levels())
    added = 0
    for name, item in old.items():
        there = {(member.name, member.descriptor) for member in (*item.fields, *item.methods)}
        for member in (*made[name].fields, *made[name].methods):
            if (member.name, member.descriptor) in there:
                continue
            added += 1
            known = levels[dots(name)]
            since = [item.level for item in known.members.get(key(member.name, member.descriptor), ())]
            assert max([known.level, *since]) > api.OLD or not since, (name, member.name, member.descriptor)
    assert added > 10_000


def test_constants_have_their_values(made):
    codes = made["android/os/Build$VERSION_CODES"]
    (field,) = (member for member in codes.fields if member.name == "BAKLAVA")
    assert codes.constants[int.from_bytes(field.attributes["ConstantValue"], "big")] == b"\x03" + (36).to_bytes(
        4, "big"
    )
    assert "CINNAMON_BUN" not in {member.name for member in codes.fields}  # API 37


@pytest.mark.slow
def test_the_signatures_agree_with_the_classes_of_api_23(old):
    """What is written of API 36 in Python has, of API 23's methods, 97 of 100 with all their types."""
    written, same, methods = signatures(toolchains.api().parent), 0, 0
    for name in old.keys() & written.keys():
        own = {member.name + member.descriptor for member in written[name].members}
        wanted = [member for member in old[name].methods if member.visible and not member.access & 0x1000]
        wanted = [member for member in wanted if member.name != "<init>"]
        methods += len(wanted)
        same += sum(member.name + member.descriptor in own for member in wanted)
    assert same > 0.96 * methods > 0.96 * 25_000


@pytest.mark.parametrize("module", ["app", "matting"])
def test_unit_tests_use_nothing_that_gradle_does_not_compile_them_with(android_tools, module):
    # It compiles them with Android's jar in place of the JDK's classes.
    with zipfile.ZipFile(api.android_36()) as jar:
        known = {name.removesuffix(".class") for name in jar.namelist()}
    used = {
        name.replace(".", "/")
        for path in kotlin.sources(kotlin.DEMO / module / "src/test")
        for name in re.findall(r"^import ((?:java|com\.sun)\..*)$", path.read_text(), re.MULTILINE)
    }
    assert used
    assert not used - known
