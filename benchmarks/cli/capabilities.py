"""What measuring on Android needs of a machine."""

from __future__ import annotations

import shutil

from benchmarks.android.sdk import android_sdk
from modnet_export.terminal.capabilities import Capability, first_line, package


def _adb() -> str | None:
    found = first_line("adb", "version")
    if found is None:
        sdk = android_sdk()
        found = first_line(str(sdk / "platform-tools" / "adb"), "version") if sdk else None
    if found is None and (adbutils := package("adbutils")):
        found = f"the one that comes with {adbutils}"
    return found


def _emulator() -> str | None:
    sdk = android_sdk()
    return shutil.which(str(sdk / "emulator" / "emulator")) if sdk else shutil.which("emulator")


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
