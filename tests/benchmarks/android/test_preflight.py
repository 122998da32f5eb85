"""``modnet-export doctor --device``: what a phone says of itself before anything is measured on it."""

from __future__ import annotations

import json
import re

import pytest

from tests.fakes import phone

# Google's own kernel for Pixels writes it so (hardware/google/pixel/powerstats, PowerStats.cpp, dumpEnergyMeter).
RAILS = """
============= PowerStats HAL 2.0 energy consumers ==============
TPU          :         999.00 mWs
========== End of PowerStats HAL 2.0 energy consumers ==========

============= PowerStats HAL 2.0 energy meter ==============
                           Channel    Cumulative Energy
              [S4M_VDD_CPUCL0]:CPU        1234567.25 mWs
                 [S2S_VDD_G3D]:GPU          23456.75 mWs
========== End of PowerStats HAL 2.0 energy meter ==========
"""


@pytest.fixture
def doctor(call):
    """What ``doctor --device --json`` says, by the readings' names, and its exit code."""

    def told():
        code, printed = call("doctor", "--device", "--json")
        return {item["name"]: item for item in json.loads(printed.out)}, code

    return told


def test_a_phone_that_is_ready(phones, doctor):
    device = phones(powered=False)
    readings, code = doctor()
    assert code == 0
    verdicts = {name: item["verdict"] for name, item in readings.items()}
    # Load and memory are this machine's own.
    assert {verdicts.pop("load"), verdicts.pop("free memory")} <= {"fine", "mind"}
    assert set(verdicts.values()) == {"fine"}
    assert readings["device"]["found"] == "Google Pixel 8, Tensor G3, Android 15 (API 35), by network"
    assert readings["battery"]["found"] == "83 %"
    assert readings["allowed clocks"]["found"] == "100% of what the cores can"
    assert readings["energy"]["found"] == "the battery's current"
    assert readings["clocks while it runs"]["found"] == "CPU"
    changing = re.compile("settings (put|delete)|keyevent|mkdir|touch|rm |cmd ")
    assert not [command for command in device.commands if changing.search(command)]


def _battery(device, old, new):
    file = device.folder / "dumpsys/battery"
    file.write_text(file.read_text().replace(old, new))


def _dumpsys(name, text):
    def change(device):
        file = device.folder / "dumpsys" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return change


def _setting(name, value):
    def change(device):
        file = device.folder / "settings/global" / name
        file.parent.mkdir(parents=True)
        file.write_text(value)

    return change


def _cap(device):
    (device.folder / "sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq").write_text("1457000\n")


def _hide(device):
    (device.folder / "sys/class/power_supply/battery/current_now").unlink()


@pytest.mark.parametrize(
    ("change", "name", "found", "verdict", "to_do"),
    [
        (lambda device: _battery(device, "level: 83", "level: 31"), "battery", "31 %", "mind", "charge it to 50 %"),
        (
            lambda device: _battery(device, "USB powered: false", "USB powered: true"),
            "charging",
            "yes",
            "mind",
            "connect by Wi-Fi",
        ),
        (
            lambda device: _battery(device, "state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n"),
            "charging",
            "set by hand (UPDATES STOPPED)",
            "mind",
            "dumpsys battery reset",
        ),
        (lambda device: _battery(device, "287", "391"), "temperature", None, "mind", "let it cool"),
        (_dumpsys("thermalservice", phone.THERMAL.format(status=2)), "thermal status", "moderate", "mind", "cool"),
        (
            _dumpsys("thermalservice", phone.THERMAL.format(status=0).replace("Ready: true", "Ready: false")),
            "thermal status",
            None,
            "unknown",
            "no thermal HAL",
        ),
        (
            _dumpsys("thermalservice", phone.THERMAL.format(status=0).replace("Override: false", "Override: true")),
            "thermal status",
            None,
            "unknown",
            "cmd thermalservice reset",
        ),
        (_dumpsys("SurfaceFlinger", ""), "GPU driver", None, "unknown", "unnoticed"),
        (_dumpsys("power", "  mWakefulness=Asleep\n"), "screen", "screen is off", "mind", "PIN"),
        (_dumpsys("activity", "  KeyguardShowing=true\n"), "screen", "locked", "mind", "PIN"),
        (_setting("low_power", "1"), "battery saver", "on", "refused", "switch it off"),
        (_setting("sem_enhanced_cpu_responsiveness", "1"), "enhanced processing", "on", "mind", "leave it"),
        (_cap, "allowed clocks", "83% of what the cores can", "mind", "let it cool"),
        (_hide, "energy", None, "unknown", "--energy"),
    ],
)  # fmt: skip
def test_what_would_spoil_a_benchmark_is_said_with_what_to_do(phones, doctor, change, name, found, verdict, to_do):
    device = phones(powered=False)
    change(device)
    readings, code = doctor()
    assert code == (1 if verdict == "refused" else 0)
    assert found is None or readings[name]["found"] == found
    assert readings[name]["verdict"] == verdict
    assert to_do in readings[name]["to_do"]


def test_where_the_gauge_is_hidden_other_sources_are_named(phones, doctor):
    device = phones(powered=False)
    _hide(device)
    # Samsung's system says both (a Galaxy Tab S9's dump; the current in mA there).
    _battery(device, "  level:", "  Charge counter: 7274890\n  current now: 1389\n  level:")
    _dumpsys("android.hardware.power.stats.IPowerStats/default", RAILS)(device)
    readings, _ = doctor()
    assert readings["energy"]["found"] == "the battery's current, its charge counter, power rails"


def test_a_phone_that_tells_little(phones, doctor):
    """Before Android 10, with everything denied that a kernel may deny."""
    device = phones()
    for path in [*(device.folder / "dumpsys").iterdir(), *(device.folder / "sys").rglob("*_*")]:
        if path.is_file():
            path.unlink()
    readings, code = doctor()
    assert code == 0
    silent = {name for name, item in readings.items() if item["verdict"] == "unknown"}
    assert {"GPU driver", "cores", "allowed clocks", "clocks while it runs", "thermal status", "temperature"} <= silent
    assert {"battery", "charging", "energy"} <= silent


def test_the_table_says_the_same(phones, call):
    device = phones()
    _setting("low_power", "1")(device)
    code, printed = call("doctor", "--device")
    assert code == 1
    text = " ".join(printed.out.split())
    assert "refused battery saver on switch it off" in text
    assert "ABI arm64-v8a" in text
    assert "bench would refuse to measure on" in printed.err


def test_without_a_phone_it_says_so_as_adb_does(adb, call):
    code, printed = call("doctor", "--device")
    assert code == 2
    assert "there is no Android device" in printed.err


@pytest.mark.parametrize(("state", "said"), [("unauthorized", "Allow USB debugging"), ("offline", "reconnect offline")])
def test_a_phone_that_is_not_ready_is_said_as_adb_says_it(phones, call, state, said):
    phones(state=state)
    code, printed = call("doctor", "--device")
    assert code == 2
    assert said in printed.err
