"""The preview on a phone: a real adb leads the phone's port to this machine, and opens the page there."""

from __future__ import annotations

import pytest

from benchmarks.cli.phone import opened_on_phone
from converters.errors import ExportError
from tests.fakes import phone
from tests.fakes.adbd import Fault

ADDRESS = "http://127.0.0.1:8642/name/"


@pytest.fixture
def connected(phones):
    device = phones()
    phone.program(device.folder, "am", "exit 0")
    return device


def test_the_phone_opens_the_page_and_is_left_as_it_was(connected):
    with opened_on_phone(8642, ADDRESS):
        assert "reverse:forward:tcp:8642;tcp:8642" in connected.commands
        assert f"am start -a android.intent.action.VIEW -d {ADDRESS}" in connected.commands
        assert not any("killforward" in command for command in connected.commands)
    assert connected.commands[-1] == "reverse:killforward:tcp:8642"


def test_a_port_that_the_phone_refuses_is_an_error(connected):
    connected.faults.append(Fault("reverse:forward", "exit:1"))
    with pytest.raises(ExportError, match="cannot forward port 8642"), opened_on_phone(8642, ADDRESS):
        raise AssertionError("nothing is opened")


def test_a_phone_that_goes_away_does_not_hide_the_end(connected):
    with opened_on_phone(8642, ADDRESS):
        connected.faults.append(Fault("reverse:killforward", "exit:1"))


def test_of_several_phones_one_is_named(connected, phones, monkeypatch):
    other = phones()
    phone.program(other.folder, "am", "exit 0")
    with pytest.raises(ExportError, match="ANDROID_SERIAL"), opened_on_phone(8642, ADDRESS):
        raise AssertionError("nothing is opened")
    monkeypatch.setenv("ANDROID_SERIAL", other.serial)
    with opened_on_phone(8642, ADDRESS):
        assert any(command.startswith("reverse:forward") for command in other.commands)
    assert not any(command.startswith("reverse:") for command in connected.commands)


def test_without_a_phone_it_says_so(adb):
    with pytest.raises(ExportError, match="there is no Android device"), opened_on_phone(8642, ADDRESS):
        raise AssertionError("nothing is opened")
