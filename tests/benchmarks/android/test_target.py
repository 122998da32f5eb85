"""The real ``adb``, end to end, against a device that speaks its protocol and goes wrong as told."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import measure, session
from benchmarks.android.adb import Adb, Device, DeviceGoneError
from benchmarks.android.emulator import EmulatorTarget
from benchmarks.android.target import FOLDER, AdbTarget, Settings, facts, tool
from converters.errors import ExportError
from modnet_export.cli import main
from modnet_export.images import inputs
from modnet_export.record import manifest
from modnet_export.record.files import sha256
from modnet_export.verifying.parity import Sample
from tests.fakes import adbd, benchmark_model, emulator

IMAGE = np.zeros((1, 96, 128, 3), np.float32)


@pytest.fixture(scope="module")
def adb(tmp_path_factory):
    """An adb server of our own, so that nothing of the developer's is touched."""
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as free:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(free.getsockname()[1]))
        patch.setenv("ANDROID_USER_HOME", str(tmp_path_factory.mktemp("android")))
        patch.setenv("ADB_MDNS_AUTO_CONNECT", "0")
        free.close()
        found = Adb()
        found.run(["start-server"])
        yield found
        found.run(["kill-server"])


@pytest.fixture
def phones(adb, tmp_path):
    made: list[adbd.Device] = []
    over = threading.Event()

    def connect(device):
        adb.run(["connect", device.serial])
        while not over.is_set() and device.state == "device":  # a cable that is put back
            if not any(item.serial == device.serial and item.state == "device" for item in adb.devices()):
                adb.run(["disconnect", device.serial])
                adb.run(["connect", device.serial])
            over.wait(0.3)

    threads = []

    def make(*, state="device", back=True, **options):
        device = adbd.make(tmp_path / f"phone{len(made)}", **options)
        device.state = state
        made.append(device.start())
        if back and state == "device":
            threads.append(threading.Thread(target=connect, args=(device,)))
            threads[-1].start()
        else:
            adb.run(["connect", device.serial])
        deadline = time.monotonic() + 20
        wanted = {"device": "device", "offline": "offline", "unauthorized": "unauthorized"}[state]
        while not any((item.serial, item.state) == (device.serial, wanted) for item in adb.devices()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return device

    yield make
    over.set()
    for thread in threads:
        thread.join()
    for device in made:
        device.stop()
        adb.run(["disconnect", device.serial])


@pytest.fixture
def model(tmp_path):
    """Not a model: the stand-in that takes it only looks whether it is there."""
    path = tmp_path / "modnet_fp32.tflite"
    path.write_bytes(os.urandom(200_000))
    return session.Candidate(path.name, path, sha256(path), 1)


@pytest.fixture
def run(tmp_path, model):
    """Measure on devices with a stand-in that prints, without running a model."""

    def measured(*devices, candidates=(model,), record=None, runs=10, form="current", tool_options=None, **options):
        plan_options = {key: options.pop(key) for key in ("energy", "profile", "sustained_minutes") if key in options}
        script = benchmark_model.script(tmp_path / "benchmark_model", form=form, **(tool_options or {}))
        chosen = Settings(tool=script, **{"return_seconds": 20, "memory": False, "cool_seconds": 0, **options})
        targets = [AdbTarget(device.serial, chosen) for device in devices]
        plan = session.Plan(tuple(candidates), IMAGE, runs=runs, **plan_options)
        return session.measure(targets, plan, record or session.Record())

    return measured


def left_behind(device):
    return sorted(path.name for path in (device.folder / "data/local/tmp").rglob("*"))


def asked(device):
    """What the stand-in was asked for, call by call."""
    return [json.loads(line)[0] for line in (device.folder / "tool.log").read_text().splitlines()]


class TestMeasuring:
    @pytest.mark.parametrize("form", ["current", "old", "new"])
    def test_a_run_holds_blocks_conditions_and_states(self, phones, run, form):
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

    def test_the_device_is_left_as_it_was(self, phones, run):
        device = phones()
        run(device)
        assert left_behind(device) == []
        assert (device.folder / "cmd.log").read_text().splitlines() == [
            "power set-fixed-performance-mode-enabled true",
            "power set-fixed-performance-mode-enabled false",
        ]

    def test_files_are_pushed_only_where_their_hash_differs(self, phones, run, model):
        device = phones()
        run(device, keep_files=True)
        assert len(device.pushed) == 2
        run(device, keep_files=True)
        assert len(device.pushed) == 2
        (device.folder / f"{FOLDER[1:]}/{model.sha256}.tflite").write_bytes(b"damaged")
        run(device)
        assert len(device.pushed) == 3
        assert left_behind(device) == [] or left_behind(device) == ["modnet-export"]

    def test_models_take_turns(self, phones, run, model):
        device = phones()
        run(device, candidates=[model, replace(model, threads=4)])
        threads = [next(flag for flag in call if "num_threads" in flag) for call in asked(device)]
        assert threads == ["--num_threads=1", "--num_threads=4"] * 5

    @pytest.mark.parametrize(("cores", "affinity"), [("big", "c"), ("little", "3")])
    def test_cores_are_chosen_by_their_frequency(self, phones, run, cores, affinity):
        device = phones()
        (one,) = run(device, cores=cores).runs
        assert set((device.folder / "taskset.log").read_text().split()) == {affinity}
        assert str(one.conditions["pinned to"]).startswith(cores)

    def test_partly_delegated_models_are_marked(self, phones, run, model):
        device = phones()
        gpu = replace(model, delegate="gpu")
        (one,) = run(device, candidates=[gpu], tool_options={"delegated": (50, 58)}).runs
        assert one.marks == ("only 50 of 58 nodes on the gpu",)
        assert "--use_gpu=true" in asked(device)[0]

    def test_memory_is_sampled_apart_from_the_latencies(self, phones, run):
        device = phones()
        (one,) = run(device, memory=True, tool_options={"sleep": 0.5}).runs
        assert len(one.samples_ms) == 5
        assert max(one.pss_bytes) > 5e6  # of a Python process, once it is one

    def test_the_profile_is_kept_as_the_tool_wrote_it(self, phones, run, tmp_path):
        device = phones()
        (one,) = run(device, profile=True, profiles=tmp_path / "profiles").runs
        assert [item.op for item in one.profile] == ["CONV_2D", "DEPTHWISE_CONV_2D", "RESIZE_BILINEAR"]
        (csv,) = (tmp_path / "profiles").iterdir()
        assert csv.read_bytes() == benchmark_model.PROFILE.read_bytes()

    def test_energy_is_estimated_on_battery_only(self, phones, run, monkeypatch):
        monkeypatch.setattr("benchmarks.android.target._ENERGY_SECONDS", 0.05)
        options = {"energy": True, "tool_options": {"sleep": 2.0}, "runs": 2}
        (one,) = run(phones(powered=False), **options).runs
        assert one.energy.mean_watts == pytest.approx(0.612 * 4.012, rel=1e-3)
        assert one.energy.joules_per_inference == pytest.approx(one.energy.mean_watts * 0.01, rel=0.05)
        (one,) = run(phones(powered=True), **options).runs
        assert one.energy is None
        assert "is charging" in one.energy_refused

    def test_sustained_load_shows_its_time(self, phones, run):
        (one,) = run(phones(), sustained_minutes=0.05, tool_options={"sleep": 0.2}).runs
        assert one.at_s[-1] > 1.5
        assert list(one.at_s) == sorted(one.at_s)

    def test_throttling_is_marked_and_never_compared_with_a_cool_run(self, phones, run):
        device = phones()
        hot = run(device, tool_options={"throttle": True})
        # The device stays warm: the next block starts so.
        assert hot.runs[0].marks == ("started warm: thermal status moderate", "throttled: thermal status moderate")
        (device.folder / "dumpsys/thermalservice").write_text(adbd.THERMAL.format(status=0))
        cool = run(device)
        # The stand-ins of the two are different files.
        alike = replace(hot.runs[0], conditions=cool.runs[0].conditions)
        with pytest.raises(ExportError, match=r"no marks and started warm: .*, throttled: thermal status moderate"):
            measure.comparable(cool, measure.Bench("x", (replace(alike, name=cool.runs[0].name),)))

    def test_measuring_waits_for_a_cool_device(self, phones, run):
        device = phones()
        status = device.folder / "dumpsys/thermalservice"
        status.write_text(adbd.THERMAL.format(status=1))
        threading.Timer(1.0, lambda: status.write_text(adbd.THERMAL.format(status=0))).start()
        (one,) = run(device, cool_seconds=60).runs
        assert one.marks == ()
        assert not any("started warm" in mark for mark in one.marks)

    def test_four_devices_take_about_as_long_as_one(self, phones, run):
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


class TestFaults:
    def test_a_device_that_comes_back_goes_on(self, phones, run):
        device = phones()
        device.faults.append(adbd.Fault("num_runs", "disconnect", skip=2, after=0.05))
        result = run(device, tool_options={"sleep": 0.2})
        assert result.failures == ()
        assert len(result.runs[0].samples_ms) == 5
        assert left_behind(device) == []

    def test_a_device_that_goes_while_it_is_asked_for_its_state(self, phones, run):
        device = phones()
        device.faults.append(adbd.Fault("dumpsys thermalservice", "disconnect", skip=4))
        result = run(device)
        assert result.failures == ()
        assert len(result.runs[0].samples_ms) == 5

    def test_a_device_that_goes_in_the_middle_of_a_push(self, phones, run, model):
        device = phones()
        device.faults.append(adbd.Fault(f"push .*{model.sha256}", "disconnect"))
        result = run(device)
        assert result.failures == ()
        assert left_behind(device) == []

    def test_what_was_measured_stays_and_resume_goes_on(self, phones, run, model, tmp_path):
        device, path = phones(back=False), tmp_path / "bench.json"
        device.faults.append(adbd.Fault("num_runs", "disconnect", skip=3))
        result = run(device, record=session.Record(path), return_seconds=0.5)
        assert "does not answer any more" in result.failures[0].reason
        kept = measure.load(path)
        assert [len(item.samples_ms) for item in kept.runs] == [3]
        assert kept.failures == result.failures
        Adb().run(["disconnect", device.serial])
        Adb().run(["connect", device.serial])
        whole = run(device, record=session.continued(path))
        assert whole.failures == ()
        assert whole.runs[0].samples_ms[:3] == kept.runs[0].samples_ms
        assert len(measure.load(path).runs[0].samples_ms) == 5
        before = len(asked(device))
        run(device, record=session.continued(path))
        assert len(asked(device)) == before

    def test_resume_refuses_other_conditions(self, phones, run, tmp_path):
        device, path = phones(), tmp_path / "bench.json"
        run(device, record=session.Record(path))
        with pytest.raises(ExportError, match="begun under other conditions:\n  pinned to: all cores then, big"):
            run(device, record=session.continued(path), cores="big")

    @pytest.mark.parametrize(
        ("fault", "message"),
        [
            (adbd.Fault("push .*tflite", "full", times=9), "is full: .*No space left"),
            (adbd.Fault("push .*tflite", "cut", times=9), "kept 100000 of the 200000 bytes"),
            (adbd.Fault("num_runs", "cut", times=9), "did not finish; it printed"),
            (adbd.Fault("num_runs", "swallow", times=9), "did not finish; it printed: nothing"),
            (adbd.Fault("num_runs", "exit:134", times=9), "benchmark_model ended with 134"),
            (adbd.Fault("num_runs", "hang", times=9), "benchmark_model hung on .*no answer within 1 s"),
        ],
    )
    def test_what_fails_twice_is_one_clear_failure(self, phones, run, model, fault, message):
        device = phones()
        fault.pattern = fault.pattern.replace("num_runs", "num_threads=1")
        device.faults.append(fault)
        other = replace(model, threads=2)
        candidates = [model] if "push" in fault.pattern else [model, other]
        result = run(device, candidates=candidates, block_seconds=1)
        (failure,) = result.failures
        assert re.search(message, failure.reason)
        assert [len(item.samples_ms) for item in result.runs] == [5] * (len(candidates) - 1)
        assert left_behind(device) == []

    @pytest.mark.parametrize("action", ["cut", "hang", "exit:1"])
    def test_what_fails_once_is_tried_again(self, phones, run, action):
        device = phones()
        device.faults.append(adbd.Fault("num_runs", action, skip=1))
        result = run(device, block_seconds=2)
        assert result.failures == ()
        assert len(result.runs[0].samples_ms) == 5

    @pytest.mark.parametrize(
        ("state", "message"),
        [
            ("unauthorized", "is (unauthorized|authorizing)[^$]*accept 'Allow USB debugging"),
            ("offline", "is offline[^$]*reconnect"),
        ],
    )
    def test_a_device_that_is_not_ready(self, phones, run, state, message):
        with pytest.raises(ExportError, match=message):
            run(phones(state=state))

    def test_two_devices_and_no_serial(self, phones, adb):
        serials = [phones(back=False).serial, phones(back=False).serial]
        with pytest.raises(ExportError, match="there are 2 devices") as raised:
            adb.device()
        assert all(f"--target adb:{serial}" in str(raised.value) for serial in serials)

    def test_no_device(self, adb):
        with pytest.raises(ExportError, match="there is no Android device"):
            adb.device()
        with pytest.raises(ExportError, match="there is no device nothere"):
            adb.device("nothere")

    def test_a_device_that_tells_little(self, phones, run):
        """Before Android 10 there is no thermal service; many kernels hide frequencies."""
        device = phones(properties={"ro.build.version.sdk": "28"})
        for path in [*(device.folder / "dumpsys").iterdir(), *(device.folder / "sys").rglob("*_*")]:
            if path.is_file():
                path.unlink()
        (one,) = run(device).runs
        assert one.marks == ("thermal status unknown",)
        assert one.conditions["cores"] == "unknown"
        assert not (device.folder / "cmd.log").exists()

    def test_an_overridden_thermal_status_is_not_believed(self, phones, run):
        device = phones()
        text = adbd.THERMAL.format(status=0).replace("IsStatusOverride: false", "IsStatusOverride: true")
        (device.folder / "dumpsys/thermalservice").write_text(text)
        (one,) = run(device).runs
        assert one.marks == ("thermal status unknown",)

    @pytest.mark.parametrize(
        "text",
        ["        TOTAL PSS:    93,238            TOTAL RSS:   140,000", "        TOTAL    93238    90000     2000"],
    )
    def test_memory_by_dumpsys_where_the_process_hides_its_own(self, phones, adb, text):
        device = phones()
        (device.folder / "dumpsys/meminfo").write_text(f"Applications Memory Usage (in Kilobytes):\n{text}\n")
        assert facts.pss_bytes(adb.device(device.serial), "999999999") == 93238 * 1024

    @pytest.mark.parametrize(("text", "milliamperes"), [("-612000", 612), ("612", 612), ("", None), ("n/a", None)])
    def test_current_in_either_unit_and_sign(self, phones, adb, text, milliamperes):
        device = phones()
        (device.folder / "sys/class/power_supply/battery/current_now").write_text(f"{text}\n")
        assert facts.current_ma(adb.device(device.serial)) == milliamperes

    def test_odd_locales_are_read(self, phones, run):
        device = phones()
        battery = adbd.BATTERY.format(powered="true").replace("287", "٢٨٧").replace("4012", "٤٠١٢")
        (device.folder / "dumpsys/battery").write_text(battery)
        (one,) = run(device, form="new", tool_options={"comma": True}).runs
        assert one.before["battery_temperature_c"] == 28.7
        assert one.median_ms == pytest.approx(10.05, abs=0.1)

    def test_ctrl_c_ends_what_runs_and_cleans_up(self, phones, run, tmp_path):
        device, path = phones(), tmp_path / "bench.json"

        def interrupt():
            while not (device.folder / "tool.log").exists() or len(asked(device)) < 2:
                time.sleep(0.05)
            import _thread

            time.sleep(0.3)
            _thread.interrupt_main()

        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            run(device, record=session.Record(path), tool_options={"sleep": 3.0})
        assert left_behind(device) == []
        assert "false" in (device.folder / "cmd.log").read_text().splitlines()[-1]
        _, process = json.loads((device.folder / "tool.log").read_text().splitlines()[-1])
        time.sleep(0.2)
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
        assert len(measure.load(path).runs[0].samples_ms) == 1


class TestQuoting:
    @pytest.fixture(scope="class")
    def device(self, adb, tmp_path_factory):
        made = adbd.make(tmp_path_factory.mktemp("quoting") / "phone").start()
        adb.run(["connect", made.serial])
        yield Device(adb, made.serial), made
        made.stop()
        adb.run(["disconnect", made.serial])

    @settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        words=st.lists(
            st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12)
            | st.sampled_from(["$(touch pwned)", "`id`", "'; rm -rf /", '"', "\\", "a b", "*", "~", "&", "\n", "-n"]),
            min_size=1,
            max_size=4,
        )
    )
    def test_every_argument_arrives_as_it_is(self, device, words):
        answer = device[0].shell(["printf", "%s|", *words])
        assert answer.out == "".join(f"{word}|" for word in words)
        assert not list(device[1].folder.rglob("pwned"))

    @pytest.mark.parametrize("name", ["a b'c.tflite", "$(touch pwned).tflite", "`touch pwned`;.tflite", "-x.tflite"])
    def test_names_of_models_and_what_the_device_says(self, device, run, model, tmp_path, name):
        hostile = adbd.PROPERTIES | {"ro.product.model": "'; touch pwned; '$(touch pwned)"}
        props = "".join(f"[{key}]: [{value}]\n" for key, value in hostile.items())
        (device[1].folder / "props").write_text(props)
        path = tmp_path / name
        path.write_bytes(b"x" * 100)
        result = run(device[1], candidates=[replace(model, file=name, path=path, sha256=sha256(path))], profile=True)
        assert result.failures == ()
        assert result.runs[0].conditions["device"] == "Google '; touch pwned; '$(touch pwned)"
        assert not list(device[1].folder.rglob("pwned"))


class TestOnDeviceParity:
    @pytest.fixture(scope="class")
    def candidate(self, dist):
        recorded = manifest.load(dist)
        item = next(item for item in recorded.artefacts if item.file == "modnet_fp32.tflite")
        path = dist / item.file
        return session.Candidate(item.file, path, item.sha256, 1, "cpu", item.contract, item.tolerance)

    @pytest.fixture(scope="class")
    def sample(self, dist, candidate):
        from converters.runtimes import open_runtime

        image_nhwc = inputs.builtin()[0].load(manifest.load(dist).size)[0]
        return Sample("photo", image_nhwc, open_runtime(candidate.path).run(image_nhwc))

    def checked(self, device, tmp_path, candidate, sample, **options):
        script = benchmark_model.script(tmp_path / "benchmark_model", real=True, **options)
        plan = session.Plan((candidate,), sample.image_nhwc, runs=2, samples=(sample,))
        target = AdbTarget(device.serial, Settings(tool=script, memory=False))
        return session.measure([target], plan, session.Record())

    def test_the_same_matte_passes(self, phones, tmp_path, candidate, sample):
        (found,) = self.checked(phones(), tmp_path, candidate, sample).parity
        assert found.passed
        assert found.max_abs_difference < 1e-5

    def test_a_model_of_bytes_is_given_bytes(self, phones, tmp_path, candidate, sample):
        from converters.runtimes import open_runtime
        from converters.tflite.int8.write import mixed
        from converters.tflite.rounding import Rounding
        from modnet_export import Size
        from modnet_export.record.contract import Contract

        path = tmp_path / "modnet_int8.tflite"
        path.write_bytes(mixed(candidate.path.read_bytes(), Rounding({}, compensate=False), {}, bytes_in_and_out=True))
        contract = Contract.of("tflite", Size(height=96, width=128), eight_bit=True)
        eight_bit = replace(candidate, file=path.name, path=path, sha256=sha256(path), contract=contract)
        expected = replace(sample, matte_nhwc=open_runtime(path).run(sample.image_nhwc))
        (found,) = self.checked(phones(), tmp_path, eight_bit, expected).parity
        assert found.max_abs_difference <= 1 / 255 + 1e-6

    def test_another_matte_fails(self, phones, tmp_path, candidate, sample):
        (found,) = self.checked(phones(), tmp_path, candidate, sample, offset=0.01).parity
        assert not found.passed
        assert found.mad == pytest.approx(0.01, abs=1e-4)

    def test_half_a_matte_is_a_failure_and_the_latency_stays(self, phones, tmp_path, candidate, sample):
        result = self.checked(phones(), tmp_path, candidate, sample, half_output=True)
        assert "gave 24576 bytes" in result.failures[0].reason
        assert result.runs[0].samples_ms

    def test_the_command_line_does_all_of_it(self, phones, tmp_path, dist, capsys):
        device = phones()
        script = benchmark_model.script(tmp_path / "benchmark_model", real=True)
        out = tmp_path / "bench.json"
        command = ["bench", dist, "--artefact", "modnet_fp32.tflite", "--target", "adb", "--runs", "2", "-o", out]
        with pytest.raises(SystemExit) as stop:
            main([*map(str, command), "--benchmark-model", str(script)])
        printed = capsys.readouterr()
        assert not stop.value.code, printed.err
        assert "modnet_fp32.tflite 1T on adb: gives the reference's matte" in printed.out.replace("\n", " ")
        assert "Google Pixel 8" in printed.out
        assert "PSS up to" in printed.out
        assert measure.load(out).parity[0].passed
        assert left_behind(device) == []


class TestApp:
    ACTIVITY = "dev.modnet.demo/.BenchmarkActivity"

    def install(self, device, result):
        files = "$FAKE_DEVICE/sdcard/Android/data/dev.modnet.demo/files"
        (device.folder / "result.json").write_text(json.dumps(result))
        adbd.program(
            device.folder,
            "am",
            'echo "$@" >> "$FAKE_DEVICE/am.log"\n[ "$1" = force-stop ] && exit 0\n'
            'while [ $# -gt 0 ]; do if [ "$2" = output ]; then name="$3"; fi; shift; done\n'
            f'mkdir -p {files}; (sleep 0.7; cp "$FAKE_DEVICE/result.json" {files}/"$name") >/dev/null 2>&1 &',
        )

    def test_samples_of_an_app_are_single_runs(self, phones, run):
        device = phones()
        self.install(device, {"samples_ms": [10.0, 11.0], "warmup_ms": [30.0], "init_ms": 5.0, "first_ms": 30.0})
        (one,) = run(device, app=self.ACTIVITY).runs
        assert one.samples_ms == (10.0, 11.0) * 5
        assert (one.conditions["tool"], one.conditions["runs a sample"]) == (self.ACTIVITY, 1)
        calls = (device.folder / "am.log").read_text().splitlines()
        assert calls[0].startswith(f"start -W -S -n {self.ACTIVITY} --es model {device.folder}{FOLDER}/")
        assert "--es delegate cpu" in calls[0]
        assert "--ei threads 1 --ei runs 2" in calls[0]
        assert calls[-1] == "force-stop dev.modnet.demo"
        assert not list((device.folder / "sdcard").rglob("bench-*"))

    @pytest.mark.parametrize(
        ("result", "message"),
        [({"error": "no GPU"}, "failed: no GPU"), ({}, "measured nothing"), ([1], "cannot read bench-")],
    )
    def test_what_the_app_says_is_wrong_is_reported(self, phones, run, result, message):
        device = phones()
        self.install(device, result)
        assert re.search(message, run(device, app=self.ACTIVITY).failures[0].reason)

    def test_an_app_that_is_not_installed(self, phones, run):
        device = phones()
        adbd.program(device.folder, "am", 'echo "Error: Activity class {x/y} does not exist." >&2')
        assert re.search(r"cannot start [^$]*install the app", run(device, app=self.ACTIVITY).failures[0].reason)


class TestEmulator:
    @pytest.fixture
    def target(self, adb, tmp_path, monkeypatch):
        def make(mode="boots", seconds=30.0, **options):
            folder = tmp_path / "avd"
            monkeypatch.setenv("ANDROID_HOME", str(emulator.sdk(tmp_path / "sdk", folder, mode=mode, **options)))
            script = benchmark_model.script(tmp_path / "benchmark_model")
            chosen = Settings(tool=script, memory=False)
            return EmulatorTarget("Pixel_8_API_35", chosen, seconds), folder

        return make

    def measured(self, target, model):
        return session.measure([target], session.Plan((model,), IMAGE, runs=2), session.Record())

    def test_boots_measures_and_is_shut_down(self, target, model, adb):
        avd, folder = target()
        (one,) = self.measured(avd, model).runs
        assert one.name == "modnet_fp32.tflite 1T on emulator:Pixel_8_API_35"
        assert measure.FUNCTIONAL in one.marks
        assert (folder / "killed").exists()
        assert not any(item.serial.startswith("emulator-") and item.state == "device" for item in adb.devices())

    @pytest.mark.parametrize(
        ("mode", "message"),
        [("dies", "the emulator ended with 1: .*hardware acceleration"), ("never", "did not boot within 3 s")],
    )
    def test_failures_shut_it_down_too(self, target, model, mode, message):
        avd, folder = target(mode, seconds=3)
        with pytest.raises(ExportError, match=message):
            self.measured(avd, model)
        if mode == "never":
            assert (folder / "killed").exists()

    def test_missing_pieces_are_named(self, target, model, monkeypatch, tmp_path):
        avd, _ = target(avds=("Other",))
        with pytest.raises(ExportError, match=r"no virtual device 'Pixel_8_API_35'[^$]*Other"):
            self.measured(avd, model)
        (tmp_path / "empty").mkdir()
        monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "empty"))
        with pytest.raises(ExportError, match=r"no Android emulator here[^$]*sdkmanager emulator"):
            self.measured(avd, model)


class TestTool:
    @pytest.fixture
    def served(self, tmp_path):
        """A local server with one file."""
        (tmp_path / "www").mkdir()
        (tmp_path / "www" / "benchmark_model").write_bytes(b"a tool")
        asked: list[str] = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(tmp_path / "www"))

            def log_message(self, *_):
                asked.append(self.path)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/benchmark_model", asked
        server.shutdown()
        server.server_close()

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MODNET_EXPORT_CACHE", str(tmp_path / "cache"))
        return tmp_path / "cache"

    def test_download_is_pinned_and_kept(self, served, tmp_path):
        url, asked = served
        digest = sha256(tmp_path / "www" / "benchmark_model")
        found = tool.find(f"{url}#sha256={digest}")
        assert found.read_bytes() == b"a tool"
        assert tool.find(f"{url}#sha256={digest.upper()}") == found
        assert len(asked) == 1

    def test_another_file_is_deleted(self, served, cache):
        with pytest.raises(ExportError, match="not the file that was named"):
            tool.find(f"{served[0]}#sha256={'0' * 64}")
        assert not [path for path in cache.rglob("*") if path.is_file()]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (None, "needs benchmark_model[^$]*sha256sum"),
            ("nothere", "there is no nothere"),
            ("https://example.com/x", "does not say which file is meant"),
            (f"http://127.0.0.1:1/x#sha256={'0' * 64}", "cannot download benchmark_model[^$]*pass the file itself"),
        ],
    )
    def test_mistakes_and_no_network(self, text, message):
        with pytest.raises(ExportError, match=message):
            tool.find(text)


def test_gone_is_told_from_a_program_that_says_so(adb, phones):
    device = phones(back=False)
    answer = adb.device(device.serial).shell(["sh", "-c", "echo error: device offline >&2; exit 3"], check=False)
    assert answer.code == 3
    device.stop()
    with pytest.raises(DeviceGoneError):
        Device(adb, device.serial).shell(["true"])
