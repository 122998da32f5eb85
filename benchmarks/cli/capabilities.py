"""What measuring on Android needs of a machine."""

from __future__ import annotations

import shutil

from benchmarks.android.sdk import android_sdk, sdk_program
from modnet_export.terminal.capabilities import Capability, first_line, package


def _adb() -> str | None:
    found = first_line("adb", "version")
    if found is None and (program := sdk_program("platform-tools", "adb")):
        found = first_line(str(program), "version")
    if found is None and (adbutils := package("adbutils")):
        found = f"the one that comes with {adbutils}"
    return found


def _emulator() -> str | None:
    program = sdk_program("emulator", "emulator")
    return str(program) if program else shutil.which("emulator")


def _sdk() -> str | None:
    sdk = android_sdk()
    return None if sdk is None else str(sdk)


CAPABILITIES = (
    Capability(
        "adb",
        "measuring on Android devices",
        _adb,
        "install Android platform-tools: developer.android.com/tools/releases/platform-tools",
    ),
    Capability("Android SDK", "finding adb and emulators", _sdk, "install Android Studio and set ANDROID_HOME"),
    Capability("emulator", "bench --target emulator:AVD", _emulator, "sdkmanager emulator, and set ANDROID_HOME"),
)
