"""Android's build tools: those of this machine's SDK first, then what ``python -m tests.apps`` has fetched.

Each function gives the command that a tool is called with; ExportError where it is not to be had.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from converters.errors import ExportError
from tests.apps import toolchains

OLDEST_BUILD_TOOLS = 34
"""Of an SDK, as the first digit of their version; those of Android 10 do not know ``uses-native-library``."""
OLDEST_PLATFORM = 36
_USUAL = ("~/Android/Sdk", "~/Library/Android/sdk", "/usr/lib/android-sdk", "/opt/android-sdk")

Command = list[str | Path]


def folders() -> list[Path]:
    """The SDKs of this machine, the one that is asked for first."""
    named = [value for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT") if (value := os.environ.get(name))]
    return [folder for name in (*named, *_USUAL) if (folder := Path(name).expanduser()).is_dir()]


def _of_sdk(pattern: str, path: str, oldest: int) -> Path | None:
    """A file of the newest folder whose name ends in a version, and holds it."""
    for folder in folders():
        found = []
        for candidate in folder.glob(pattern):
            version = re.search(r"\d+(\.\d+)*$", candidate.name)
            numbers = tuple(map(int, version[0].split("."))) if version else (0,)
            if numbers[0] >= oldest and (candidate / path).is_file():
                found.append((numbers, candidate / path))
        if found:
            return max(found)[1]
    return None


def platform() -> Path | None:
    """The SDK's android.jar of API 36 or newer; None where it has none."""
    return _of_sdk("platforms/android-*", "android.jar", OLDEST_PLATFORM)


def framework() -> Path:
    """Android's own resources: the SDK's of API 36 or newer, else Debian's of API 33."""
    return platform() or toolchains.fetched("build-tools", "usr/share/android-framework-res/framework-res.apk")


def aapt2() -> Command:
    return _program("aapt2")


def zipalign() -> Command:
    return _program("zipalign")


def dexdump() -> Command:
    return _program("dexdump")


def _program(name: str) -> Command:
    own = _of_sdk("build-tools/*", name, OLDEST_BUILD_TOOLS)
    if own is not None:
        return [own]
    # Debian's, with the C library that they were linked with: this system's may be older.
    program, lib = toolchains.fetched("build-tools", f"usr/bin/{name}"), toolchains.fetched("build-tools", "usr/lib")
    machine = lib / "x86_64-linux-gnu"
    libraries = os.pathsep.join(map(str, (machine, machine / "android", lib, lib / "7zip")))
    return [machine / "ld-linux-x86-64.so.2", "--library-path", libraries, program]


def apksigner() -> Command:
    own = _of_sdk("build-tools/*", "lib/apksigner.jar", OLDEST_BUILD_TOOLS)
    return [toolchains.java(), "-jar", own or toolchains.fetched("build-tools", "usr/share/java/apksigner.jar")]


def keytool() -> Path:
    return _of_jdk("keytool")


def javac() -> Path:
    return _of_jdk("javac")


def javap() -> Path:
    return _of_jdk("javap")


def _of_jdk(name: str) -> Path:
    found = Path(toolchains.java()).resolve().with_name(name)
    if not found.is_file():
        raise ExportError(
            f"there is no {name} beside java",
            where=found.parent,
            expected=f"a JDK {toolchains.OLDEST_JAVA} or newer, not a JRE alone; without it no app is packaged",
            next_step="install one, as root: apt-get install openjdk-17-jdk-headless",
        )
    return found


def r8() -> Path:
    """The jar that holds D8 and R8."""
    return (
        _of_sdk("build-tools/*", "lib/d8.jar", OLDEST_BUILD_TOOLS)
        or _of_sdk("cmdline-tools/*", "lib/r8.jar", 0)
        or toolchains.fetched("r8", toolchains.R8_JAR[0])
    )
