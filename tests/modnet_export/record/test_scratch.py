"""What a killed process leaves is removed by the next one, and what a running one uses is not."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from modnet_export.record import files
from modnet_export.record.files import scratch_folder, write_bytes

ROOT = Path(__file__).parents[3]

FILE = """
import os, sys, time
from pathlib import Path
from modnet_export.record import files
def fsync(descriptor):
    print("writing", flush=True)
    sys.stdin.read()
files.os.fsync = fsync
files.write_bytes(Path(sys.argv[1]) / "photo.png", b"theirs")
"""
FOLDER = """
import sys
from modnet_export.record.files import scratch_folder
with scratch_folder() as folder:
    (folder / "big").write_bytes(b"theirs")
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch, tmp_path):
    files._clear_files.cache_clear()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    files._clear_files.cache_clear()


@pytest.fixture
def writer(tmp_path):
    started = []

    def start(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def work(code: str, folder: Path) -> None:
    if code == FILE:
        write_bytes(folder / "other.png", b"ours")
    else:
        with scratch_folder():
            pass


@pytest.mark.parametrize("code", [FILE, FOLDER], ids=["file", "folder"])
def test_scratch_of_a_killed_process_goes_with_the_next(tmp_path, writer, code):
    process = writer(code)
    assert len(list(tmp_path.iterdir())) == 1
    process.kill()
    process.wait()
    work(code, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"other.png"}


@pytest.mark.parametrize("code", [FILE, FOLDER], ids=["file", "folder"])
def test_scratch_of_a_running_process_stays(tmp_path, writer, code):
    process = writer(code)
    work(code, tmp_path)
    assert len({path.name for path in tmp_path.iterdir()} - {"other.png"}) == 1
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} <= {"other.png", "photo.png"}


def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "report.html").symlink_to(tmp_path / "disk" / "report.html")
    write_bytes(tmp_path / "report.html", b"page")
    assert (tmp_path / "report.html").is_symlink()
    assert (tmp_path / "disk" / "report.html").read_bytes() == b"page"


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    write_bytes(tmp_path / ("n" * 255), b"x")
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]
