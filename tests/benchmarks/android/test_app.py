"""Latencies that an app measures."""

from __future__ import annotations

import json
import re

import pytest

from benchmarks.android.files import FOLDER
from benchmarks.android.settings import Activity
from tests.fakes import phone

ACTIVITY = Activity.parse("dev.modnet.demo/.BenchmarkActivity")


def install(device, result):
    files = "$FAKE_DEVICE/sdcard/Android/data/dev.modnet.demo/files"
    (device.folder / "result.json").write_text(json.dumps(result))
    phone.program(
        device.folder,
        "am",
        'echo "$@" >> "$FAKE_DEVICE/am.log"\n[ "$1" = force-stop ] && exit 0\n'
        'while [ $# -gt 0 ]; do if [ "$2" = output ]; then name="$3"; fi; shift; done\n'
        f'mkdir -p {files}; (sleep 0.7; cp "$FAKE_DEVICE/result.json" {files}/"$name") >/dev/null 2>&1 &',
    )


@pytest.mark.long
def test_samples_of_an_app_are_single_runs(phones, run):
    device = phones()
    install(device, {"samples_ms": [10.0, 11.0], "warmup_ms": [30.0], "init_ms": 5.0, "first_ms": 30.0})
    (one,) = run(device, app=ACTIVITY).runs
    assert one.samples_ms == (10.0, 11.0) * 5
    assert (one.conditions["tool"], one.conditions["runs a sample"]) == (str(ACTIVITY), 1)
    calls = (device.folder / "am.log").read_text().splitlines()
    assert calls[0].startswith(f"start -W -S -n {ACTIVITY} --es model {device.folder}{FOLDER}/")
    assert "--es delegate cpu" in calls[0]
    assert "--ei threads 1 --ei runs 2" in calls[0]
    assert calls[-1] == "force-stop dev.modnet.demo"
    assert not list((device.folder / "sdcard").rglob("bench-*"))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"error": "no GPU"}, "failed: no GPU"),
        ({}, "measured nothing"),
        ([1], "cannot read bench-"),
        ({"samples_ms": [10.0, -1.0]}, "cannot read bench-"),
        ({"samples_ms": [float("nan")]}, "cannot read bench-"),
        ({"samples_ms": [10.0], "init_ms": -5.0}, "cannot read bench-"),
    ],
)
def test_what_the_app_says_is_wrong_is_reported(phones, run, result, message):
    device = phones()
    install(device, result)
    assert re.search(message, run(device, app=ACTIVITY).failures[0].reason)


def test_an_app_that_is_not_installed(phones, run):
    device = phones()
    phone.program(device.folder, "am", 'echo "Error: Activity class {x/y} does not exist." >&2')
    assert re.search(r"cannot start [^$]*install the app", run(device, app=ACTIVITY).failures[0].reason)
