"""What an Android device says about itself: what stays the same (its fingerprint) and what varies (its state)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.android.adb import Device
from benchmarks.android.benchmark_model import number
from benchmarks.choices import Cores

_CPUS = "/sys/devices/system/cpu"
_CURRENT = "/sys/class/power_supply/battery/current_now"
# android.os.PowerManager.THERMAL_STATUS_*
_THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


@dataclass(frozen=True)
class Clusters:
    """The highest frequency of every CPU by its number, in kHz; empty where the device does not show them."""

    highest_khz: Mapping[int, int]

    def chosen(self, which: Cores) -> list[int]:
        """The numbers of the CPUs with the lowest top frequency (``little``) or of all others (``big``).

        All of them where they are alike, or with ``all``.
        """
        if which == "all" or len(set(self.highest_khz.values())) <= 1:
            return sorted(self.highest_khz)
        lowest = min(self.highest_khz.values())
        return sorted(cpu for cpu, khz in self.highest_khz.items() if (khz == lowest) == (which == "little"))

    def __str__(self) -> str:
        counts = Counter(self.highest_khz.values())
        return " + ".join(f"{count} x {khz / 1e6:.2f} GHz" for khz, count in sorted(counts.items())) or "unknown"


def _by_cpu(device: Device, name: str) -> dict[int, str]:
    """The contents of one file in the cpufreq folder of each CPU, by the CPU's number."""
    text = device.text(["sh", "-c", f"grep -H . {_CPUS}/cpu[0-9]*/cpufreq/{name}"])
    return {int(m[1]): m[2].strip() for m in re.finditer(r"/cpu(\d+)/cpufreq/\w+:(.*)", text)}


def clusters(device: Device) -> Clusters:
    """The device's CPUs."""
    return Clusters({cpu: int(khz) for cpu, khz in _by_cpu(device, "cpuinfo_max_freq").items() if khz.isdecimal()})


def properties(device: Device) -> dict[str, str]:
    """All of ``getprop``."""
    return dict(re.findall(r"^\[(.*?)\]: \[(.*?)\]\r?$", device.text(["getprop"]), re.MULTILINE))


def fingerprint(device: Device, props: Mapping[str, str]) -> dict[str, str | int]:
    """What must agree before measurements are compared; ``unknown`` for what the device does not say."""

    def first(*names: str) -> str:
        return next((props[name] for name in names if props.get(name)), "unknown")

    sdk = first("ro.build.version.sdk")
    return {
        "device": f"{first('ro.product.manufacturer')} {first('ro.product.model')}",
        "soc": first("ro.soc.model", "ro.board.platform", "ro.hardware"),
        "abi": first("ro.product.cpu.abi"),
        "android": f"{first('ro.build.version.release')} (API {sdk})",
        "build": first("ro.build.fingerprint"),
        "cores": str(clusters(device)),
        "governor": ", ".join(sorted(set(_by_cpu(device, "scaling_governor").values()))) or "unknown",
    }


def _field(text: str, pattern: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    try:
        return None if found is None else number(found[1])
    except ValueError:
        return None


def thermal_status(device: Device) -> int | None:
    """From 0 (none) to 6 (shutdown), see android.os.PowerManager.

    None where it is unknown: before Android 10, or while somebody overrides it.
    """
    text = device.text(["dumpsys", "thermalservice"])
    if re.search(r"IsStatusOverride:\s*true", text):
        return None
    value = _field(text, r"^\s*Thermal Status:\s*(\d+)")
    return None if value is None else int(value)


def thermal_name(status: int) -> str:
    """Android's word for a thermal status."""
    return _THERMAL[status] if 0 <= status < len(_THERMAL) else str(status)


@dataclass(frozen=True)
class Battery:
    """The state of the battery; None for what the device does not say."""

    powered: bool | None
    """Whether the device is charging."""
    level_percent: float | None
    temperature_c: float | None
    voltage_mv: float | None


def battery(device: Device) -> Battery:
    """From ``dumpsys battery``."""
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
    """The battery's current, without its sign (vendors differ in it); None where the device does not show it."""
    value = _field(device.text(["cat", _CURRENT]), r"^\s*(-?\d+)")
    if value is None:
        return None
    # Most kernels give uA, some mA: while it computes, no phone draws less than 20 mA or more than 20 A.
    return abs(value) / 1000 if abs(value) > 20_000 else abs(value)


def state(device: Device) -> dict[str, str | int | float]:
    """What varies, as far as the device says it: thermal status, battery, frequencies in kHz by CPU."""
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
    """A process's proportional set size; None when it has ended or may not be read."""
    rollup = device.text(["cat", f"/proc/{process}/smaps_rollup"])
    found = re.search(r"^Pss:\s*(\d+) kB", rollup, re.MULTILINE)
    if found is None:
        text = device.text(["dumpsys", "meminfo", process])
        # Whole kB, whatever stands between the thousands.
        found = re.search(r"TOTAL PSS:\s*([\d.,]+)", text) or re.search(r"^\s*TOTAL\s+([\d.,]+)", text, re.MULTILINE)
    kilobytes = 0 if found is None else int(re.sub(r"\D", "", found[1]) or 0)
    return kilobytes * 1024 or None
