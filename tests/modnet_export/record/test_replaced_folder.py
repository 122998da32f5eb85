from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from converters.errors import ExportError
from modnet_export.record.files import replaced_folder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def writer(tmp_path):
    """Another process that fills ``tmp_path/dist`` until its input is closed."""
    code = (
        "import sys; from pathlib import Path; from modnet_export.record.files import replaced_folder\n"
        f"with replaced_folder(Path({str(tmp_path / 'dist')!r}), keep=set()) as folder:\n"
        "    (folder / 'new.txt').write_text('theirs'); print('filling', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "filling\n"
    yield process
    process.kill()
    process.wait()


def fill(folder: Path) -> None:
    with replaced_folder(folder, keep=set()) as fresh:
        (fresh / "new.txt").write_text("ours")


def test_a_second_writer_is_refused_and_told_who_is_first(tmp_path, writer):
    with pytest.raises(ExportError, match=f"process {writer.pid} is writing"):
        fill(tmp_path / "dist")
    writer.communicate(timeout=30)  # its folder was left alone: it finishes
    assert (tmp_path / "dist" / "new.txt").read_text() == "theirs"


def test_what_a_killed_writer_left_is_cleared_by_the_next(tmp_path, writer):
    writer.kill()
    writer.wait()
    fill(tmp_path / "dist")
    assert [path.name for path in tmp_path.iterdir()] == ["dist"]
    assert (tmp_path / "dist" / "new.txt").read_text() == "ours"


def test_a_link_stays_a_link(tmp_path):
    target = tmp_path / "disk" / "models"
    target.mkdir(parents=True)
    (target / "old.txt").touch()
    (tmp_path / "dist").symlink_to(target)
    fill(tmp_path / "dist")
    assert (tmp_path / "dist").is_symlink()
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert [path.name for path in target.parent.iterdir()] == ["models"]
