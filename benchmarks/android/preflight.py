"""What a device says about itself before anything is measured on it, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.android import facts, modes, power
from benchmarks.android.adb import Device
from benchmarks.errors import DeviceGoneError

_ENOUGH_PERCENT = 50
_ENOUGH_BYTES = 1 << 30
_COOL_C = 35.0
"""Above it a battery is warm from charging or work: Android's own throttling begins a few degrees higher."""
_SMALL_PAGE = 4096

Verdict = Literal["fine", "mind", "refused", "unknown"]


@dataclass(frozen=True)
class Reading:
    """One thing that a device was asked for; ``found`` is None where it does not say."""

    name: str
    found: str | None
    to_do: str = ""
    """What to do about it; empty where it is as it should be."""
    refused: bool = False
    """Whether ``bench`` measures nothing as long as it is so."""

    @property
    def verdict(self) -> Verdict:
        return "unknown" if self.found is None else "refused" if self.refused else "mind" if self.to_do else "fine"


def preflight(device: Device) -> list[Reading]:
    """Everything that ``bench`` will ask the device for; nothing is changed on it. Raises DeviceGoneError."""
    properties = facts.properties(device)
    if not properties:
        raise DeviceGoneError(f"{device.serial} does not say which device it is", next_step="unlock it, then try again")
    clusters = facts.clusters(device)
    known, state = facts.fingerprint(device, properties, clusters), facts.state(device)
    battery, cores = power.battery(device), len(clusters.highest_khz)
    return [
        Reading("device", f"{known['device']}, {known['soc']}, Android {known['android']}, by {device.transport}"),
        _abi(properties),
        _page_size(str(known["page size"])),
        _told("GPU driver", known["gpu"], "a driver that was updated without a new build goes unnoticed"),
        _told("cores", known["cores"], "nothing can be pinned (`cores`), and a cap goes unnoticed"),
        _allowed(state),
        _clocks(device, state),
        _thermal(device, state),
        _temperature(state),
        *_battery(battery),
        _saver(device),
        _load(state, cores),
        _memory(state),
        _screen(device),
        _gauge(device, battery),
        *(Reading(name, value, "leave it as users have it") for name, value in modes.maker_s_mode(device).items()),
    ]


def _told(name: str, value: object, otherwise: str) -> Reading:
    return Reading(name, None, otherwise) if value == "unknown" else Reading(name, str(value))


def _abi(properties: Mapping[str, str]) -> Reading:
    found = properties.get("ro.product.cpu.abilist") or properties.get("ro.product.cpu.abi")
    return Reading("ABI", found, "" if found else "take benchmark_model for arm64-v8a, as nearly all phones need it")


def _page_size(text: str) -> Reading:
    if not text.isdecimal():
        return Reading("page size", None, "a tool for smaller pages fails when it starts")
    needs = "tool and libraries must be built for such pages" if int(text) > _SMALL_PAGE else ""
    return Reading("page size", f"{text} bytes", needs)


def _allowed(state: Mapping[str, object]) -> Reading:
    share = facts.allowed_share(state)
    if share is None:
        return Reading("allowed clocks", None, "a cap by heat or a power mode goes unnoticed")
    capped = "let it cool, and switch power modes off: numbers are marked" if share < 1 else ""
    return Reading("allowed clocks", f"{share:.0%} of what the cores can", capped)


def _clocks(device: Device, state: Mapping[str, object]) -> Reading:
    gpu = device.text(["sh", "-c", f"cat {facts.GPU_CLOCKS} 2> /dev/null; true"])
    shown = [name for name, value in (("CPU", state.get("scaling_cur_freq")), ("GPU", gpu)) if value]
    return Reading("clocks while it runs", " and ".join(shown) or None, "" if shown else "the shell may not read them")


def _thermal(device: Device, state: Mapping[str, object]) -> Reading:
    status = state.get("thermal_status")
    if isinstance(status, int):
        warm = "" if status == 0 else "let it cool; bench waits for `cool_timeout` seconds"
        return Reading("thermal status", facts.thermal_name(status), warm)
    text = device.text(["dumpsys", "thermalservice"])
    if re.search(r"IsStatusOverride:\s*true", text):
        return Reading("thermal status", None, "it is overridden: adb shell cmd thermalservice reset")
    if re.search(r"HAL Ready:\s*false", text):
        return Reading("thermal status", None, "there is no thermal HAL: look at temperatures and clocks")
    return Reading("thermal status", None, "Android tells it since version 10: look at temperatures and clocks")


def _temperature(state: Mapping[str, object]) -> Reading:
    found = {"skin": state.get("skin_temperature_c"), "battery": state.get("battery_temperature_c")}
    shown = [f"{name} {value} degrees Celsius" for name, value in found.items() if value is not None]
    warm = any(isinstance(value, float) and value > _COOL_C for value in found.values())
    return Reading("temperature", ", ".join(shown) or None, "let it cool" if warm else "")


def _battery(battery: power.Battery) -> list[Reading]:
    level, powered = battery.level_percent, battery.powered
    low = "" if level is None or level >= _ENOUGH_PERCENT else f"charge it to {_ENOUGH_PERCENT} % or more"
    hot = "a charger heats it, and `energy` is refused: unplug it and connect by Wi-Fi (adb tcpip 5555)"
    charging = Reading("charging", {None: None, True: "yes", False: "no"}[powered], hot if powered else "")
    if battery.frozen:
        charging = Reading("charging", "set by hand (UPDATES STOPPED)", "adb shell dumpsys battery reset")
    return [Reading("battery", None if level is None else f"{level:.0f} %", low), charging]


def _saver(device: Device) -> Reading:
    found = {True: "on", False: "off", None: None}[modes.saves_battery(device)]
    return Reading("battery saver", found, "switch it off in its settings" if found == "on" else "", found == "on")


def _load(state: Mapping[str, object], cores: int) -> Reading:
    load = state.get("load_average")
    if not isinstance(load, float):
        return Reading("load", None)
    busy = "wait until updates and indexing are done, close apps" if cores and load > cores else ""
    return Reading("load", f"{load:g} on {cores or 'unknown'} cores, the mean of a minute", busy)


def _memory(state: Mapping[str, object]) -> Reading:
    free = state.get("available_memory_bytes")
    if not isinstance(free, int):
        return Reading("free memory", None)
    return Reading("free memory", f"{free / 1e9:.1f} GB", "" if free >= _ENOUGH_BYTES else "close apps, or restart it")


def _screen(device: Device) -> Reading:
    reason = facts.locked(device)
    awake = "bench wakes it up; a PIN is yours to enter, before an app is measured (`app`)"
    return Reading(
        "screen", reason.removeprefix("its ").removeprefix("it is ") if reason else "on", awake if reason else ""
    )


def _gauge(device: Device, battery: power.Battery) -> Reading:
    found = {
        "the battery's current": battery.current_ma,
        "its charge counter": battery.charge_uah,
        "power rails": power.rails_mj(device),
    }
    shown = [name for name, value in found.items() if value]
    return Reading("energy", ", ".join(shown) or None, "" if shown else "`energy` cannot be estimated on it")
