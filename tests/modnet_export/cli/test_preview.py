"""``modnet-export preview`` as its users start and stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

from modnet_export.preview import litertjs
from tests.modnet_export.preview.conftest import serving
from tests.modnet_export.ship.exports import export


@pytest.fixture
def dist(tmp_path):
    return export(tmp_path / "dist")


@pytest.fixture
def no_runtime(monkeypatch):
    """LiteRT.js is not needed for what is tested here."""
    monkeypatch.setattr(litertjs, "files", lambda progress=None: {"core.js": b""})


CODE = """
import sys
from modnet_export.preview import litertjs
litertjs.files = lambda progress=None: {"core.js": b""}
from modnet_export.cli import main
main(sys.argv[1:])
"""


@contextmanager
def started(*arguments):
    command = [sys.executable, "-c", CODE, "preview", *map(str, arguments)]
    # A browser that is opened would be found in this variable first.
    environment = os.environ | {"BROWSER": "false"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_says_where_and_ends_with_ctrl_c(dist):
    with started(dist, "--port", "0", "--no-open") as process:
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=10) as answer:
            assert b"MODNet preview" in answer.read()
        assert "Ctrl-C ends the preview" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


def test_a_port_in_use_is_one_clear_error(run, dist, no_runtime):
    with serving({}) as other:
        code, out, err = run("preview", dist, "--port", other.server_port, "--no-open")
    assert code == 2
    assert out == ""
    assert f"port {other.server_port} is in use" in err
    assert "--port 0" in err


def test_a_folder_without_tflite_is_bad_input(run, tmp_path, no_runtime):
    code, _, err = run("preview", tmp_path / "nothing", "--no-open")
    assert code == 2
    assert "holds no manifest.json" in err


def test_a_folder_to_host_is_written(run, dist, tmp_path, no_runtime):
    code, out, _ = run("preview", dist, "--static", tmp_path / "page")
    assert code == 0
    assert "ready to be hosted" in out
    assert (tmp_path / "page/index.html").is_file()


def test_a_folder_is_not_opened_on_a_phone(run, dist, tmp_path, no_runtime):
    code, _, err = run("preview", dist, "--static", tmp_path / "page", "--phone")
    assert code == 2
    assert "--phone" in err
