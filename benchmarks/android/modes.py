"""What is set on a device for measuring, and put back: at the latest at the next connection."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from benchmarks.android import facts
from benchmarks.android.adb import Device
from benchmarks.android.files import FOLDER
from converters.errors import ExportError

_COMMAND = ["cmd", "power", "set-fixed-performance-mode-enabled"]
_FIRST_SDK = 30
_FIXED = f"{FOLDER}/fixed-performance"
"""Lies on a device as long as the mode is ours."""
_KEPT = f"{FOLDER}/settings"
"""Lies on a device as long as settings are ours: a namespace, a name and its old value in each line."""
_AWAKE = {"global stay_on_while_plugged_in": "7", "system screen_off_timeout": "1800000"}
"""Android's settings (android.provider.Settings): on with any charger, off after half an hour without."""
_MAKERS: Mapping[str, str] = {
    "enhanced processing": "global sem_enhanced_cpu_responsiveness",
    "high performance mode": "system high_performance_mode_on",
    "performance mode": "system speed_mode",
}
"""Samsung's; that of OPPO, OnePlus and realme, as their Battery app's PowerModeUnion reads it; Xiaomi's."""
SAVERS = ("global low_power", "system POWER_SAVE_MODE_OPEN", "system super_powersave_mode_state")
"""Android's battery saver, Xiaomi's, and that of OPPO, OnePlus and realme; 1: it is on."""
_WAKE_SECONDS = 5.0
"""How long a device may take to wake up."""


@contextmanager
def fixed_performance(device: Device, properties: Mapping[str, str], *, wanted: bool) -> Iterator[bool]:
    """Android's mode of steady, lower clocks, switched off at the end; gives whether it is on.

    A device that went away before it could be switched off is put back here. FOLDER must be there.
    """
    if device.shell(["test", "-e", _FIXED], check=False).code == 0:
        _off(device)
    sdk = properties.get("ro.build.version.sdk", "")
    if not wanted or not sdk.isdecimal() or int(sdk) < _FIRST_SDK:
        yield False
        return
    device.shell(["touch", _FIXED])
    try:
        answer = device.shell([*_COMMAND, "true"], check=False)
        # Without a power HAL that has it, Android says so and changes nothing.
        yield answer.code == 0 and "Failed to set" not in answer.out + answer.err
    finally:
        with suppress(ExportError, TimeoutError):
            _off(device)


def _off(device: Device) -> None:
    device.shell([*_COMMAND, "false"], check=False, heed_stop=False)
    device.shell(["rm", "-f", _FIXED], heed_stop=False)


@contextmanager
def awake(device: Device) -> Iterator[None]:
    """Keep a device's screen on, and unlock it where no PIN is needed. Its settings are put back at the end.

    A device whose screen goes off puts everything on its slowest cores. FOLDER must be there.
    """
    _put_back(device)
    old = {key: device.text(["settings", "get", *key.split()]) for key in _AWAKE}
    lines = [f"{key} {value}" for key, value in old.items() if value]
    device.shell(["sh", "-c", 'printf "%s\\n" "$@" > "$0"', _KEPT, *lines])
    try:
        for key, value in _AWAKE.items():
            if old[key]:
                device.shell(["settings", "put", *key.split(), value], check=False)
        device.shell(["input", "keyevent", "KEYCODE_WAKEUP"], check=False)
        device.shell(["wm", "dismiss-keyguard"], check=False)
        yield
    finally:
        with suppress(ExportError, TimeoutError):
            _put_back(device)


def _put_back(device: Device) -> None:
    script = (
        '[ -f "$0" ] || exit 0; while read -r space name value; do '
        '[ "$value" = null ] && settings delete "$space" "$name" || settings put "$space" "$name" "$value"; '
        'done < "$0"; rm -f "$0"'
    )
    device.shell(["sh", "-c", script, _KEPT], check=False, heed_stop=False)


def require_awake(device: Device) -> None:
    """Raise ExportError where a device's screen stays off: it would put the tool on its slowest cores."""
    deadline = time.monotonic() + _WAKE_SECONDS
    while facts.screen_on(device) is False:
        if time.monotonic() > deadline:
            raise ExportError(
                f"the screen of {device.serial} is off and does not go on, which lowers its clocks",
                expected="a device that is awake",
                next_step="wake it up by hand, and switch 'Stay awake' on in its developer options",
            )
        device.adb.pause(0.5)


def saves_battery(device: Device) -> bool | None:
    """Whether a battery saver is on, Android's or the maker's; None: the device does not say."""
    found = {device.text(["settings", "get", *key.split()]) for key in SAVERS}
    return None if found == {""} else "1" in found


def require_undisturbed(device: Device) -> None:
    """Raise ExportError while the battery saver is on: it caps the clocks, and by how much differs between devices."""
    if saves_battery(device):
        raise ExportError(
            f"{device.serial} saves its battery, which lowers its clocks",
            expected="the battery saver switched off",
            next_step="switch it off in the device's settings, or charge the device",
        )


def maker_s_mode(device: Device) -> dict[str, str]:
    """The maker's own mode of more or less performance, as far as it can be read: a condition."""
    values = {name: device.text(["settings", "get", *key.split()]) for name, key in _MAKERS.items()}
    return {name: "on" if value == "1" else "off" for name, value in values.items() if value not in ("", "null")}
