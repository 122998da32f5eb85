from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from converters.errors import ExportError, ExportWarning
from modnet_export.exporting import beside as module
from modnet_export.exporting.beside import Work, beside
from modnet_export.model import checkpoint
from modnet_export.record.contract import Size

SIZES = (Size(height=32, width=64), Size(height=64, width=32))


@pytest.fixture
def started(monkeypatch):
    """The processes that were started."""
    found: list[subprocess.Popen[bytes]] = []

    def start(*arguments, **options):
        found.append(popen(*arguments, **options))
        return found[-1]

    popen = subprocess.Popen
    monkeypatch.setattr(module.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(module.subprocess, "Popen", start)
    return found


@pytest.fixture
def here(monkeypatch):
    """What was made in this process."""
    found: list[str] = []

    class Seen(Work):
        def graphs(self):
            found.append("graphs")
            return super().graphs()

        def reference(self):
            found.append("reference")
            return super().reference()

    monkeypatch.setattr(module, "Work", Seen)
    return found


def same(graphs, reference, source):
    expected = Work(source, SIZES)
    assert graphs == expected.graphs()
    found, mattes = reference, expected.reference()
    assert found.engine == mattes.engine
    assert list(found.samples) == list(SIZES)
    for size in SIZES:
        for one, other in zip(found.samples[size], mattes.samples[size], strict=True):
            assert (one.name, one.placement) == (other.name, other.placement)
            assert np.array_equal(one.image_nhwc, other.image_nhwc)
            assert np.array_equal(one.matte_nhwc, other.matte_nhwc)
            assert np.array_equal(one.rounded_nhwc, other.rounded_nhwc)


def test_another_process_gives_the_same(demo_source, started, here, tmp_path, monkeypatch):
    (tmp_path / "pickle.py").write_text("raise SystemExit('a file of the folder that it is started in')")
    monkeypatch.chdir(tmp_path)
    with beside(demo_source, SIZES) as other:
        graphs, reference = other.graphs(), other.reference()
    same(graphs, reference, demo_source)
    assert (len(started), here) == (1, [])


def test_one_core_needs_no_other_process(demo_source, started, here, monkeypatch):
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    with beside(demo_source, SIZES) as other:
        same(other.graphs(), other.reference(), demo_source)
    assert (started, here) == ([], ["graphs", "reference"])


@pytest.mark.parametrize("how", ["it cannot be started", "it crashes", "it is killed", "it is killed later"])
def test_without_the_other_process_the_work_is_done_here(demo_source, started, here, monkeypatch, how):
    if how == "it cannot be started":
        monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    elif how == "it crashes":
        monkeypatch.setattr(module, "_CODE", "import os; os.abort()")
    with beside(demo_source, SIZES) as other:
        if how == "it is killed":
            started[0].kill()
        graphs = other.graphs()
        if how == "it is killed later":
            # Its second answer is longer than what a pipe holds, so that it is still there.
            started[0].kill()
        same(graphs, other.reference(), demo_source)
    assert here == (["reference"] if how == "it is killed later" else ["graphs", "reference"])


def test_an_error_is_the_one_that_there_would_be_here(tmp_path, started, capfd):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"no weights")
    with (
        pytest.raises(ExportError, match=r"cannot read weights\.safetensors as a checkpoint"),
        beside(checkpoint.resolve(str(path)), SIZES) as other,
    ):
        other.graphs()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cores", [1, 2])
def test_what_is_said_of_the_weights_is_said_once(modnet, tmp_path, started, monkeypatch, recwarn, cores):
    monkeypatch.setattr(module.os, "cpu_count", lambda: cores)
    torch.save({"params": modnet.state_dict(), "params_ema": modnet.state_dict()}, tmp_path / "weights.pth")
    with beside(checkpoint.resolve(str(tmp_path / "weights.pth")), SIZES[:1]) as other:
        other.graphs()
        other.reference()
    assert len(started) == cores - 1
    (said,) = [str(item.message) for item in recwarn if issubclass(item.category, ExportWarning)]
    assert "'params_ema' is used" in said


@pytest.mark.parametrize("ended_by", [KeyboardInterrupt, ExportError])
def test_the_other_process_ends_with_what_it_was_started_for(demo_source, started, monkeypatch, ended_by):
    monkeypatch.setattr(module, "_CODE", "import time; time.sleep(600)")
    with pytest.raises(ended_by), beside(demo_source, SIZES):
        raise ended_by("stopped")
    assert started[0].returncode is not None


def test_the_other_process_needs_no_guard_in_a_script(tmp_path):
    """A script without ``if __name__ == "__main__"`` is not run a second time."""
    script = tmp_path / "script.py"
    script.write_text(
        "from modnet_export.model import checkpoint\n"
        "from modnet_export.record.contract import Size\n"
        "from modnet_export.exporting import beside as module\n"
        "module.os.cpu_count = lambda: 2\n"
        "print('once')\n"
        "with module.beside(checkpoint.resolve('demo'), [Size(height=32, width=32)]) as other:\n"
        "    other.graphs()\n"
        "    print(len(other.reference().samples))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["once", "1"]
