"""What this machine can do, and how to get what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from converters.runtimes import software_vulkan


@dataclass(frozen=True)
class Finding:
    """One capability: ``found`` says what there is; None when it is missing and ``get_it`` says how to get it."""

    capability: str
    used_for: str
    found: str | None
    get_it: str


def _package(*names: str) -> str | None:
    for name in names:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return None


def _first_line(*command: str) -> str | None:
    """The first line that a program prints; None when it is not there or fails."""
    path = shutil.which(command[0])
    if path is None:
        return None
    try:
        done = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter((done.stdout + done.stderr).strip().splitlines()), path)


def _gpu() -> str | None:
    nvidia = _first_line("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if nvidia:
        return nvidia
    if sys.platform == "darwin":
        return "Metal" if platform.machine() == "arm64" else None
    nodes = sorted(Path("/dev/dri").glob("renderD*"))
    return str(nodes[0]) if nodes else None


def _adb() -> str | None:
    found = _first_line("adb", "version")
    if found is None:
        sdk = android_sdk()
        found = _first_line(str(sdk / "platform-tools" / "adb"), "version") if sdk else None
    if found is None and (package := _package("adbutils")):
        found = f"the one that comes with {package}"
    return found


def android_sdk() -> Path | None:
    """The Android SDK's folder: $ANDROID_HOME, $ANDROID_SDK_ROOT, or where Android Studio puts it."""
    named = [os.environ.get(name, "") for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT")]
    places = [*named, str(Path.home() / "Android/Sdk"), str(Path.home() / "Library/Android/sdk")]
    return next((Path(place) for place in places if place and Path(place).is_dir()), None)


def _emulator() -> str | None:
    sdk = android_sdk()
    return shutil.which(str(sdk / "emulator" / "emulator")) if sdk else shutil.which("emulator")


def _sdk() -> str | None:
    sdk = android_sdk()
    return None if sdk is None else str(sdk)


def _litert_gpu() -> str | None:
    """LiteRT's GPU accelerator ships in the wheel; it needs a Vulkan driver to run on."""
    if _package("ai-edge-litert") is None:
        return None
    named = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    if named:
        return f"Vulkan driver {named}" if all(Path(part).exists() for part in named.split(os.pathsep)) else None
    drivers = [
        item for folder in ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d") for item in Path(folder).glob("*.json")
    ]
    if drivers:
        return f"Vulkan driver {drivers[0].name}"
    return None if software_vulkan.find() is None else f"{software_vulkan.NAME}: functional checks only"


_CHECKS: tuple[tuple[str, str, Callable[[], str | None], str], ...] = (
    ("PyTorch", "loading checkpoints, the reference", lambda: _package("torch"), "pip install torch"),
    ("ONNX Runtime", "running .onnx", lambda: _package("onnxruntime"), "pip install onnxruntime"),
    (
        "TensorFlow",
        "converting to .tflite",
        lambda: _package("tensorflow-cpu", "tensorflow"),
        "pip install tensorflow",
    ),
    (
        "LiteRT",
        "running .tflite",
        lambda: _package("ai-edge-litert", "tflite-runtime"),
        "pip install ai-edge-litert",
    ),
    ("GPU", "faster reference runs", _gpu, "not needed: everything runs on the CPU"),
    (
        "Vulkan",
        "LiteRT's GPU accelerator",
        _litert_gpu,
        "install your GPU's Vulkan driver, or: make setup-gpu-emulation",
    ),
    (
        "adb",
        "measuring on Android devices",
        _adb,
        "install Android platform-tools: developer.android.com/tools/releases/platform-tools",
    ),
    ("Android SDK", "building the Android app", _sdk, "install Android Studio and set ANDROID_HOME"),
    ("emulator", "bench --target emulator:AVD", _emulator, "sdkmanager emulator, and set ANDROID_HOME"),
    ("Xcode", "running Core ML, building the iOS app", lambda: _first_line("xcodebuild", "-version"), "needs a Mac"),
)


def examine() -> list[Finding]:
    """Every capability, present or not."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    return [
        Finding("machine", "everything", machine, ""),
        *(Finding(name, used_for, check(), get_it) for name, used_for, check, get_it in _CHECKS),
    ]
