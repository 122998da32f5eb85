"""Where Android's tools are on this machine, and how its long-running ones are started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def android_sdk() -> Path | None:
    """The Android SDK's folder: $ANDROID_HOME, $ANDROID_SDK_ROOT, or where Android Studio puts it."""
    named = [os.environ.get(name, "") for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    local = os.environ.get("LOCALAPPDATA")
    places = [
        *named,
        str(Path.home() / "Android/Sdk"),
        str(Path.home() / "Library/Android/sdk"),
        *([str(Path(local) / "Android/Sdk")] if local else []),
    ]
    return next((Path(place) for place in places if place and Path(place).is_dir()), None)


def sdk_program(folder: str, name: str) -> Path | None:
    """A program of the SDK, such as ``platform-tools`` and ``adb``; with Windows' suffix there. None: not there."""
    sdk = android_sdk()
    places = [] if sdk is None else [sdk / folder / name, sdk / folder / f"{name}.exe"]
    return next((place for place in places if place.is_file()), None)


def own_group(platform: str = sys.platform) -> Mapping[str, Any]:
    """Arguments of ``Popen`` for a program that Ctrl-C must not reach: we end it, when the device is in order."""
    if platform == "win32":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200)}
    return {"start_new_session": True}
