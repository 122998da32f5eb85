"""Latencies that an app measures."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.android.files import FOLDER
from benchmarks.android.session import DeviceSession
from benchmarks.android.settings import Activity, AndroidSettings
from benchmarks.cli.tables import say_bench
from benchmarks.results import Bench
from benchmarks.statistics import FEWEST_BLOCKS
from converters.errors import ExportError
from modnet_export import Size
from modnet_export.record.contract import Contract
from modnet_export.record.measures import Tolerance
from modnet_export.verifying.parity import Sample
from tests.benchmarks.android.conftest import IMAGE
from tests.fakes import phone

ACTIVITY = Activity.parse("dev.modnet.demo/.BenchmarkActivity")


MATTE = np.linspace(0, 1, 96 * 128, dtype=np.float32).reshape(1, 96, 128, 1)
MEASURED = {"samples_ms": [10.0, 11.0], "warmup_ms": [30.0], "init_ms": 5.0, "first_ms": 30.0}


def install(device, result, matte=b""):
    """An app that leaves a result, and this matte."""
    files = "$FAKE_DEVICE/sdcard/Android/data/dev.modnet.demo/files"
    (device.folder / "result.json").write_text(json.dumps(result))
    (device.folder / "result.matte").write_bytes(matte)
    phone.program(
        device.folder,
        "am",
        'echo "$@" >> "$FAKE_DEVICE/am.log"\n[ "$1" = force-stop ] && exit 0\n'
        'while [ $# -gt 0 ]; do if [ "$2" = output ]; then name="$3"; fi; shift; done\n'
        f'mkdir -p {files}; cp "$FAKE_DEVICE/result.matte" {files}/"${{name%.json}}.matte"\n'
        f'(sleep 0.7; cp "$FAKE_DEVICE/result.json" {files}/"$name") >/dev/null 2>&1 &',
    )


@pytest.mark.long
def test_samples_of_an_app_are_single_runs(phones, run):
    device = phones()
    more = {"at_s": [0.0, 0.02], "end_to_end_ms": [40.0], "cold_start_ms": 800.5, "pss_bytes": 90_000_000}
    install(device, {**MEASURED, **more, "before": {"thermal_status": 1}, "after": {"thermal_status": 2}})
    (one,) = run(device, app=ACTIVITY).runs
    assert one.samples_ms == (10.0, 11.0) * 5
    assert one.at_s[::2] == one.at_s[1::2]  # those of one start are one turn
    assert len(set(one.at_s)) == 5
    assert (one.conditions["tool"], one.conditions["a sample is"]) == (str(ACTIVITY), "one run")
    calls = (device.folder / "am.log").read_text().splitlines()
    assert calls[0].startswith(f"start -W -S -n {ACTIVITY} --es model {device.folder}{FOLDER}/")
    assert "--es delegate cpu" in calls[0]
    assert "--ei threads 1 --ei runs 2 --ei seconds 2 --ei height 96 --ei width 128" in calls[0]
    assert re.search(
        f"--es ports float32 --es image {re.escape(f'{device.folder}{FOLDER}')}/run-\\w+/\\w+/image.raw ", calls[0]
    )
    assert len([path for path in device.pushed if "image.raw" in path]) == 1
    assert (one.end_to_end_ms, one.cold_start_ms) == ((40.0,) * 5, (800.5,) * 5)
    assert one.pss_bytes == (90_000_000,) * 5
    # Beside what adb's shell reads.
    assert (one.before["thermal_status in the app"], one.after["thermal_status in the app"]) == (1, 2)
    assert "thermal_status" in one.after
    assert calls[-1] == "force-stop dev.modnet.demo"
    assert not list((device.folder / "sdcard").rglob("bench-*"))


@pytest.mark.long
def test_a_fast_model_is_started_as_often_as_a_slow_one(phones, run, model):
    """Two seconds hold more runs than were asked for: models still take turns, and starts are what differs most."""
    device = phones()
    install(device, {**MEASURED, "samples_ms": [10.0] * 200})
    runs = run(device, subjects=(model, replace(model, threads=2)), app=ACTIVITY).runs
    assert [len(one.samples_ms) for one in runs] == [1000, 1000]
    starts = [line for line in (device.folder / "am.log").read_text().splitlines() if line.startswith("start")]
    assert ["--ei threads 1 " in start for start in starts] == [True, False] * 5


def test_a_sustained_load_is_one_long_process_of_an_app_and_keeps_its_clocks(phones, run, capsys):
    device = phones()
    trace = [
        {"at_s": index / 10, "thermal_status": index // 10, "scaling_cur_freq": f"{1800000 - 50000 * index}, 2400000"}
        for index in range(20)
    ]
    install(device, {**MEASURED, "at_s": [0.25, 0.5], "trace": trace})
    (one,) = run(device, app=ACTIVITY, sustained_minutes=0.01).runs
    (start,) = [line for line in (device.folder / "am.log").read_text().splitlines() if line.startswith("start")]
    assert "--ei runs 1 --ei seconds 1 " in start
    assert one.at_s[1] - one.at_s[0] == pytest.approx(0.25)
    assert len(one.trace) == 20
    assert one.trace[0].at_s == pytest.approx(one.at_s[0] - 0.25)
    assert one.after["duty_cycle"] < 0.8
    say_bench(Bench("s", (one,)))
    said = " ".join(capsys.readouterr().out.split())
    assert "thermal status up to 1, at the end the cores' clocks were at 78% of those at the beginning" in said


@pytest.mark.long
@pytest.mark.parametrize(
    ("matte", "passed"), [(MATTE, True), (MATTE * 0.9, False), (MATTE[:, 1:], None)], ids=["right", "wrong", "short"]
)
def test_the_matte_of_an_app_is_compared(phones, run, model, matte, passed):
    device = phones()
    install(device, {**MEASURED, "matte": "bench.matte"}, matte.tobytes())
    judged = replace(model, tolerance=Tolerance(mad=0.01))
    sample = Sample("photo", IMAGE, MATTE)
    result = run(device, subjects=(judged,), app=ACTIVITY, samples=(sample,), runs=1)
    assert [item.passed for item in result.parity] == ([] if passed is None else [passed])
    assert [item.reason for item in result.failures if "gave 48640 bytes" in item.reason] or passed is not None
    assert not list((device.folder / "sdcard").rglob("bench-*"))


def test_an_app_that_leaves_no_matte_is_said(phones, run):
    device = phones()
    install(device, MEASURED)
    failures = run(device, app=ACTIVITY, samples=(Sample("photo", IMAGE, MATTE),), runs=1).failures
    assert re.search("gave 0 bytes.*take a newer app", failures[0].reason, re.DOTALL)


def test_ports_that_an_app_cannot_fill_are_refused(phones, run, model):
    device = phones()
    install(device, MEASURED)
    other = replace(model, contract=Contract.of("coreml", Size(height=96, width=128)))
    assert "cannot run" in run(device, subjects=(other,), app=ACTIVITY).failures[0].reason


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"error": "no GPU"}, "failed: no GPU"),
        ({}, "measured nothing"),
        ([1], "cannot read bench-"),
        ({"samples_ms": [10.0, -1.0]}, "cannot read bench-"),
        ({"samples_ms": [float("nan")]}, "cannot read bench-"),
        ({"samples_ms": [10.0], "init_ms": -5.0}, "cannot read bench-"),
        ({"samples_ms": [10.0], "cold_start_ms": 0}, "cannot read bench-"),
        ({"samples_ms": [10.0], "at_s": [0.0, 1.0]}, "cannot read bench-"),
        ({"samples_ms": [10.0], "trace": [{"at_s": -1.0}]}, "cannot read bench-"),
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


# From Android's crash buffer, as tests of crash reporters hold it (FATAL EXCEPTION, then the exception).
# It keeps those of other apps, too.
OTHERS = """E/AndroidRuntime( 2222): FATAL EXCEPTION: main
E/AndroidRuntime( 2222): Process: com.example.notes, PID: 2222
E/AndroidRuntime( 2222): java.lang.SecurityException: not ours
"""
CRASH = f"""{OTHERS}E/AndroidRuntime( 4711): FATAL EXCEPTION: benchmark
E/AndroidRuntime( 4711): Process: dev.modnet.demo, PID: 4711
E/AndroidRuntime( 4711): java.lang.IllegalStateException: no GPU
"""
# A driver that crashes: debuggerd's tombstone, written by crash_dump (system/core, tombstone_proto_to_text.cpp),
# as in logs of Android 13.
TOMBSTONE = f"""{OTHERS}F/libc    ( 4711): Fatal signal 6 (SIGABRT), code -1 (SI_QUEUE) in tid 4730 (benchmark)
F/DEBUG   ( 4799): Cmdline: dev.modnet.demo
F/DEBUG   ( 4799): pid: 4711, tid: 4730, name: benchmark  >>> dev.modnet.demo <<<
F/DEBUG   ( 4799): signal 6 (SIGABRT), code -1 (SI_QUEUE), fault addr --------
F/DEBUG   ( 4799): Abort message: 'clEnqueueNDRangeKernel failed'
"""
ANR = "I am_anr  : [0,4711,dev.modnet.demo,545865286,Input dispatching timed out]\n"
OTHER = "topResumedActivity=ActivityRecord{1 u0 com.sec.android.app.launcher/.Launcher t1}\n"


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("crash", CRASH, r"ended without a result: [^/]*/AndroidRuntime\( 4711\): FATAL EXCEPTION.*no GPU"),
        ("crash", TOMBSTONE, r"ended without a result: F/DEBUG +\( 4799\): signal 6.*clEnqueueNDRangeKernel failed"),
        ("crash", OTHERS, r"ended without a result\n"),
        ("crash", CRASH.replace("4711", "4000"), r"ended without a result\n"),
        ("events", ANR, r"does not respond \(ANR\)"),
        ("dumpsys/activity", OTHER, "is not in front any more"),
        ("dumpsys/activity", "  KeyguardShowing=true\n", "was put aside: it is locked"),
        ("dumpsys/power", "  mWakefulness=Asleep\n", "was put aside: its screen is off"),
    ],
)
def test_an_app_that_will_give_no_result_is_noticed_at_once(phones, run, monkeypatch, file, text, message):
    def once(self, subject, part, work):
        try:
            return work()
        except ExportError as error:
            self.record.fail(subject, str(error), part)

    monkeypatch.setattr(DeviceSession, "retried", once)
    device = phones()
    phone.program(device.folder, "logcat", 'case "$*" in *events*) f=events;; *) f=crash;; esac; cat "$FAKE_DEVICE/$f"')
    (device.folder / "before").write_text(text)
    if file == "crash":  # it is seen to run once
        phone.program(device.folder, "pidof", 'cd "$FAKE_DEVICE"; [ -e seen ] && exit 1; touch seen; echo 4711')
    target = f'"$FAKE_DEVICE/{file}"'
    # In front at first; what goes wrong comes with its start, and is gone with the next.
    phone.program(device.folder, "am", f'[ "$1" = start ] && cp "$FAKE_DEVICE/before" {target}; echo "Status: ok"')
    started = time.monotonic()
    (failure,) = run(device, app=ACTIVITY, runs=1, block_timeout_s=300).failures
    assert re.search(message, failure.reason, re.DOTALL)
    assert time.monotonic() - started < 150


def test_an_app_is_started_as_often_as_a_tool(phones, run):
    """Models of one file are compared start by start, and below eight of them nobody can tell."""
    assert AndroidSettings(app=ACTIVITY).blocks >= FEWEST_BLOCKS
    device = phones()
    install(device, MEASURED)
    (one,) = run(device, app=ACTIVITY, blocks=2).runs
    assert len(set(one.at_s)) == 2


def test_a_device_is_seldom_asked_while_an_app_is_timed(phones, run, tmp_path):
    device = phones()
    install(device, MEASURED)
    phone.program(device.folder, "logcat", 'case "$*" in *--pid*) echo "I tflite  : by pid $5";; esac')
    am = device.folder / "bin/am"
    am.write_text(am.read_text().replace("sleep 0.7", "sleep 2"))
    run(device, app=ACTIVITY, blocks=1, logs=tmp_path / "logs")
    polls = [command for command in device.commands if command.startswith("test -f")]
    assert len(polls) > 2
    assert len([command for command in device.commands if "ResumedActivity" in command]) == 1
    (log,) = (tmp_path / "logs").iterdir()
    assert "I tflite  : by pid 4711" in log.read_text()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("dumpsys/power", "  mWakefulness=Dozing\n", "cannot show an app: its screen is off"),
        ("dumpsys/activity", "  mKeyguardShowing=true mAodShowing=false\n", "cannot show an app: it is locked"),
    ],
)
def test_a_phone_that_is_locked_is_said_before_anything_starts(phones, run, file, text, message):
    device = phones()
    (device.folder / file).write_text(text)
    assert message in run(device, app=ACTIVITY, runs=1).failures[0].reason
    assert not (device.folder / "am.log").exists()


def test_an_activity_that_does_not_come_up(phones, run):
    device = phones()
    phone.program(device.folder, "am", 'printf "Starting: Intent\\nStatus: timeout\\nActivity: x\\nComplete\\n"')
    assert "cannot start" in run(device, app=ACTIVITY, runs=1).failures[0].reason


def test_which_build_of_the_app_measured_is_a_condition(phones, run):
    device = phones()
    install(device, MEASURED)
    (device.folder / "dumpsys/package").write_text("    versionCode=27 minSdk=24 targetSdk=36\n")
    (device.folder / "sdcard").mkdir()
    (device.folder / "sdcard/base.apk").write_bytes(b"an app")
    phone.program(device.folder, "pm", 'echo "package:$FAKE_DEVICE/sdcard/base.apk"')
    (one,) = run(device, app=ACTIVITY, runs=1).runs
    assert one.conditions["app version"] == "27"
    assert one.conditions["apk"] == hashlib.sha256(b"an app").hexdigest()[:12]


def test_every_part_of_an_app_counts(phones, run):
    """One that came as a bundle has its native libraries in an APK of their own, as ``pm path`` lists them."""
    device = phones()
    install(device, MEASURED)
    (device.folder / "sdcard").mkdir()
    for name in ("base.apk", "split_config.arm64_v8a.apk"):
        (device.folder / "sdcard" / name).write_bytes(name.encode())
    phone.program(device.folder, "pm", 'for f in "$FAKE_DEVICE"/sdcard/*.apk; do echo "package:$f"; done')
    (before,) = run(device, app=ACTIVITY, runs=1).runs
    (device.folder / "sdcard/split_config.arm64_v8a.apk").write_bytes(b"another LiteRT")
    (after,) = run(device, app=ACTIVITY, runs=1).runs
    assert before.conditions["apk"] != after.conditions["apk"]
