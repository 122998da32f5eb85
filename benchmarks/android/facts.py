"""What an Android device says of itself: what stays (its fingerprint) and what varies (its state)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.android.adb import Device
from benchmarks.android.benchmark_model import number

_CPUS = "/sys/devices/system/cpu"
_CURRENT = "/sys/class/power_supply/battery/current_now"
# android.os.PowerManager.THERMAL_STATUS_*
_THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


@dataclass(frozen=True)
class Cores:
    """CPU numbers by their highest frequency, in kHz; empty where the device does not tell."""

    highest_khz: Mapping[int, int]

    def chosen(self, which: str) -> list[int]:
        """``little``: those with the lowest top frequency; ``big``: all others. All, where they are alike."""
        if not self.highest_khz or len(set(self.highest_khz.values())) == 1:
            return sorted(self.highest_khz)
        lowest = min(self.highest_khz.values())
        return sorted(cpu for cpu, khz in self.highest_khz.items() if (khz == lowest) == (which == "little"))

    def __str__(self) -> str:
        clusters: dict[int, int] = {}
        for khz in self.highest_khz.values():
            clusters[khz] = clusters.get(khz, 0) + 1
        return " + ".join(f"{count} x {khz / 1e6:.2f} GHz" for khz, count in sorted(clusters.items())) or "unknown"


def _by_cpu(device: Device, name: str) -> dict[int, str]:
    """A file of every CPU's cpufreq folder."""
    text = device.text(["sh", "-c", f"grep -H . {_CPUS}/cpu[0-9]*/cpufreq/{name}"])
    return {int(m[1]): m[2].strip() for m in re.finditer(r"/cpu(\d+)/cpufreq/\w+:(.*)", text)}


def cores(device: Device) -> Cores:
    """The device's CPUs."""
    return Cores({cpu: int(khz) for cpu, khz in _by_cpu(device, "cpuinfo_max_freq").items() if khz.isdecimal()})


def properties(device: Device) -> dict[str, str]:
    """All of ``getprop``."""
    return dict(re.findall(r"^\[(.*?)\]: \[(.*?)\]\r?$", device.text(["getprop"]), re.MULTILINE))


def fingerprint(device: Device, props: Mapping[str, str]) -> dict[str, str | int]:
    """What must agree before measurements are compared; ``unknown`` where the device does not say."""

    def first(*names: str) -> str:
        return next((props[name] for name in names if props.get(name)), "unknown")

    sdk = first("ro.build.version.sdk")
    return {
        "device": f"{first('ro.product.manufacturer')} {first('ro.product.model')}",
        "soc": first("ro.soc.model", "ro.board.platform", "ro.hardware"),
        "abi": first("ro.product.cpu.abi"),
        "android": f"{first('ro.build.version.release')} (API {sdk})",
        "build": first("ro.build.fingerprint"),
        "cores": str(cores(device)),
        "governor": ", ".join(sorted(set(_by_cpu(device, "scaling_governor").values()))) or "unknown",
    }


def _field(text: str, pattern: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    try:
        return None if found is None else number(found[1])
    except ValueError:
        return None


def thermal_status(device: Device) -> int | None:
    """0 (none) to 6 (shutdown), see android.os.PowerManager; None before Android 10, or where it is overridden."""
    text = device.text(["dumpsys", "thermalservice"])
    if re.search(r"IsStatusOverride:\s*true", text):
        return None
    value = _field(text, r"^\s*Thermal Status:\s*(\d+)")
    return None if value is None else int(value)


def thermal_name(status: int) -> str:
    return _THERMAL[status] if 0 <= status < len(_THERMAL) else str(status)


@dataclass(frozen=True)
class Battery:
    """None where the device does not say."""

    powered: bool | None
    level_percent: float | None
    temperature_c: float | None
    voltage_mv: float | None


def battery(device: Device) -> Battery:
    text = device.text(["dumpsys", "battery"])
    sources = re.findall(r"^\s*\w+ powered:\s*(true|false)", text, re.MULTILINE)
    temperature = _field(text, r"^\s*temperature:\s*([-\d.,]+)")
    return Battery(
        powered="true" in sources if sources else None,
        level_percent=_field(text, r"^\s*level:\s*(\d+)"),
        temperature_c=None if temperature is None else temperature / 10,
        voltage_mv=_field(text, r"^\s*voltage:\s*(\d+)"),
    )


def current_ma(device: Device) -> float | None:
    """What the battery gives, without its sign (vendors differ); None where it is not told."""
    value = _field(device.text(["cat", _CURRENT]), r"^\s*(-?\d+)")
    if value is None:
        return None
    # Most kernels give uA, some mA: no phone draws under 20 mA while it computes, or more than 20 A.
    return abs(value) / 1000 if abs(value) > 20_000 else abs(value)


def state(device: Device) -> dict[str, str | int | float]:
    """What varies, as far as the device tells it."""
    found: dict[str, str | int | float] = {}
    status, power = thermal_status(device), battery(device)
    if status is not None:
        found["thermal_status"] = status
    for name in ("level_percent", "temperature_c", "voltage_mv"):
        value = getattr(power, name)
        if value is not None:
            found[f"battery_{name}"] = value
    if power.powered is not None:
        found["powered"] = str(power.powered).lower()
    for name in ("scaling_cur_freq", "scaling_max_freq"):
        values = _by_cpu(device, name)
        if values:
            found[name] = ", ".join(values[cpu] for cpu in sorted(values))
    return found


def pss_bytes(device: Device, process: str) -> int | None:
    """A process's proportional set size; None when it has ended or is not to be seen."""
    rollup = device.text(["cat", f"/proc/{process}/smaps_rollup"])
    found = re.search(r"^Pss:\s*(\d+) kB", rollup, re.MULTILINE)
    if found is None:
        text = device.text(["dumpsys", "meminfo", process])
        # Whole kB, whatever stands between the thousands.
        found = re.search(r"TOTAL PSS:\s*([\d.,]+)", text) or re.search(r"^\s*TOTAL\s+([\d.,]+)", text, re.MULTILINE)
    kilobytes = 0 if found is None else int(re.sub(r"\D", "", found[1]) or 0)
    return kilobytes * 1024 or None
