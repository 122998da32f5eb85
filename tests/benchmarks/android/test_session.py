"""A device is made ready, and left as it was."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from benchmarks.android.files import FOLDER
from benchmarks.formats import load
from benchmarks.record import Record
from tests.fakes.phone import asked, left_behind


def test_files_are_pushed_only_where_their_hash_differs(phones, run, model):
    device = phones()
    run(device, keep_files=True)
    assert len(device.pushed) == 2
    run(device, keep_files=True)
    assert len(device.pushed) == 2
    (device.folder / f"{FOLDER[1:]}/{model.sha256}.tflite").write_bytes(b"damaged")
    run(device)
    assert len(device.pushed) == 3
    assert left_behind(device) == [] or left_behind(device) == ["modnet-export"]


def test_ctrl_c_ends_what_runs_and_cleans_up(phones, run, tmp_path):
    device, path = phones(), tmp_path / "bench.json"

    def interrupt():
        while not (device.folder / "tool.log").exists() or len(asked(device)) < 2:
            time.sleep(0.05)
        import _thread

        time.sleep(0.3)
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(device, record=Record(path), tool_options={"sleep": 3.0})
    assert left_behind(device) == []
    _, process = json.loads((device.folder / "tool.log").read_text().splitlines()[-1])
    time.sleep(0.2)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert len(load(path).runs[0].samples_ms) == 1
