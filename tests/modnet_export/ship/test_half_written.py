"""Whatever fails, the project is as it was."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from modnet_export.record import together
from modnet_export.ship.android.shipping import ShipRequest, ship
from tests.modnet_export.ship.exports import export
from tests.modnet_export.ship.projects import PROJECT, files, project, tree
from tests.modnet_export.ship.test_shipping import GOLDEN, NEW


def test_nothing_is_written_where_a_folder_cannot_be_made(app, shipped):
    (app / GOLDEN).parent.parent.mkdir(parents=True)
    (app / GOLDEN).parent.write_text("a file")
    before = tree(app)
    with pytest.raises(OSError):
        shipped(apply=True)
    assert tree(app) == before


@pytest.mark.parametrize("at", range(20))
def test_nothing_is_written_when_a_step_fails(app, an_export, shipped, monkeypatch, at):
    """Every rename in turn, of new files, changed ones and the removal of one."""
    shipped("modnet_fp16.tflite", "modnet_int8.tflite")
    export(an_export, version=1)
    before, count = tree(app), 0

    def fail(step):
        def step_or_fail(path, *rest, **options):
            nonlocal count
            if "app" in path.parts and path.suffix != ".old" and not path.name.startswith(".modnet-export"):
                count += 1
                if count == at + 1:
                    raise OSError(errno.EROFS, "Read-only file system")
            return step(path, *rest, **options)

        return step_or_fail

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail(Path.replace))
        patched.setattr(Path, "unlink", fail(Path.unlink))
        try:
            shipped("modnet_fp16.tflite", apply=True)
        except OSError:
            assert tree(app) == before
        else:
            assert 5 < count <= at


def test_nothing_is_written_on_a_full_disk(app, shipped, monkeypatch):
    before = tree(app)

    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(together, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        shipped()
    assert tree(app) == before


def test_nothing_is_written_in_a_tree_that_may_only_be_read(an_export):
    with TemporaryDirectory() as name:  # unlike pytest's, anybody may enter it
        Path(name).chmod(0o755)
        app = project(Path(name) / "app")
        plan = ship(ShipRequest(app, (an_export / "modnet_fp16.tflite",), apply=True))
        for path in app.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = tree(app)
        user = os.geteuid()
        try:
            os.seteuid(user or 65534)  # root may write anywhere
            with pytest.raises(PermissionError):
                plan.carry_out()
        finally:
            os.seteuid(user)
        assert tree(app) == before
        for path in app.rglob("*"):
            path.chmod(0o755)


def test_what_a_killed_process_left_is_removed(app, shipped):
    (app / "app/.modnet-ship").mkdir()
    (app / "app/.modnet-ship/0.new").write_text("half")
    shipped()
    assert files(app).keys() - PROJECT.keys() == NEW
