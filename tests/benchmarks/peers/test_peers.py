"""Ours beside the peers: who they are, and whether ours is as fast as it was meant to be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as program
from benchmarks.peers.catalogue import peers
from benchmarks.peers.environments import interpreter, own_packages, requirements, script
from benchmarks.peers.sessions import hold, kept
from converters.errors import ExportError
from modnet_export import Size

PEERS = peers(512, 512)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ours_is_at_most_0_85_of_the_latency_of_every_peer_on_the_same_runtime():
    """Each in an environment of its own, which is made in ``.peers`` the first time; not those that take minutes."""
    work, ours = Path(".peers"), PEERS[0].name
    work.mkdir(exist_ok=True)
    program.prepare(work, Size(height=512, width=512))
    rows = [row for row in PEERS if row.environment != "onnx2tf-1" and "tf_converter" not in row.name]
    program.convert(rows, work)
    found = hold([row for row in rows if (work / row.model).exists()], work, threads=1, seconds=60)
    least_ms = {name: min(samples) for name, samples in found.samples_ms.items()}  # what disturbs a run makes it longer
    assert found.differences[ours][1] <= 1e-4
    for name, (_, largest) in found.differences.items():
        assert largest <= 1e-3, f"{name}: its model is right, so that the comparison is fair"
        # How fast other engines are is in docs/benchmarks.md.
        assert name == ours or "LiteRT" not in name or least_ms[ours] <= 0.85 * least_ms[name]
    assert [row.name for row in rows if row.name not in found.differences] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_peer_is_converted_timed_and_written_into_the_documents(tmp_path, monkeypatch):
    """MNN, whose environment is small, through the program as a user runs it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "benchmarks.md"
    page.write_text("<!-- measured: peers -->\n<!-- end -->\n")
    (tmp_path / "README.md").touch()
    monkeypatch.setattr(sys, "argv", ["peers", "--size", "96x128", "--only", "MNN", "--seconds", "1", "--work", "work"])
    program.main()
    (row,) = [line for line in page.read_text().splitlines() if line.startswith("| MNN")]
    assert all(cell.strip() for cell in row.split("|")[1:-1])
    assert all(session.differences[row.split(" |")[0][2:]][1] <= 1e-3 for session in kept(Path("work")))


def test_an_unknown_step_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["peers", "tame"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 2
    assert "there is no step 'tame'" in capsys.readouterr().err


@pytest.mark.parametrize("environment", sorted({row.environment for row in PEERS if row.environment}))
def test_every_environment_has_its_pins(environment):
    lines = [line for line in requirements(environment).splitlines() if not line.startswith("#")]
    assert lines[0].lower().startswith(environment.removesuffix("-1"))  # the version that the table names
    assert "==" in lines[0]


@pytest.mark.parametrize("row", PEERS, ids=lambda row: row.name)
def test_every_row_has_its_scripts(row):
    assert script(f"run_{row.engine}").is_file()
    assert not row.environment or script(row.conversion[0]).is_file()


def test_a_peer_imports_our_packages_and_nothing_else_of_this_environment(tmp_path):
    folder = own_packages(tmp_path)
    own_packages(tmp_path)
    assert sorted(item.name for item in folder.iterdir()) == ["benchmarks", "converters", "modnet_export"]
    assert (folder / "modnet_export" / "model" / "network.py").is_file()


def test_a_python_that_is_not_here_is_asked_for(monkeypatch):
    monkeypatch.setattr("benchmarks.peers.environments.PYTHONS", {"onnx2tf": "3.99"})
    assert interpreter("mnn") == Path(sys.executable)
    with pytest.raises(
        ExportError, match=r"onnx2tf needs Python 3\.99: install it, so that python3\.99 is on the path"
    ):
        interpreter("onnx2tf")
