"""Latencies on a device, in blocks, with the conditions that they were taken under."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from dataclasses import replace

import pytest

from benchmarks.android.flags import Gpu
from benchmarks.cli.tables import say_bench
from benchmarks.comparing import comparable
from benchmarks.record import Record
from benchmarks.results import Bench
from converters.errors import ExportError
from modnet_export.verifying.parity import Sample
from tests.benchmarks.android.conftest import IMAGE
from tests.fakes import phone
from tests.fakes.phone import asked


@pytest.mark.parametrize("form", ["current", "old", "litert"])
def test_a_run_holds_blocks_conditions_and_states(phones, run, form):
    device = phones()
    (one,) = run(device, form=form).runs
    assert one.name == f"modnet_fp32.tflite 1T on adb:{device.serial}"
    assert len(one.samples_ms) == len(one.blocks) == len(one.at_s) == 5
    assert {block.count for block in one.blocks} == {2}
    assert one.median_ms == pytest.approx(10.05, abs=0.1)
    assert one.init_ms == pytest.approx(1361.24, abs=0.1)
    assert one.conditions["device"] == "Google Pixel 8"
    assert one.conditions["cores"] == "2 x 1.70 GHz + 1 x 2.37 GHz + 1 x 2.91 GHz"
    assert one.conditions["a sample is"] == "the mean of at least 2 runs and 2 s"
    assert one.conditions["identity"] == hashlib.sha256(b"3704105H8094TU").hexdigest()[:12]
    assert one.before["thermal_status"] == 0
    assert one.before["battery_temperature_c"] == 28.7
    assert one.marks == ()


def test_models_take_turns(phones, run, model):
    device = phones()
    run(device, subjects=[model, replace(model, threads=4)])
    threads = [next(flag for flag in call if "num_threads" in flag) for call in asked(device)]
    assert threads == ["--num_threads=1", "--num_threads=4"] * 5


@pytest.mark.parametrize(
    ("cores", "affinity"), [("big", "c"), ("little", "3"), ("mid", "4"), ("prime", "8"), ("0x5", "5")]
)
def test_cores_are_chosen_by_their_frequency(phones, run, cores, affinity):
    device = phones()
    (one,) = run(device, cores=cores, blocks=1).runs
    assert set((device.folder / "taskset.log").read_text().split()) == {affinity}
    assert str(one.conditions["pinned to"]).startswith(cores)


def test_partly_delegated_models_are_marked(phones, run, model, capsys):
    device = phones()
    gpu = replace(model, delegate="gpu")
    (one,) = run(device, subjects=[gpu], tool_options={"delegated": (50, 58)}).runs
    assert one.marks == ("only 50 of 58 nodes on the gpu",)
    assert (one.conditions["ran on"], one.conditions["precision"]) == ("OpenCL", "fp16 allowed")
    say_bench(Bench("s", (one,)))
    assert "(OpenCL, fp16 allowed)" in " ".join(capsys.readouterr().out.split())
    assert "--use_gpu=true" in asked(device)[0]
    assert not [flag for flag in asked(device)[0] if "xnnpack" in flag]


@pytest.mark.parametrize("cores", ["0x10", "0xf0"])
def test_cores_that_a_device_has_not_are_refused(phones, run, cores):
    with pytest.raises(ExportError, match=f"has no cores '{cores}'"):
        run(phones(), cores=cores)


def test_more_threads_than_cores_are_refused(phones, run, model):
    result = run(phones(), subjects=[replace(model, threads=2)], cores="prime")
    assert "2 threads would share 1 core(s)" in result.failures[0].reason


def test_cores_that_the_system_did_not_grant_are_marked(phones, run):
    device = phones()
    (device.folder / "affinity").write_text("3\n")
    (one,) = run(device, cores="big", blocks=1).runs
    assert one.marks == ("ran on cores 3, not c",)


@pytest.mark.parametrize("form", ["current", "litert"])
def test_a_gpu_that_took_nothing_is_a_failure(phones, run, model, form):
    result = run(phones(), subjects=[replace(model, delegate="gpu")], form=form, tool_options={"delegated": (0, 58)})
    assert result.runs == ()
    assert "nothing ran on the gpu" in result.failures[0].reason


def test_another_api_than_asked_for_is_a_condition(phones, run, model, tmp_path):
    options = {"subjects": [replace(model, delegate="gpu")], "blocks": 2, "record": Record(tmp_path / "b.json")}
    device = phones()
    (one,) = run(device, tool_options={"opengl": True}, **options).runs
    assert one.conditions["ran on"] == "OpenGL"
    # What a run finds out for itself is no reason not to go on with it.
    run(device, tool_options={"opengl": True}, **{**options, "record": Record.continued(tmp_path / "b.json")})


@pytest.mark.parametrize(
    ("form", "gpu", "flags", "conditions"),
    [
        ("current", Gpu(), ["--gpu_precision_loss_allowed=true"], ("fp16 allowed", None, "OpenCL")),
        (
            "current",
            Gpu("opengl", "fp32"),
            ["--gpu_precision_loss_allowed=false", "--gpu_backend=gl"],
            ("fp32", "opengl", "OpenGL"),
        ),
        ("litert", Gpu(), [], ("fp16 allowed", None, "OpenCL")),
        (
            "litert",
            Gpu("webgpu", "fp16"),
            ["--gpu-precision=fp16", "--gpu_backend=webgpu"],
            ("fp16", "webgpu", "WebGPU"),
        ),
    ],
)
def test_a_gpu_computes_as_it_is_asked_to(phones, run, model, form, gpu, flags, conditions):
    device = phones()
    (one,) = run(device, subjects=[replace(model, delegate="gpu")], form=form, gpu=gpu, blocks=1).runs
    assert {flag for flag in asked(device)[0] if re.match("--gpu[_-](precision|backend)", flag)} == set(flags)
    assert (one.conditions["precision"], one.conditions.get("asked for"), one.conditions["ran on"]) == conditions
    # No tool has a flag for float32 sums of fp16 products.
    assert one.conditions["sums"] == one.conditions["precision"]


def test_a_gpu_that_another_api_reached_is_a_failure(phones, run, model):
    gpu, device = replace(model, delegate="gpu"), phones()
    result = run(device, subjects=[gpu], gpu=Gpu("opencl"), tool_options={"opengl": True}, blocks=1)
    assert "OpenCL was asked for, but it ran on OpenGL" in result.failures[0].reason
    result = run(device, subjects=[gpu], gpu=Gpu("webgpu"), blocks=1)
    assert "no WebGPU" in result.failures[0].reason


def test_litert_s_own_tool_is_asked_for_what_it_can(phones, run, model):
    device = phones()
    ways = [replace(model, delegate=word) for word in ("cpu", "builtin", "gpu", "nnapi")]
    samples = (Sample("photo", IMAGE, IMAGE[..., :1]),)
    result = run(device, subjects=ways, form="litert", profile=True, samples=samples, blocks=1)
    assert [run.name.split(" on ")[0] for run in result.runs] == ["modnet_fp32.tflite 1T", "modnet_fp32.tflite 1T gpu"]
    assert {run.marks for run in result.runs} == {("matte not compared",)}
    assert result.parity == ()
    assert result.runs[0].conditions["tool"].startswith("LiteRT's benchmark_model ")
    assert len([item for item in result.failures if "no profile of single ops" in item.reason]) == 2
    assert len([item for item in result.failures if "benchmark_model" in item.reason]) == 4


@pytest.mark.long
def test_sustained_load_is_one_model_after_the_other_and_tells_how_much_it_worked(phones, run, model):
    device = phones()
    other = replace(model, threads=4)
    first, second = run(device, subjects=[model, other], sustained_minutes=0.1, tool_options={"sleep": 0.2}).runs
    for one in (first, second):
        assert len(one.blocks) > 1
        assert list(one.at_s) == sorted(one.at_s)
        assert 0 < one.after["duty_cycle"] < 0.2  # the stand-in only says that it works
        assert [mark for mark in one.marks if re.fullmatch(r"idle for \d+ % of the time", mark.replace("%", " %"))]
    calls = ["--num_threads=1" in call for call in asked(device)]
    assert calls == sorted(calls, reverse=True)
    assert {"--min_secs=30", "--num_runs=1"} <= set(asked(device)[1])
    # It is warm from the block before.
    assert "--warmup_min_secs=1" in asked(device)[0]
    assert "--warmup_min_secs=0" in asked(device)[1]


@pytest.mark.long
def test_a_sustained_load_ends_in_time(phones, run):
    """However many blocks other measurements have."""
    (one,) = run(phones(), sustained_minutes=0.02, blocks=20, tool_options={"sleep": 0.2}).runs
    assert 1 <= len(one.blocks) < 10


def test_memory_is_not_read_while_time_is_taken(phones, run):
    device = phones()
    (one,) = run(device, blocks=2, memory=True).runs
    flags = [next(flag for flag in call if "report_peak_memory" in flag) for call in asked(device)]
    assert [flag.rpartition("=")[2] for flag in flags] == ["false", "false", "true"]
    assert one.peak_memory_bytes == pytest.approx(93.24 * 2**20, rel=1e-3)


@pytest.mark.parametrize(("delegate", "warmup"), [("cpu", 1), ("gpu", 2)])
def test_a_block_warms_up_and_runs_by_time(phones, run, model, delegate, warmup):
    device = phones()
    run(device, subjects=[replace(model, delegate=delegate)], runs=100, blocks=1)
    assert {f"--warmup_min_secs={warmup}", "--min_secs=2", "--num_runs=100"} <= set(asked(device)[0])


def test_what_the_tool_printed_is_kept(phones, run, tmp_path):
    device = phones()
    phone.program(device.folder, "logcat", 'echo "I tflite  : STARTING! by pid ${5}"')
    run(device, blocks=2, logs=tmp_path / "logs")
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text().count("INFO: STARTING!") == 2
    process = json.loads((device.folder / "tool.log").read_text().splitlines()[0])[1]
    assert f"by pid {process}\n" in log.read_text()


@pytest.mark.long
def test_a_block_that_throttled_is_taken_again(phones, run):
    device = phones()
    status, over = device.folder / "dumpsys/thermalservice", threading.Event()

    def cool_down():
        def asked_for():
            return sum("thermalservice" in command for command in device.commands)

        while "Status: 2" not in status.read_text() and not over.wait(0.05):
            pass
        before = asked_for()
        while asked_for() < before + 2 and not over.wait(0.05):
            pass
        status.write_text(phone.THERMAL.format(status=0))

    thread = threading.Thread(target=cool_down)
    thread.start()
    (one,) = run(device, blocks=3, cool_timeout_s=60, tool_options={"throttle": "once"}).runs
    over.set()
    thread.join()
    assert (len(one.samples_ms), len(asked(device)), one.marks) == (3, 4, ())
    assert one.after["dropped_blocks"] == 1


def test_cores_that_may_not_run_at_their_own_clock_are_marked(phones, run):
    device = phones()
    (device.folder / "sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq").write_text("1457000\n")
    (one,) = run(device, blocks=1).runs
    assert one.marks == ("cores capped at 83%",)


def test_clocks_are_read_on_the_device_while_a_block_runs(phones, run):
    device = phones()
    clock = device.folder / "sys/class/kgsl/kgsl-3d0/gpuclk"
    clock.parent.mkdir(parents=True)
    clock.write_text("585000000\n")
    (one,) = run(device, blocks=1).runs
    assert one.after["gpu_clock_in_block_hz"] == "585000000"
    assert one.after["clocks_in_block_khz"] == "852000, 852000, 1183500, 1457000"
    assert one.before["transport"] == "network"
    assert {moment.scaling_cur_freq for moment in one.trace} == {"852000, 852000, 1183500, 1457000"}
    assert one.trace[0].at_s == one.at_s[0]


def test_two_devices_are_never_compared_as_one(phones, run, tmp_path):
    """Of one kind, with one build; without a serial number (some hide it), adb's name tells them apart."""
    for properties, alike in (({"ro.serialno": ""}, False), ({}, True)):
        first, second = (run(phones(properties=properties), blocks=1) for _ in range(2))
        runs = (replace(first.runs[0], name="m"), replace(second.runs[0], name="m"))
        identities = {one.conditions["identity"] for one in runs}
        assert len(identities) == (1 if alike else 2)
        if not alike:
            with pytest.raises(ExportError, match="identity: "):
                comparable(Bench("a", runs[:1]), Bench("b", runs[1:]))


def test_the_driver_the_pages_and_how_busy_the_device_was_are_kept(phones, run):
    (one,) = run(phones(), blocks=1).runs
    assert one.conditions["gpu"] == "ARM, Mali-G715, OpenGL ES 3.2 v1.r44p1-01eac0.1234"
    assert one.conditions["page size"] == str(os.sysconf("SC_PAGE_SIZE"))  # the stand-in runs here
    assert one.before["load_average"] >= 0
    assert one.before["available_memory_bytes"] > 2**20


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
    (one,) = run(device, form="litert", tool_options={"comma": True}).runs
    assert one.before["battery_temperature_c"] == 28.7
    assert one.median_ms == pytest.approx(10.05, abs=0.1)
