"""What a device says about itself."""

from __future__ import annotations

import pytest

from benchmarks.android import facts, power


@pytest.mark.parametrize(
    "text",
    ["        TOTAL PSS:    93,238            TOTAL RSS:   140,000", "        TOTAL    93238    90000     2000"],
)
def test_memory_by_dumpsys_where_the_process_hides_its_own(phones, adb, text):
    device = phones()
    (device.folder / "dumpsys/meminfo").write_text(f"Applications Memory Usage (in Kilobytes):\n{text}\n")
    assert facts.pss_bytes(adb.device(device.serial), "999999999") == 93238 * 1024


@pytest.mark.parametrize(("text", "milliamperes"), [("-612000", 612), ("612", 612), ("", None), ("n/a", None)])
def test_current_in_either_unit_and_sign(phones, adb, text, milliamperes):
    device = phones()
    (device.folder / "sys/class/power_supply/battery/current_now").write_text(f"{text}\n")
    assert power.battery(adb.device(device.serial)).current_ma == milliamperes


# AOSP, ThermalManagerService.java, dumpInternal; without a HAL as in google/aosp's own answer on an emulator.
THERMAL = """IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
\tTemperature{mValue=29.1, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
HAL Ready: true
HAL connection:
\tThermalHAL AIDL 2  connected: yes
Current temperatures from HAL:
\tTemperature{mValue=41.5, mType=0, mName=BIG, mStatus=0}
\tTemperature{mValue=33.4, mType=3, mName=VIRTUAL-SKIN, mStatus=0}
"""


@pytest.mark.parametrize(
    ("text", "status", "skin_c"),
    [
        (THERMAL, 0, 33.4),
        (THERMAL.partition("Current")[0], 0, 29.1),
        ("Thermal Status: 0\nCached temperatures:\nHAL Ready: false\n", None, None),
    ],
)
def test_a_thermal_status_without_a_sensor_behind_it_is_unknown(phones, adb, text, status, skin_c):
    device = phones()
    (device.folder / "dumpsys/thermalservice").write_text(text)
    found = facts.state(adb.device(device.serial))
    assert (found.get("thermal_status"), found.get("skin_temperature_c")) == (status, skin_c)


def test_one_file_that_cannot_be_read_hides_no_other(phones, adb):
    device = phones()
    file = device.folder / "sys/devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq"
    file.unlink()
    file.mkdir()
    assert facts.clusters(adb.device(device.serial)).highest_khz == {0: 1704000, 1: 1704000, 3: 2914000}


@pytest.mark.parametrize(
    ("which", "chosen"),
    [("little", [0, 1, 2, 3]), ("mid", [4, 5, 6]), ("prime", [7]), ("big", [4, 5, 6, 7]), ("0x81", [0, 7])],
)
def test_cores_of_one_top_frequency_are_told_apart_by_their_capacity(which, chosen):
    """A SoC may clock its middle and its fastest cores alike."""
    khz = dict.fromkeys(range(4), 1_800_000) | dict.fromkeys(range(4, 8), 2_850_000)
    capacity = dict.fromkeys(range(4), 250) | dict.fromkeys(range(4, 7), 800) | {7: 1024}
    assert facts.Clusters(khz, capacity).chosen(which) == chosen


def test_what_a_process_holds_for_the_gpu(phones, adb):
    """The rows of ``dumpsys meminfo PID`` (AOSP, android_os_Debug.cpp: "EGL mtrack", "GL mtrack")."""
    device = phones()
    rows = "   EGL mtrack    28800    28800        0\n    GL mtrack    64000    64000        0\n"
    (device.folder / "dumpsys/meminfo").write_text(f"          Pss  Private\n{rows}")
    assert facts.gpu_memory_bytes(adb.device(device.serial), "1") == 92800 * 1024
    (device.folder / "dumpsys/meminfo").write_text("          Pss  Private\n")
    assert facts.gpu_memory_bytes(adb.device(device.serial), "1") is None
