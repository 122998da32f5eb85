"""Latencies on a device, in blocks, with the conditions that they were taken under."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from benchmarks.comparing import comparable
from benchmarks.results import Bench
from converters.errors import ExportError
from tests.fakes import phone
from tests.fakes.phone import asked


@pytest.mark.parametrize("form", ["current", "old", "new"])
def test_a_run_holds_blocks_conditions_and_states(phones, run, form):
    device = phones()
    (one,) = run(device, form=form).runs
    assert one.name == f"modnet_fp32.tflite 1T on adb:{device.serial}"
    assert len(one.samples_ms) == len(one.blocks) == len(one.at_s) == 5
    assert {block.count for block in one.blocks} == {2}
    assert one.median_ms == pytest.approx(10.05, abs=0.1)
    assert (one.init_ms, one.peak_memory_bytes) == (
        pytest.approx(1361.24, abs=0.1),
        pytest.approx(93.24e6, rel=1e-3),
    )
    assert one.conditions["device"] == "Google Pixel 8"
    assert one.conditions["cores"] == "2 x 1.70 GHz + 1 x 2.37 GHz + 1 x 2.91 GHz"
    assert one.conditions["runs a sample"] == 2
    assert one.before["thermal_status"] == 0
    assert one.before["battery_temperature_c"] == 28.7
    assert one.marks == ()


def test_models_take_turns(phones, run, model):
    device = phones()
    run(device, subjects=[model, replace(model, threads=4)])
    threads = [next(flag for flag in call if "num_threads" in flag) for call in asked(device)]
    assert threads == ["--num_threads=1", "--num_threads=4"] * 5


@pytest.mark.parametrize(("cores", "affinity"), [("big", "c"), ("little", "3")])
def test_cores_are_chosen_by_their_frequency(phones, run, cores, affinity):
    device = phones()
    (one,) = run(device, cores=cores).runs
    assert set((device.folder / "taskset.log").read_text().split()) == {affinity}
    assert str(one.conditions["pinned to"]).startswith(cores)


def test_partly_delegated_models_are_marked(phones, run, model):
    device = phones()
    gpu = replace(model, delegate="gpu")
    (one,) = run(device, subjects=[gpu], tool_options={"delegated": (50, 58)}).runs
    assert one.marks == ("only 50 of 58 nodes on the gpu",)
    assert "--use_gpu=true" in asked(device)[0]


@pytest.mark.long
def test_sustained_load_shows_its_time(phones, run):
    (one,) = run(phones(), sustained_minutes=0.05, tool_options={"sleep": 0.2}).runs
    assert one.at_s[-1] > 1.5
    assert list(one.at_s) == sorted(one.at_s)


@pytest.mark.long
def test_throttling_is_marked_and_never_compared_with_a_cool_run(phones, run):
    device = phones()
    hot = run(device, tool_options={"throttle": True})
    # The device stays warm: the next block starts so.
    assert hot.runs[0].marks == ("started warm: thermal status moderate", "throttled: thermal status moderate")
    (device.folder / "dumpsys/thermalservice").write_text(phone.THERMAL.format(status=0))
    cool = run(device)
    # The stand-ins of the two are different files.
    alike = replace(hot.runs[0], conditions=cool.runs[0].conditions)
    with pytest.raises(ExportError, match=r"no marks and started warm: .*, throttled: thermal status moderate"):
        comparable(cool, Bench("x", (replace(alike, name=cool.runs[0].name),)))


def test_measuring_waits_for_a_cool_device(phones, run):
    device = phones()
    status = device.folder / "dumpsys/thermalservice"
    status.write_text(phone.THERMAL.format(status=1))
    threading.Timer(1.0, lambda: status.write_text(phone.THERMAL.format(status=0))).start()
    (one,) = run(device, cool_timeout_s=60).runs
    assert one.marks == ()
    assert not any("started warm" in mark for mark in one.marks)


@pytest.mark.long
def test_four_devices_take_about_as_long_as_one(phones, run):
    devices = [phones(back=False) for _ in range(4)]
    options = {"tool_options": {"sleep": 1.5}, "runs": 2}
    start = time.monotonic()
    run(devices[0], **options)
    one = time.monotonic() - start
    start = time.monotonic()
    result = run(*devices, **options)
    four = time.monotonic() - start
    assert len({run.name for run in result.runs}) == 4
    assert four < 2.5 * one  # one after the other: 4


def test_a_device_that_tells_little(phones, run):
    """Before Android 10 there is no thermal service; many kernels hide frequencies."""
    device = phones(properties={"ro.build.version.sdk": "28"})
    for path in [*(device.folder / "dumpsys").iterdir(), *(device.folder / "sys").rglob("*_*")]:
        if path.is_file():
            path.unlink()
    (one,) = run(device).runs
    assert one.marks == ("thermal status unknown",)
    assert one.conditions["cores"] == "unknown"
    assert not (device.folder / "cmd.log").exists()


@pytest.mark.long
def test_an_overridden_thermal_status_is_not_believed(phones, run):
    device = phones()
    text = phone.THERMAL.format(status=0).replace("IsStatusOverride: false", "IsStatusOverride: true")
    (device.folder / "dumpsys/thermalservice").write_text(text)
    (one,) = run(device).runs
    assert one.marks == ("thermal status unknown",)


def test_odd_locales_are_read(phones, run):
    device = phones()
    battery = phone.BATTERY.format(powered="true").replace("287", "٢٨٧").replace("4012", "٤٠١٢")
    (device.folder / "dumpsys/battery").write_text(battery)
    (one,) = run(device, form="new", tool_options={"comma": True}).runs
    assert one.before["battery_temperature_c"] == 28.7
    assert one.median_ms == pytest.approx(10.05, abs=0.1)
