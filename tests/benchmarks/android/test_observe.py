"""Memory, energy and the profile of ops: taken after the latencies."""

from __future__ import annotations

import pytest

from tests.fakes import benchmark_model


@pytest.mark.long
def test_memory_is_sampled_apart_from_the_latencies(phones, run):
    device = phones()
    (one,) = run(device, memory=True, tool_options={"sleep": 0.5}).runs
    assert len(one.samples_ms) == 5
    assert max(one.pss_bytes) > 5e6  # of a Python process, once it is one


def test_the_profile_is_kept_as_the_tool_wrote_it(phones, run, tmp_path):
    device = phones()
    (one,) = run(device, profile=True, profiles=tmp_path / "profiles").runs
    assert [item.op for item in one.profile] == ["CONV_2D", "DEPTHWISE_CONV_2D", "RESIZE_BILINEAR"]
    (csv,) = (tmp_path / "profiles").iterdir()
    assert csv.read_bytes() == benchmark_model.PROFILE.read_bytes()


@pytest.mark.long
def test_energy_is_estimated_on_battery_only(phones, run, monkeypatch):
    monkeypatch.setattr("benchmarks.android.observe._ENERGY_SECONDS", 0.05)
    options = {"energy": True, "tool_options": {"sleep": 2.0}, "runs": 2}
    (one,) = run(phones(powered=False), **options).runs
    assert one.energy.mean_watts == pytest.approx(0.612 * 4.012, rel=1e-3)
    assert one.energy.joules_per_inference == pytest.approx(one.energy.mean_watts * 0.01, rel=0.05)
    (one,) = run(phones(powered=True), **options).runs
    assert one.energy is None
    assert "is charging" in one.energy_refused
