"""What goes wrong between here and a device, and what is kept then."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

import pytest

from benchmarks.android.adb import Adb, Device
from benchmarks.formats import load
from benchmarks.record import Record
from converters.errors import ExportError
from tests.fakes import phone
from tests.fakes.adbd import Fault
from tests.fakes.phone import asked, left_behind

pytestmark = pytest.mark.long


def test_a_device_that_comes_back_goes_on(phones, run):
    device = phones()
    device.faults.append(Fault("num_runs", "disconnect", skip=2, after=0.05))
    result = run(device, tool_options={"sleep": 0.2})
    assert result.failures == ()
    assert len(result.runs[0].samples_ms) == 5
    assert left_behind(device) == []


def test_a_cable_pulled_in_the_middle_of_a_block_is_no_failure_and_leaves_nothing_running(phones, run, tmp_path):
    """The tool has printed by then: adb's 255 is told from the tool's by its missing last line."""
    device = phones()
    device.faults.append(Fault("num_runs", "disconnect", skip=1, after=0.6))
    phone.program(device.folder, "logcat", 'case "$*" in *--pid*) echo "I tflite  : of one process";; esac')
    result = run(device, blocks=3, logs=tmp_path / "logs", tool_options={"sleep": 2.0, "alone": True})
    assert result.failures == ()
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text().count("I tflite  : of one process") == 4
    assert len(result.runs[0].samples_ms) == 3
    assert len(asked(device)) == 4


def test_what_a_tool_printed_before_it_hung_is_kept(phones, run, tmp_path):
    """A GPU's driver that never returns: its last line and Android's log say where."""
    device = phones()
    phone.program(device.folder, "logcat", 'case "$*" in *--pid*) echo "E Adreno  : GPU hang";; esac')
    result = run(device, blocks=1, logs=tmp_path / "logs", block_timeout_s=1, tool_options={"sleep": 60})
    assert re.search("benchmark_model hung", result.failures[0].reason)
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text().count("INFO: STARTING!") == log.read_text().count("E Adreno  : GPU hang") == 2


def test_a_tool_that_ends_with_255_has_failed(phones, run):
    device = phones()
    result = run(device, tool_options={"exit": 255})
    assert re.search("benchmark_model ended with 255", result.failures[0].reason)


def test_a_device_by_network_is_connected_again(phones, adb):
    device = phones(back=False)
    adb.run(["disconnect", device.serial])
    assert adb.devices() == []
    assert Device(adb, device.serial).wait(20)


def test_a_connection_that_was_never_answered_is_made_anew(phones, adb):
    """adb sometimes connects again by itself and then waits for ever (its log of 27 November 2026 shows two)."""
    device = phones(back=False)
    device.state = "offline"
    adb.run(["disconnect", device.serial])
    with suppress(TimeoutError):
        adb.run(["connect", device.serial], seconds=2)
    device.state = "device"
    assert Device(adb, device.serial).wait(20)


@pytest.mark.parametrize(
    ("serial", "transport"),
    [
        ("3704105H8094TU", "usb"),
        ("192.168.1.7:5555", "network"),
        ("adb-3704105H8094TU-xYz._adb-tls-connect._tcp", "network"),
        ("emulator-5554", "emulator"),
    ],
)
def test_how_a_device_is_reached(adb, serial, transport):
    assert Device(adb, serial).transport == transport


def test_a_device_that_goes_while_it_is_asked_for_its_state(phones, run):
    device = phones()
    device.faults.append(Fault("dumpsys thermalservice", "disconnect", skip=4))
    result = run(device)
    assert result.failures == ()
    assert len(result.runs[0].samples_ms) == 5


def test_a_device_that_goes_in_the_middle_of_a_push(phones, run, model):
    device = phones()
    device.faults.append(Fault(f"push .*{model.sha256}", "disconnect"))
    result = run(device)
    assert result.failures == ()
    assert left_behind(device) == []


def test_what_was_measured_stays_and_resume_goes_on(phones, run, model, tmp_path):
    device, path = phones(back=False), tmp_path / "bench.json"
    device.faults.append(Fault("num_runs", "disconnect", skip=3))
    result = run(device, record=Record(path), return_timeout_s=0.5)
    assert "does not answer any more" in result.failures[0].reason
    kept = load(path)
    assert [len(item.samples_ms) for item in kept.runs] == [3]
    assert kept.failures == result.failures
    Adb().run(["disconnect", device.serial])
    Adb().run(["connect", device.serial])
    whole = run(device, record=Record.continued(path))
    assert whole.failures == ()
    assert whole.runs[0].samples_ms[:3] == kept.runs[0].samples_ms
    assert len(load(path).runs[0].samples_ms) == 5
    before = len(asked(device))
    run(device, record=Record.continued(path))
    assert len(asked(device)) == before


def test_resume_refuses_other_conditions(phones, run, tmp_path):
    device, path = phones(), tmp_path / "bench.json"
    run(device, record=Record(path))
    with pytest.raises(ExportError, match="begun under other conditions:\n  pinned to: all cores then, big"):
        run(device, record=Record.continued(path), cores="big")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("push .*tflite", "full", times=9), "is full: .*No space left"),
        (Fault("push .*tflite", "cut", times=9), "kept 100000 of the 200000 bytes"),
        (Fault("num_runs", "cut", times=9), "did not finish; it printed"),
        (Fault("num_runs", "swallow", times=9), "did not finish; it printed: nothing"),
        (Fault("num_runs", "exit:134", times=9), "benchmark_model ended with 134"),
        (Fault("num_runs", "hang", times=9), "benchmark_model hung on .*no answer within 4 s"),
    ],
)
def test_what_fails_twice_is_one_clear_failure(phones, run, model, fault, message):
    device = phones()
    device.faults.append(replace(fault, pattern=fault.pattern.replace("num_runs", "num_threads=1")))
    other = replace(model, threads=2)
    subjects = [model] if "push" in fault.pattern else [model, other]
    result = run(device, subjects=subjects, block_timeout_s=1)
    (failure,) = result.failures
    assert re.search(message, failure.reason)
    assert [len(item.samples_ms) for item in result.runs] == [5] * (len(subjects) - 1)
    assert left_behind(device) == []


@pytest.mark.parametrize("action", ["cut", "hang", "exit:1"])
def test_what_fails_once_is_tried_again(phones, run, action):
    device = phones()
    device.faults.append(Fault("num_runs", action, skip=1))
    result = run(device, block_timeout_s=2)
    assert result.failures == ()
    assert len(result.runs[0].samples_ms) == 5
