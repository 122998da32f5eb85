"""What is set on a device for measuring, and put back."""

from __future__ import annotations

import pytest

from benchmarks.android.adb import Adb, Device
from benchmarks.android.files import FOLDER
from benchmarks.android.modes import maker_s_mode
from converters.errors import ExportError
from tests.fakes import phone
from tests.fakes.adbd import Fault
from tests.fakes.phone import left_behind

FIXED_ON, FIXED_OFF = (f"power set-fixed-performance-mode-enabled {word}" for word in ("true", "false"))
ONCE = {"runs": 1, "blocks": 1}


def settings_of(device):
    return {path.name: path.read_text().strip() for path in (device.folder / "settings").rglob("*") if path.is_file()}


def test_steady_clocks_are_asked_for_marked_and_switched_off_again(phones, run):
    device = phones()
    (one,) = run(device, fixed_performance=True, **ONCE).runs
    assert left_behind(device) == []
    assert (device.folder / "cmd.log").read_text().splitlines() == [FIXED_ON, FIXED_OFF]
    assert one.marks == ("fixed-performance mode",)


def test_the_mode_of_steady_clocks_is_off_unless_it_is_asked_for(phones, run):
    device = phones()
    (one,) = run(device, **ONCE).runs
    assert one.conditions["fixed performance"] == "off"
    assert not (device.folder / "cmd.log").exists()


def test_a_device_that_has_not_the_mode_is_not_marked(phones, run):
    """PowerManagerShellCommand.java (AOSP) says so, and ends with -1."""
    device = phones()
    phone.program(device.folder, "cmd", 'echo "Failed to set FIXED_PERFORMANCE mode" >&2; exit 255')
    (one,) = run(device, fixed_performance=True, **ONCE).runs
    assert (one.marks, one.conditions["fixed performance"]) == ((), "off")


def test_a_mode_that_nobody_could_switch_off_is_at_the_next_connection(phones, run):
    device = phones()
    device.faults.append(Fault("enabled false", "disconnect"))
    run(device, fixed_performance=True, **ONCE)
    assert (device.folder / "cmd.log").read_text().splitlines() == [FIXED_ON]
    assert Device(Adb(), device.serial).wait(20)
    run(device, **ONCE)
    assert (device.folder / "cmd.log").read_text().splitlines() == [FIXED_ON, FIXED_OFF]
    assert not (device.folder / FOLDER[1:] / "fixed-performance").exists()


def test_the_screen_stays_on_and_its_settings_are_put_back(phones, run):
    device = phones()
    (device.folder / "settings/system").mkdir(parents=True)
    (device.folder / "settings/system/screen_off_timeout").write_text("60000\n")
    seen = []
    device.watch = lambda command: seen.append(settings_of(device)) if "num_runs" in command else None
    run(device, **ONCE)
    assert seen == [{"stay_on_while_plugged_in": "7", "screen_off_timeout": "1800000"}]
    assert settings_of(device) == {"screen_off_timeout": "60000"}
    assert (device.folder / "screen.log").read_text().splitlines() == [
        "input keyevent KEYCODE_WAKEUP",
        "wm dismiss-keyguard",
    ]
    assert left_behind(device) == []


def test_settings_that_nobody_could_put_back_are_at_the_next_connection(phones, run):
    device = phones()
    device.faults.append(Fault("settings delete", "disconnect", skip=1))
    run(device, **ONCE)
    assert settings_of(device) != {}
    assert Device(Adb(), device.serial).wait(20)
    run(device, **ONCE)
    assert settings_of(device) == {}


# Android's; as MIUI's and ColorOS' own apps read theirs (Settings.System.getInt(..., 0) == 1).
@pytest.mark.parametrize(
    "setting", ["global/low_power", "system/POWER_SAVE_MODE_OPEN", "system/super_powersave_mode_state"]
)
def test_a_battery_saver_is_refused(phones, run, setting):
    device = phones()
    (device.folder / "settings" / setting).parent.mkdir(parents=True)
    (device.folder / "settings" / setting).write_text("1\n")
    with pytest.raises(ExportError, match="saves its battery, which lowers its clocks"):
        run(device, **ONCE)


MODES = {
    "enhanced processing": "global/sem_enhanced_cpu_responsiveness",
    "high performance mode": "system/high_performance_mode_on",
    "performance mode": "system/speed_mode",
}


@pytest.mark.parametrize(
    ("name", "value", "found"), [*((name, "1", "on") for name in MODES), ("enhanced processing", "0", "off")]
)
def test_the_maker_s_own_mode_is_a_condition(phones, adb, name, value, found):
    device = phones()
    file = device.folder / "settings" / MODES[name]
    assert maker_s_mode(adb.device(device.serial)) == {}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{value}\n")
    assert maker_s_mode(adb.device(device.serial)) == {name: found}


def test_a_screen_that_does_not_go_on_is_refused_and_one_that_goes_off_is_marked(phones, run, monkeypatch):
    """PowerManagerService.java (AOSP), dumpInternal; the words are PowerManagerInternal.wakefulnessToString's."""
    monkeypatch.setattr("benchmarks.android.modes._WAKE_SECONDS", 0.1)
    device = phones()
    power = device.folder / "dumpsys/power"
    power.write_text("Power Manager State:\n  mWakefulness=Asleep\n  mWakefulnessChanging=false\n")
    with pytest.raises(ExportError, match="is off and does not go on"):
        run(device, **ONCE)
    phone.program(device.folder, "input", 'echo "  mWakefulness=Awake" > "$FAKE_DEVICE/dumpsys/power"')
    device.watch = lambda command: "num_runs" in command and power.write_text("  mWakefulness=Dozing\n")
    (one,) = run(device, **ONCE).runs
    assert one.marks == ("screen off",)
    assert (one.before["screen"], one.after["screen"]) == ("on", "off")
