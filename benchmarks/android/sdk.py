"""Where Android's tools are on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def android_sdk() -> Path | None:
    """The Android SDK's folder: $ANDROID_HOME, $ANDROID_SDK_ROOT, or where Android Studio puts it."""
    named = [os.environ.get(name, "") for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    places = [*named, str(Path.home() / "Android/Sdk"), str(Path.home() / "Library/Android/sdk")]
    return next((Path(place) for place in places if place and Path(place).is_dir()), None)
