"""The real ``adb`` with a server of its own, and phones that speak its protocol and fail when they are told to."""

from __future__ import annotations

import os
import socket
import threading
import time

import numpy as np
import pytest

from benchmarks import session
from benchmarks.android.adb import Adb
from benchmarks.android.settings import AndroidSettings
from benchmarks.android.target import AdbTarget
from benchmarks.plan import Plan, Subject
from benchmarks.record import Record
from modnet_export import Size
from modnet_export.record.contract import Contract
from modnet_export.record.files import sha256
from modnet_export.record.measures import Tolerance
from tests.fakes import benchmark_model, phone

_OF_PLAN = ("energy", "profile", "sustained_minutes", "samples")
IMAGE = np.zeros((1, 96, 128, 3), np.float32)


@pytest.fixture(scope="package")
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
    """Makes connected phones; one with ``back`` is connected again whenever it goes away."""
    made: list[phone.Device] = []
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
        device = phone.make(tmp_path / f"phone{len(made)}", **options)
        device.state = state
        made.append(device.start())
        if back and state == "device":
            threads.append(threading.Thread(target=connect, args=(device,)))
            threads[-1].start()
        else:
            adb.run(["connect", device.serial])
        deadline = time.monotonic() + 20
        while not any((item.serial, item.state) == (device.serial, state) for item in adb.devices()):
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
    contract = Contract.of("tflite", Size(height=96, width=128))
    return Subject(path, "tflite", sha256(path), contract, Tolerance())


@pytest.fixture
def run(tmp_path, model):
    """Measure on devices with a stand-in that prints, without running a model."""

    def measured(*devices, subjects=(model,), record=None, runs=10, form="current", tool_options=None, **options):
        plan_options = {key: options.pop(key) for key in _OF_PLAN if key in options}
        chosen = {"return_timeout_s": 20, "memory": False, "blocks": 5, "cool_timeout_s": 0, **options}
        if "app" not in chosen:
            script = benchmark_model.script(tmp_path / "benchmark_model", form=form, **(tool_options or {}))
            chosen["benchmark_model"] = script
        targets = [AdbTarget(device.serial, AndroidSettings(**chosen)) for device in devices]
        plan = Plan(tuple(subjects), IMAGE, runs=runs, **plan_options)
        return session.measure(targets, plan, record or Record())

    return measured
