"""Many models on many images: in processes, resumable, in constant memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest

from converters.errors import ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.model.checkpoint import resolve
from modnet_export.record import manifest
from modnet_export.record.contract import Size
from modnet_export.verifying import gates, harness, tasks
from modnet_export.verifying.workers import Workers

ROOT = Path(__file__).parents[3]


def measured(result):
    return {link.name: link.measurements for link in result.links}


def test_every_artefact_is_measured_on_every_image(dist, photos):
    result = verify(VerifyRequest(dist, inputs.images([photos]), workers=Workers(1)))
    assert result.passed
    assert len(result.inputs) == 10
    assert all([item.input for item in link.measurements] == list(result.inputs) for link in result.links)
    assert all(item.ssim is not None and item.edge_mad is not None for item in result.links[0].measurements)


@pytest.mark.parametrize("workers", [Workers(2), Workers(2, "dask")], ids=["processes", "dask"])
def test_several_workers_measure_the_same(dist, photos, workers):
    """But for the order of float sums, which depends on the number of threads."""
    one = verify(VerifyRequest(dist, inputs.images([photos]), workers=Workers(1)))
    several = verify(VerifyRequest(dist, inputs.images([photos]), workers=workers))
    assert several.passed
    for first, second in zip(one.links, several.links, strict=True):
        assert [item.input for item in first.measurements] == [item.input for item in second.measurements]
        for a, b in zip(first.measurements, second.measurements, strict=True):
            assert b.mad == pytest.approx(a.mad, abs=2e-6)


def test_threads_of_one_worker_do_not_share_a_model(dist, photos, tmp_path):
    """A running cluster may have workers of several threads; four here, for two chunks of every model."""
    from distributed import LocalCluster

    plan_of = partial(_every_artefact_on, dist, inputs.images([photos]))
    alone = harness.run(plan_of(tmp_path / "alone"), Workers(1))
    with LocalCluster(n_workers=1, threads_per_worker=4, processes=False, dashboard_address=None) as cluster:
        together = harness.run(plan_of(tmp_path / "together"), Workers(1, "dask", cluster.scheduler_address))
    assert len(together.rows) == 50
    assert dict(together.rows) == dict(alone.rows)


def _every_artefact_on(dist, chosen, state):
    recorded = manifest.load(dist)
    candidates = [harness.Candidate(item.file, dist / item.file, item.sha256) for item in recorded.artefacts]
    trials = tuple(harness.Trial(candidate, tuple(chosen)) for candidate in candidates)
    return harness.Plan(resolve("demo"), recorded.size, tuple(chosen), trials, state)


def test_stopped_run_goes_on_where_it_was(dist, photos, tmp_path, monkeypatch):
    chosen = inputs.images([photos])
    whole = verify(VerifyRequest(dist, chosen, workers=Workers(1), state=tmp_path / "whole"))
    rows = (tmp_path / "whole" / "rows.jsonl").read_text().splitlines()
    calls = 0
    real = tasks.run_candidate

    def stops_at_the_third(candidate, chunk):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(candidate, chunk)

    monkeypatch.setattr(tasks, "run_candidate", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        verify(VerifyRequest(dist, chosen, workers=Workers(1), state=tmp_path / "state"))
    done = (tmp_path / "state" / "rows.jsonl").read_text().splitlines()
    assert 10 < len(done) < len(rows)
    monkeypatch.setattr(tasks, "run_candidate", real)
    seen = []
    monkeypatch.setattr(tasks, "run_reference", lambda *_: seen.append("reference") or [])
    resumed = verify(VerifyRequest(dist, chosen, workers=Workers(1), state=tmp_path / "state"))
    assert seen == []
    assert measured(resumed) == measured(whole)
    assert (tmp_path / "state" / "rows.jsonl").read_text().splitlines()[: len(done)] == done


def test_memory_does_not_grow_with_the_number_of_images(dist, photos, demo_source, tmp_path):
    """The same process, forty images after ten: nothing of an image is kept."""
    recorded = manifest.load(dist)
    artefact = recorded.artefacts[1]
    candidate = harness.Candidate(artefact.file, dist / artefact.file, artefact.sha256)
    process = psutil.Process()
    used = []
    for repeat in range(4):
        copies = tmp_path / str(repeat)
        copies.mkdir()
        for path in photos.iterdir():
            (copies / path.name).write_bytes(path.read_bytes())
        chosen = tuple(inputs.images([copies]))
        plan = harness.Plan(
            demo_source, recorded.size, chosen, (harness.Trial(candidate, chosen),), state=tmp_path / "state"
        )
        run = harness.run(plan, Workers(1))
        used.append(process.memory_info().rss)
    assert len(run.rows) == 80
    # Ten images at this size are 12 MB of pixels and mattes, and 400 MB of activations.
    assert used[-1] - used[0] < 60e6


def test_corrupt_image_is_reported_and_the_rest_goes_on(dist, photos, tmp_path):
    for path in sorted(photos.iterdir())[:3]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    result = verify(VerifyRequest(dist, inputs.images([tmp_path])))
    assert result.passed
    assert len(result.inputs) == 3
    assert "cannot read broken.png" in result.unreadable["broken.png"]
    with pytest.raises(ExportError, match=r"(?s)1 input\(s\) could not be read; the rest passed.*broken\.png"):
        gates.require(result)


def test_input_that_the_reference_gave_nothing_for_is_not_passed_over(demo_source, tmp_path, monkeypatch):
    """A worker that came back without it."""
    monkeypatch.setattr(tasks, "run_reference", lambda *_: [])
    chosen = tuple(inputs.builtin())
    plan = harness.Plan(demo_source, Size(height=32, width=32), chosen, (), tmp_path)
    assert set(harness.run(plan, Workers(1)).unreadable) == {"photo", "noise"}


def test_killed_worker_leaves_finished_rows(dist, photos, tmp_path):
    code = (
        "import os, signal; from pathlib import Path; from modnet_export import VerifyRequest, verify\n"
        "from modnet_export.images import inputs; from modnet_export.verifying.workers import Workers\n"
        "def progress(stage, done=0, total=0, /):\n"
        "    if stage.startswith('running 4') and done > 10: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"verify(VerifyRequest(Path({str(dist)!r}), inputs.images([Path({str(photos)!r})]),"
        f" workers=Workers(1), state=Path({str(tmp_path)!r})), progress)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert sum(row["candidate"] != "reference" for row in rows) > 10
    assert verify(VerifyRequest(dist, inputs.images([photos]), workers=Workers(1), state=tmp_path)).passed
