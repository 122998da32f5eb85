"""A phone for ``tests.fakes.adbd``: what its files hold and what its programs print, as on a real one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.adbd import Device


def program(device: Path, name: str, script: str) -> None:
    """One of the device's programs, in /bin/sh; $FAKE_DEVICE is the device's folder."""
    path = device / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


# The form of toolbox's and toybox's getprop (AOSP, system/core/toolbox/getprop.cpp): "[key]: [value]".
PROPERTIES = {
    "ro.product.manufacturer": "Google",
    "ro.product.model": "Pixel 8",
    "ro.serialno": "3704105H8094TU",
    "ro.soc.model": "Tensor G3",
    "ro.product.cpu.abi": "arm64-v8a",
    "ro.build.version.release": "15",
    "ro.build.version.sdk": "35",
    "ro.build.fingerprint": "google/shiba/shiba:15/AP4A/1:user/release-keys",
    "sys.boot_completed": "1",
}
# BatteryService.java (AOSP, frameworks/base/services), dumpInternal.
BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: {powered}
  Wireless powered: false
  Dock powered: false
  Max charging current: 0
  status: 3
  health: 2
  present: true
  level: 83
  scale: 100
  voltage: 4012
  temperature: 287
  technology: Li-ion
"""
# ThermalManagerService.java (AOSP, frameworks/base/services), dumpInternal.
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 2
Thermal Status: {status}
Cached temperatures:
\tTemperature{{mValue=31.1, mType=3, mName=VIRTUAL-SKIN, mStatus=0}}
HAL Ready: true
"""
FREQUENCIES = {0: 1704000, 1: 1704000, 2: 2367000, 3: 2914000}


def make(folder: Path, *, powered: bool = True, properties: dict[str, str] | None = None) -> Device:
    """A phone with four cores; its programs print what real ones print."""
    for name in ("bin", "data/local/tmp", "dumpsys", "elsewhere", "sys/class/power_supply/battery"):
        (folder / name).mkdir(parents=True)
    props = "".join(f"[{key}]: [{value}]\n" for key, value in (PROPERTIES | (properties or {})).items())
    (folder / "props").write_text(props, encoding="utf-8")
    (folder / "dumpsys/battery").write_text(BATTERY.format(powered=str(powered).lower()), encoding="utf-8")
    (folder / "dumpsys/thermalservice").write_text(THERMAL.format(status=0), encoding="utf-8")
    (folder / "sys/class/power_supply/battery/current_now").write_text("-612000\n", encoding="ascii")
    for cpu, khz in FREQUENCIES.items():
        place = folder / f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
        place.mkdir(parents=True)
        for name, value in (
            ("cpuinfo_max_freq", khz),
            ("scaling_max_freq", khz),
            ("scaling_cur_freq", khz // 2),
            ("scaling_governor", "sched_pixel"),
        ):
            (place / name).write_text(f"{value}\n", encoding="ascii")
    program(
        folder,
        "getprop",
        'if [ $# = 0 ]; then cat "$FAKE_DEVICE/props"; else sed -n "s/^\\[$1\\]: \\[\\(.*\\)\\]$/\\1/p" '
        '"$FAKE_DEVICE/props"; fi',
    )
    program(
        folder,
        "dumpsys",
        'if [ -f "$FAKE_DEVICE/dumpsys/$1" ]; then cat "$FAKE_DEVICE/dumpsys/$1"; '
        'else echo "Can\'t find service: $1" >&2; exit 20; fi',
    )
    # Android's settings: a file for each; what is not set reads "null" (AOSP, SettingsService.java).
    program(
        folder,
        "settings",
        'f="$FAKE_DEVICE/settings/$2/$3"; mkdir -p "$FAKE_DEVICE/settings/$2"; case "$1" in '
        'get) cat "$f" 2> /dev/null || echo null;; put) echo "$4" > "$f";; delete) rm -f "$f";; esac',
    )
    for name in ("input", "wm"):
        program(folder, name, f'echo "{name} $@" >> "$FAKE_DEVICE/screen.log"')
    program(folder, "cmd", 'echo "$@" >> "$FAKE_DEVICE/cmd.log"')
    # An app runs as long as it has not crashed. What these print: AOSP's KeyguardController and ActivityTaskManager.
    program(folder, "pidof", '[ -e "$FAKE_DEVICE/crash" ] && exit 1; echo 4711')
    program(folder, "logcat", 'cat "$FAKE_DEVICE/crash" 2> /dev/null; true')
    # SurfaceFlinger's dump (AOSP, frameworks/native, SkiaGLRenderEngine or GLESRenderEngine: dump).
    gles = "GLES: ARM, Mali-G715, OpenGL ES 3.2 v1.r44p1-01eac0.1234\n"
    (folder / "dumpsys/SurfaceFlinger").write_text(gles, encoding="utf-8")
    # PowerManagerService.java (AOSP, frameworks/base/services), dumpInternal.
    (folder / "dumpsys/power").write_text("  mWakefulness=Awake\n", encoding="utf-8")
    (folder / "dumpsys/activity").write_text("  mKeyguardShowing=false\n", encoding="utf-8")
    # toybox's words; $FAKE_DEVICE/affinity: what the system makes of it.
    program(
        folder,
        "taskset",
        'if [ "$1" = -p ]; then echo "pid $2\'s current affinity mask: $(cat "$FAKE_DEVICE/affinity")"; exit; fi; '
        'echo "$1" >> "$FAKE_DEVICE/taskset.log"; shift; exec "$@"',
    )
    return Device(folder)


def left_behind(device: Device) -> list[str]:
    """The names of all files where a benchmark puts its own."""
    return sorted(path.name for path in (device.folder / "data/local/tmp").rglob("*"))


def asked(device: Device) -> list[list[str]]:
    """The arguments of every call of the stand-in for benchmark_model."""
    return [json.loads(line)[0] for line in (device.folder / "tool.log").read_text().splitlines()]
