"""Which build tools are used: those of an SDK on this machine, then what was fetched."""

from __future__ import annotations

import pytest

from converters.errors import ExportError
from tests.apps import kotlin, sdk, toolchains

FILES = ("aapt2", "zipalign", "dexdump", "lib/apksigner.jar", "lib/d8.jar")


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine without an SDK, and with nothing fetched."""
    monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    monkeypatch.delenv("ANDROID_HOME", raising=False)
    monkeypatch.setattr(sdk, "_USUAL", (str(tmp_path / "usual"),))
    monkeypatch.setattr(toolchains, "java", lambda: "java")


def _write(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def _tools():
    return [str(command[-1]) for command in (sdk.aapt2(), sdk.zipalign(), sdk.dexdump(), sdk.apksigner(), [sdk.r8()])]


@pytest.mark.parametrize("place", ["ANDROID_HOME", "ANDROID_SDK_ROOT", "usual"])
def test_the_newest_tools_of_an_sdk_come_first(monkeypatch, tmp_path, place):
    root = tmp_path / place
    if place != "usual":
        monkeypatch.setenv(place, str(root))
    # Debian's own, of Android 10, are no version; a folder that lacks the tools is none.
    for version in ("9.0.0", "34.0.0", "36.0.0", "debian"):
        _write(root / "build-tools" / version, FILES)
    (root / "build-tools/37.0.0").mkdir()
    for version in (23, 35, 36, 37):
        _write(root / f"platforms/android-{version}", ["android.jar"])
    assert _tools() == [str(root / "build-tools/36.0.0" / name) for name in FILES]
    assert sdk.framework() == sdk.platform() == root / "platforms/android-37/android.jar"


def test_r8_of_the_command_line_tools_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path))
    _write(tmp_path, ["cmdline-tools/latest/lib/r8.jar"])
    assert sdk.r8() == tmp_path / "cmdline-tools/latest/lib/r8.jar"


def test_tools_and_platforms_that_are_too_old_are_not_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path))
    _write(tmp_path / "build-tools/30.0.3", FILES)
    _write(tmp_path / "platforms/android-35", ["android.jar"])
    assert sdk.platform() is None
    with pytest.raises(ExportError, match="setup-apps"):
        sdk.aapt2()


def test_what_was_fetched_runs_with_its_own_libraries(tmp_path):
    fetched = tmp_path / "cache/apps/build-tools"
    _write(fetched, ["usr/bin/aapt2", "usr/share/android-framework-res/framework-res.apk"])
    (fetched / "usr/lib").mkdir()
    loader, option, libraries, program = sdk.aapt2()
    assert loader == fetched / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
    assert (option, program) == ("--library-path", fetched / "usr/bin/aapt2")
    assert str(fetched / "usr/lib/x86_64-linux-gnu/android") in str(libraries).split(":")
    assert sdk.framework() == fetched / "usr/share/android-framework-res/framework-res.apk"


def test_a_java_without_its_compiler_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(toolchains, "java", lambda: str(tmp_path / "java"))
    with pytest.raises(ExportError, match="JDK"):
        sdk.javac()


@pytest.mark.long
def test_the_fetched_tools_start(monkeypatch):
    monkeypatch.undo()
    try:
        commands = {sdk.aapt2: "version", sdk.zipalign: "", sdk.dexdump: "", sdk.apksigner: "--version"}
        printed = [kotlin.run([*tool(), *([word] if word else [])]) for tool, word in commands.items()]
        r8 = kotlin.run([toolchains.java(), "-cp", sdk.r8(), "com.android.tools.r8.R8", "--version"])
    except ExportError as error:
        pytest.skip(f"{error.what}: {error.next_step}")
    words = ("Android Asset Packaging Tool", "Zip alignment utility", "dexdump", "0.9", "R8")
    for done, word in zip([*printed, r8], words, strict=True):
        assert word in done.stdout + done.stderr
