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


# What each says of processes 7 and 77, and who says it so.
GPU_MEMORY = {
    # Qualcomm's memtrack HAL reads these two (vendor/qcom/opensource/display, memtrack_kgsl.cpp).
    "kgsl": {
        "sys/class/kgsl/kgsl/proc/7/gpumem_mapped": "28800\n",
        "sys/class/kgsl/kgsl/proc/7/gpumem_unmapped": "64000\n",
    },
    # frameworks/native/services/gpuservice/gpumem/GpuMem.cpp, dump(); ", imported" since Android 16.
    "dumpsys gpu": {
        "dumpsys/gpu": "Memory snapshot for GPU 0:\nGlobal total: 391626752\nProc 7 total: 92800, imported: 4096\n"
        "Proc 77 total: 31166464\n"
    },
    # Amlogic's Mali driver; Arm's own has no numbers of processes (mali_kbase_gpu_memory_debugfs.c).
    "mali": {
        "sys/kernel/debug/mali0/gpu_memory": "    mali0            total used_pages      25939\n"
        "    kctx             pid              used_pages\n    f1dbf000      7       20\n"
        "    f1c19000      77        135\n    f1bb1000      7      3\n"
    },
    # AOSP, android_os_Debug.cpp: "EGL mtrack", "GL mtrack".
    "dumpsys meminfo": {
        "dumpsys/meminfo": "          Pss  Private\n   EGL mtrack    28800    28800        0\n"
        "    GL mtrack    64,000    64000        0\n"
    },
}
HELD = {"kgsl": 92800, "dumpsys gpu": 92800, "mali": 23 * 4096, "dumpsys meminfo": 92800 * 1024}


@pytest.mark.parametrize("source", GPU_MEMORY)
def test_what_a_process_holds_for_the_gpu(phones, adb, source):
    """The first of them that the shell may read counts."""
    device = phones()
    answers = list(GPU_MEMORY)
    for name in answers[answers.index(source) :]:
        for path, text in GPU_MEMORY[name].items():
            (device.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (device.folder / path).write_text(text)
    assert facts.gpu_memory(adb.device(device.serial), "7") == facts.GpuMemory(HELD[source], source)


@pytest.mark.parametrize("source", GPU_MEMORY)
def test_while_a_model_is_timed_nothing_dearer_is_asked_than_what_has_answered(phones, adb, source):
    """``dumpsys meminfo`` is work for the device, once a second."""
    asked = []
    phone = adb.device(phones().serial)
    phone.text = lambda command: asked.append(command[2]) or ""
    commands = ("kgsl", "dumpsys gpu", "mali0", "dumpsys meminfo")
    assert facts.gpu_memory(phone, "7", facts.GpuMemory(1, source)) is None
    (script,) = asked
    assert [name in script for name in commands] == [at <= list(GPU_MEMORY).index(source) for at in range(4)]


@pytest.mark.parametrize(
    "silent",
    [
        {},
        {"dumpsys/meminfo": "          Pss  Private\n"},
        {"dumpsys/gpu": "GPU memory usage maps are empty\n"},
        {"sys/kernel/debug/mali0/gpu_memory": "mali0                  23881\n  kctx-0xffffff800b3c1000       4007\n"},
    ],
    ids=["nothing", "meminfo", "gpuservice", "Arm's Mali"],
)
def test_where_nobody_says_what_a_process_holds_for_the_gpu(phones, adb, silent):
    device = phones()
    for path, text in silent.items():
        (device.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (device.folder / path).write_text(text)
    assert facts.gpu_memory(adb.device(device.serial), "4007") is None
