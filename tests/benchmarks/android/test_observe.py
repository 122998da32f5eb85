"""Memory, energy and the profile of ops: taken after the latencies."""

from __future__ import annotations

import itertools
import re
import threading
import time

import pytest

from tests.benchmarks.android.test_preflight import RAILS
from tests.fakes import benchmark_model


@pytest.mark.long
def test_memory_is_sampled_apart_from_the_latencies(phones, run):
    device = phones()
    (one,) = run(device, memory=True, tool_options={"sleep": 0.5}).runs
    assert len(one.samples_ms) == 5
    assert max(one.pss_bytes) > 5e6  # of a Python process, once it is one


def test_the_profile_is_kept_as_the_tool_wrote_it(phones, run, tmp_path):
    device = phones()
    (one,) = run(device, profile=True, profiles=tmp_path / "profiles").runs
    assert [item.op for item in one.profile] == ["CONV_2D", "DEPTHWISE_CONV_2D", "RESIZE_BILINEAR"]
    (csv,) = (tmp_path / "profiles").iterdir()
    assert csv.read_bytes() == benchmark_model.PROFILE.read_bytes()


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("benchmarks.android.observe._ENERGY_SECONDS", 0.05)
    monkeypatch.setattr("benchmarks.android.observe._IDLE_SECONDS", 3.0)
    monkeypatch.setattr("benchmarks.android.observe._SETTLE_SECONDS", 0.2)


@pytest.mark.long
def test_energy_is_what_the_model_adds_to_the_device_at_rest(phones, run, short):
    device = phones(powered=False)
    calls, readings, began = itertools.count(), itertools.count(), []
    gauge, running = device.folder / "sys/class/power_supply/battery/current_now", threading.Event()

    def watch(command):
        if "num_runs" in command and next(calls) == 1:  # the first is timed, the second is observed
            began.append(time.monotonic())
            running.set()
        elif "current_now" in command:
            # The stand-in says that it loads for 1.36 s: more is drawn then, and does not count.
            loading = running.is_set() and time.monotonic() < began[0] + 1.2
            milliamperes = (2000 if loading else 600 if running.is_set() else 200) + next(readings) % 7
            gauge.write_text(f"-{milliamperes}000\n")

    device.watch = watch
    (one,) = run(device, energy=True, blocks=1, runs=2, tool_options={"sleep": 7.0}).runs
    assert one.energy is not None, one.energy_refused
    assert one.energy.mean_watts == pytest.approx(0.4 * 4.012, rel=0.02)
    assert one.energy.joules_per_inference == pytest.approx(one.energy.mean_watts * 0.01, rel=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("USB powered: false", "USB powered: true"), "is charging"),
        (("state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n"), r"set by hand \(UPDATES STOPPED\)"),
    ],
)  # fmt: skip
def test_energy_is_refused_where_the_gauge_says_nothing_about_it(phones, run, short, change, message):
    device = phones(powered=False)
    file = device.folder / "dumpsys/battery"
    file.write_text(file.read_text().replace(*change))
    (one,) = run(device, energy=True, blocks=1, runs=2).runs
    assert one.energy is None
    assert re.search(message, one.energy_refused)


@pytest.mark.long
def test_a_gauge_that_repeats_itself_is_no_measurement(phones, run, short):
    (one,) = run(phones(powered=False), energy=True, blocks=1, runs=2, tool_options={"sleep": 2.0}).runs
    assert one.energy is None
    assert "gave 1 different readings" in one.energy_refused


@pytest.mark.long
def test_where_the_current_is_hidden_the_charge_counter_tells(phones, run, short, monkeypatch):
    """Android's own ``dumpsys battery`` has a counter: 0.5 A more while the model runs is 0.139 mAh a second."""
    monkeypatch.setattr("benchmarks.android.observe._ENERGY_SECONDS", 3.0)
    device = phones(powered=False)
    (device.folder / "sys/class/power_supply/battery/current_now").unlink()
    calls, running, last = itertools.count(), threading.Event(), [time.monotonic(), 3_000_000.0]
    battery = device.folder / "dumpsys/battery"
    text = battery.read_text()

    def watch(command):
        if "num_runs" in command and next(calls) == 1:
            running.set()
        elif command == "dumpsys battery":
            now = time.monotonic()
            last[1] -= (now - last[0]) / 3.6 * (700_000 if running.is_set() else 200_000) / 1e3
            last[0] = now
            battery.write_text(text.replace("  level:", f"  Charge counter: {last[1]:.0f}\n  level:"))

    device.watch = watch
    (one,) = run(device, energy=True, blocks=1, runs=2, tool_options={"sleep": 7.0}).runs
    assert one.energy is not None, one.energy_refused
    assert one.energy.mean_watts == pytest.approx(0.5 * 4.012, rel=0.05)


@pytest.mark.long
def test_power_rails_are_told_also_while_the_device_charges(phones, run, short, monkeypatch):
    monkeypatch.setattr("benchmarks.android.observe._RAILS_SECONDS", 0.5)
    device = phones(powered=True)
    meter = device.folder / "dumpsys/android.hardware.power.stats.IPowerStats/default"
    meter.parent.mkdir()
    calls, running, last = itertools.count(), threading.Event(), [time.monotonic(), 5e6, 7e6]

    def watch(command):
        if "num_runs" in command and next(calls) == 1:
            running.set()
        elif "IPowerStats" in command:
            now = time.monotonic()
            last[1] += (now - last[0]) * (900 if running.is_set() else 100)
            last[2] += (now - last[0]) * 50
            last[0] = now
            meter.write_text(RAILS.replace("1234567.25", f"{last[1]:.2f}").replace("23456.75", f"{last[2]:.2f}"))

    device.watch = watch
    (one,) = run(device, energy=True, blocks=1, runs=2, tool_options={"sleep": 7.0}).runs
    assert one.energy is None
    assert "is charging" in one.energy_refused
    name, _, watts = one.after["power_rails_watts"].rpartition(" ")
    assert name == "S4M_VDD_CPUCL0 CPU"  # the GPU's rail takes no more than at rest
    assert float(watts) == pytest.approx(0.8, rel=0.05)
