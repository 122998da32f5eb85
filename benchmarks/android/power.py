"""What an Android device says about its power: the battery, its gauge, and the rails of Pixels."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.android.adb import Device
from benchmarks.android.benchmark_model import number

_SUPPLY = "/sys/class/power_supply/battery"
# Pixels of 2021 and later measure their rails (ODPM). The shell may ask the power HAL for them: androidx.benchmark's
# PowerRail.kt does.
_RAILS = ["dumpsys", "android.hardware.power.stats.IPowerStats/default"]


@dataclass(frozen=True)
class Battery:
    """The state of the battery; None for what the device does not say."""

    powered: bool | None
    """Whether the device is charging."""
    frozen: bool
    """Whether somebody set these values (``dumpsys battery unplug``): nothing of it is measured."""
    level_percent: float | None
    temperature_c: float | None
    voltage_mv: float | None
    current_ma: float | None = None
    """Without its sign, because vendors differ in it."""
    charge_uah: float | None = None
    """What the gauge has counted, in microampere-hours."""


def field(text: str, pattern: str) -> float | None:
    """The first number of a pattern in a device's answer, in any locale."""
    found = re.search(pattern, text, re.MULTILINE)
    try:
        return None if found is None else number(found[1])
    except ValueError:
        return None


def battery(device: Device) -> Battery:
    """From ``dumpsys battery``, and the gauge's files, which many devices hide from the shell and some say as well.

    Samsung's system says the current (``current now``), Android's own the charge (``Charge counter``).
    """
    text = device.text(["dumpsys", "battery"])
    gauge = device.text(["sh", "-c", f"grep -sH . {_SUPPLY}/current_now {_SUPPLY}/charge_counter; true"])
    sources = re.findall(r"^\s*\w+ powered:\s*(true|false)", text, re.MULTILINE)
    temperature = field(text, r"^\s*temperature:\s*([-\d.,]+)")
    current = field(gauge, r"/current_now:\s*(-?\d+)$")
    charge = field(gauge, r"/charge_counter:\s*(\d+)$")
    return Battery(
        powered="true" in sources if sources else None,
        frozen="UPDATES STOPPED" in text,
        level_percent=field(text, r"^\s*level:\s*(\d+)"),
        temperature_c=None if temperature is None else temperature / 10,
        voltage_mv=field(text, r"^\s*voltage:\s*(\d+)"),
        current_ma=_milliamperes(field(text, r"^\s*current now:\s*(-?\d+)") if current is None else current),
        # 0 where there is no counter.
        charge_uah=(field(text, r"^\s*[Cc]harge counter:\s*(\d+)") if charge is None else charge) or None,
    )


def _milliamperes(value: float | None) -> float | None:
    if not value:  # 0 where there is no sensor
        return None
    # Most kernels give uA, some mA: while it computes, no phone draws less than 20 mA or more than 20 A.
    return abs(value) / 1000 if abs(value) > 20_000 else abs(value)


def rails_mj(device: Device) -> dict[str, float]:
    """What each power rail has taken since the device started, in mJ, by its name and subsystem; empty without such."""
    # Pixel's PowerStats.cpp writes "[S4M_VDD_CPUCL0]:CPU   123456.78 mWs", cut into sections.
    _, _, meter = device.text(_RAILS).partition("HAL 2.0 energy meter")
    return {
        " ".join(filter(None, (rail, subsystem))): float(value)
        for rail, subsystem, value in re.findall(r"^\s*\[?([^\]\s:]+)\]?:?(\S*)\s+([\d.]+) mWs", meter, re.MULTILINE)
    }
