"""Devices that ``adb devices`` lists and that are not ready, with what makes them so."""

from __future__ import annotations

import pytest

from benchmarks.android.adb import Adb, Listed
from converters.errors import ExportError
from tests.fakes import adb as fake


@pytest.fixture
def refused(tmp_path):
    """What choosing the only device says, where it is in some state."""

    def error(state):
        program = fake.program(tmp_path / "adb", f"SERIAL\t{state}")
        with pytest.raises(ExportError) as raised:
            Adb(program).device()
        return raised.value

    return error


@pytest.mark.parametrize("state", fake.NO_RULE.values(), ids=fake.NO_RULE.keys())
def test_a_device_without_a_udev_rule_gets_advice_about_the_rule(refused, state):
    error = refused(state)
    assert error.what.startswith("adb may not use SERIAL: ")
    assert "add a udev rule" in error.next_step
    assert "wait until" not in error.next_step


@pytest.mark.parametrize("state", fake.NO_GROUP.values(), ids=fake.NO_GROUP.keys())
def test_a_user_outside_the_group_gets_advice_about_the_group(refused, state):
    assert "plugdev" in refused(state).what
    assert "usermod -aG plugdev" in refused(state).next_step


@pytest.mark.parametrize(
    ("state", "advice"),
    [
        ("unauthorized", "accept 'Allow USB debugging"),
        ("authorizing", "accept 'Allow USB debugging"),
        ("offline", "adb reconnect offline"),
        ("recovery", "adb reboot"),
        ("sideload", "adb reboot"),
        ("bootloader", "fastboot reboot"),
        ("connecting", "wait until it has started"),
    ],
)
def test_every_other_state_has_its_advice(refused, state, advice):
    error = refused(state)
    assert error.what == f"SERIAL is {state}"
    assert advice in error.next_step


def test_the_reason_is_what_adb_says_in_brackets():
    listed = Listed.parse(f"SERIAL\t{fake.NO_RULE['2018, a user in plugdev']}")
    assert listed == Listed("SERIAL", "no permissions", "user in plugdev group; are your udev rules wrong?")
    assert Listed.parse("127.0.0.1:5555\tdevice") == Listed("127.0.0.1:5555", "device")
