"""What an Android device says about itself: what stays the same (its fingerprint) and what varies (its state)."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.android import power
from benchmarks.android.adb import Device

_CPUS = "/sys/devices/system/cpu"
GPU_CLOCKS = "/sys/class/kgsl/kgsl-3d0/gpuclk /sys/class/devfreq/*[mg][ap][lu]*/cur_freq"
"""Adreno's, and whatever devfreq calls a Mali or a GPU; in Hz, for a shell."""
# android.os.PowerManager.THERMAL_STATUS_*
_THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")


@dataclass(frozen=True)
class Clusters:
    """The highest frequency of every CPU by its number, in kHz; empty where the device does not show them."""

    highest_khz: Mapping[int, int]
    capacity: Mapping[int, int] = field(default_factory=dict)
    """The kernel's measure of what each does, up to 1024; it tells cores apart that have one top frequency."""

    def chosen(self, which: str) -> list[int]:
        """The numbers of the CPUs of the slowest kind (``little``), the fastest (``prime``), in between (``mid``).

        ``big`` are all but the slowest, ``0x...`` is a mask. All of them where they are alike, or with ``all``; none
        where there are none of that kind.
        """
        if which.startswith("0x"):
            wanted = {cpu for cpu in range(int(which, 16).bit_length()) if int(which, 16) >> cpu & 1}
            return sorted(wanted) if wanted <= set(self.highest_khz) else []
        rank = self.capacity if set(self.capacity) == set(self.highest_khz) else self.highest_khz
        kinds = sorted(set(rank.values()))
        if which == "all" or len(kinds) <= 1:
            return sorted(rank)
        meant = {"little": kinds[:1], "big": kinds[1:], "mid": kinds[1:-1], "prime": kinds[-1:]}[which]
        return sorted(cpu for cpu, value in rank.items() if value in meant)

    def __str__(self) -> str:
        counts = Counter(self.highest_khz.values())
        return " + ".join(f"{count} x {khz / 1e6:.2f} GHz" for khz, count in sorted(counts.items())) or "unknown"


def _by_cpu(device: Device, *names: str) -> dict[str, dict[int, str]]:
    """The contents of files in the cpufreq folder of each CPU, by their names, then by the CPU's number."""
    # grep ends with 2 where one of them may not be read, and has told the others.
    places = " ".join(f"{_CPUS}/cpu[0-9]*/cpufreq/{name}" for name in names)
    found: dict[str, dict[int, str]] = {name: {} for name in names}
    for cpu, name, value in re.findall(
        r"/cpu(\d+)/cpufreq/(\w+):(.*)", device.text(["sh", "-c", f"grep -sH . {places}; true"])
    ):
        found[name][int(cpu)] = value.strip()
    return found


def clusters(device: Device) -> Clusters:
    """The device's CPUs."""
    (highest,) = _by_cpu(device, "cpuinfo_max_freq").values()
    text = device.text(["sh", "-c", f"grep -sH . {_CPUS}/cpu[0-9]*/cpu_capacity; true"])
    capacity = {int(cpu): int(value) for cpu, value in re.findall(r"/cpu(\d+)/cpu_capacity:(\d+)", text)}
    return Clusters({cpu: int(khz) for cpu, khz in highest.items() if khz.isdecimal()}, capacity)


def properties(device: Device) -> dict[str, str]:
    """All of ``getprop``."""
    return dict(re.findall(r"^\[(.*?)\]: \[(.*?)\]\r?$", device.text(["getprop"]), re.MULTILINE))


def fingerprint(device: Device, props: Mapping[str, str], cpus: Clusters) -> dict[str, str | int]:
    """What must agree before measurements are compared; ``unknown`` for what the device does not say."""

    def first(*names: str) -> str:
        return next((props[name] for name in names if props.get(name)), "unknown")

    sdk = first("ro.build.version.sdk")
    (governors,) = _by_cpu(device, "scaling_governor").values()
    serial = first("ro.serialno", "ro.boot.serialno")
    return {
        # The same by USB, tcpip and wireless debugging; a hash, because results are shared. Where a device hides its
        # number, adb's name for it stands in: rather one device as two than two as one.
        "identity": hashlib.sha256((device.serial if serial == "unknown" else serial).encode()).hexdigest()[:12],
        "device": f"{first('ro.product.manufacturer')} {first('ro.product.model')}",
        "soc": first("ro.soc.model", "ro.board.platform", "ro.hardware"),
        "abi": first("ro.product.cpu.abi"),
        "android": f"{first('ro.build.version.release')} (API {sdk})",
        "build": first("ro.build.fingerprint"),
        "cores": str(cpus),
        "gpu": _gpu(device),
        "page size": device.text(["getconf", "PAGE_SIZE"]) or "unknown",
        "governor": ", ".join(sorted(set(governors.values()))) or "unknown",
    }


def _gpu(device: Device) -> str:
    """The GPU and its driver as Android's compositor names them: drivers are updated without a new build."""
    text = device.text(["sh", "-c", "dumpsys SurfaceFlinger | grep -m 1 GLES:; true"])
    found = re.search(r"GLES: (.+)", text)
    return found[1].strip() if found else "unknown"


def thermal_status(device: Device) -> int | None:
    """From 0 (none) to 6 (shutdown), see android.os.PowerManager.

    None where it is unknown: before Android 10, while somebody overrides it, or without a thermal HAL, where it is
    always 0.
    """
    return _thermal_status(device.text(["dumpsys", "thermalservice"]))


def _thermal_status(text: str) -> int | None:
    if re.search(r"IsStatusOverride:\s*true|HAL Ready:\s*false", text):
        return None
    value = power.field(text, r"^\s*Thermal Status:\s*(\d+)")
    return None if value is None else int(value)


def _skin_c(text: str) -> float | None:
    """The skin's temperature by ``dumpsys thermalservice``: what the HAL says now, else what it said last."""
    _, _, current = text.partition("Current temperatures from HAL")
    for part in (current, text):
        if found := re.search(r"Temperature\{mValue=([-\d.]+), mType=3,", part):
            return float(found[1])
    return None


def thermal_name(status: int) -> str:
    """Android's word for a thermal status."""
    return _THERMAL[status] if 0 <= status < len(_THERMAL) else str(status)


def state(device: Device) -> dict[str, str | int | float]:
    """What varies, as far as the device says it: thermal status, battery, frequencies in kHz by CPU."""
    found: dict[str, str | int | float] = {}
    text, battery = device.text(["dumpsys", "thermalservice"]), power.battery(device)
    system = device.text(["cat", "/proc/loadavg", "/proc/meminfo"])
    if load := re.match(r"([\d.]+) ", system):
        found["load_average"] = float(load[1])
    if free := re.search(r"^MemAvailable:\s*(\d+) kB", system, re.MULTILINE):
        found["available_memory_bytes"] = int(free[1]) * 1024
    status, skin_c = _thermal_status(text), _skin_c(text)
    if status is not None:
        found["thermal_status"] = status
    if skin_c is not None:
        found["skin_temperature_c"] = skin_c
    if (on := screen_on(device)) is not None:
        found["screen"] = "on" if on else "off"
    for name in ("level_percent", "temperature_c", "voltage_mv"):
        value = getattr(battery, name)
        if value is not None:
            found[f"battery_{name}"] = value
    if battery.powered is not None:
        found["powered"] = str(battery.powered).lower()
    for name, values in _by_cpu(device, "scaling_cur_freq", "scaling_max_freq", "cpuinfo_max_freq").items():
        if values:
            found[name] = ", ".join(values[cpu] for cpu in sorted(values))
    return found


def frequencies_khz(text: object) -> int:
    """The sum of frequencies as ``state`` has them; 0 where there are none."""
    return sum(int(value) for value in str(text).split(", ") if value.isdecimal())


def allowed_share(found: Mapping[str, object]) -> float | None:
    """How much of their own clocks the system allows the cores in this state, in [0, 1]; None: it is not told."""
    allowed, own = (frequencies_khz(found.get(name)) for name in ("scaling_max_freq", "cpuinfo_max_freq"))
    return min(1.0, allowed / own) if allowed and own else None


def screen_on(device: Device) -> bool | None:
    """Whether the device is awake, by what its power manager calls ``mWakefulness``; None: it is not told."""
    found = re.search(r"mWakefulness=(\w+)", device.text(["sh", "-c", "dumpsys power | grep mWakefulness=; true"]))
    return None if found is None else found[1] not in ("Asleep", "Dozing")


def locked(device: Device) -> str | None:
    """Why an activity cannot run in front now: the device sleeps or is locked; None where it can, or it is not told."""
    if screen_on(device) is False:
        return "its screen is off"
    script = "dumpsys activity activities | grep KeyguardShowing=; true"
    return "it is locked" if "KeyguardShowing=true" in device.text(["sh", "-c", script]) else None


def app_version(device: Device, package: str) -> dict[str, str]:
    """What tells one build of an installed app from another: its version and its APK's hash, as far as it is told.

    Of an app that came as a bundle, all of its APKs count: native libraries lie in another one than the code.
    """
    version = re.search(
        r"versionCode=(\d+)", device.text(["sh", "-c", f"dumpsys package {package} | grep versionCode"])
    )
    apks = [line.removeprefix("package:") for line in device.text(["pm", "path", package]).splitlines()]
    hashes = [line.split(" ")[0] for line in device.text(["sha256sum", *apks]).splitlines()] if apks else []
    digest = hashlib.sha256(" ".join(hashes).encode()).hexdigest() if len(hashes) > 1 else "".join(hashes)
    return {"app version": version[1] if version else "unknown", "apk": digest[:12] or "unknown"}


# What is asked, the unit of the answer in bytes, and what in it are numbers of the process $0. The cheapest come first.
_GPU_MEMORY: Mapping[str, tuple[str, int, str]] = {
    "kgsl": ('d=/sys/class/kgsl/kgsl/proc/"$0"; cat "$d/gpumem_mapped" "$d/gpumem_unmapped"', 1, r"(\d+)"),
    "dumpsys gpu": ("dumpsys gpu --gpumem", 1, r"^Proc {process} total: (\d+)"),
    "mali": ("cat /sys/kernel/debug/mali0/gpu_memory", 4096, r"^ *\S+ +\(? *{process}\)? +(\d+)"),
    "dumpsys meminfo": ('dumpsys meminfo "$0"', 1024, r"^\s*E?GL mtrack\s+([\d.,]+)"),
}


@dataclass(frozen=True)
class GpuMemory:
    """What a process holds for the GPU, in bytes, and by whose word."""

    size: int
    source: str


def gpu_memory(device: Device, process: str, known: GpuMemory | None = None) -> GpuMemory | None:
    """What a process holds for the GPU, by the first of these that the shell may read; None: by none.

    Adreno's driver (kgsl: mapped into the process, which its PSS has as well, and not mapped); Android's service since
    12 (gpuservice's GpuMem.cpp); Mali's driver where it tells processes apart; ``dumpsys meminfo``, which has what PSS
    leaves out, and takes the most of the device's own time. Those after the one that ``known`` is from are not asked.
    """
    sources = list(_GPU_MEMORY)
    asked = sources if known is None else sources[: sources.index(known.source) + 1]
    commands = "; echo @; ".join(_GPU_MEMORY[source][0] for source in asked)  # an @ ends each answer
    answers = device.text(["sh", "-c", f"({commands}) 2> /dev/null; true", process]).split("@")
    for source, said in zip(asked, answers, strict=False):
        _, unit, pattern = _GPU_MEMORY[source]
        numbers = re.findall(pattern.format(process=process), said, re.MULTILINE)
        if size := unit * sum(int(re.sub(r"\D", "", number) or 0) for number in numbers):
            return GpuMemory(size, source)
    return None


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
