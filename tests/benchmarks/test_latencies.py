from __future__ import annotations

from benchmarks import formats
from benchmarks.latencies import latencies
from benchmarks.results import Bench


def test_a_report_shows_what_is_known_and_a_dash_for_the_rest(make_run, tmp_path):
    known = make_run("a", init_ms=3.4, peak_memory_bytes=93_000_000, pss_bytes=(1_000_000, 2_000_000), at_s=(0, 1, 2))
    path = tmp_path / "b.json"
    path.write_bytes(formats.dump(Bench("x", (known, make_run("b", conditions={"threads": 1, "sha256": "00"})))))
    first, second = latencies(path)
    assert (first.name, first.samples_ms, first.at_s) == ("a", known.samples_ms, (0, 1, 2))
    assert [first.columns[name] for name in ("init", "first", "peak MB", "PSS MB")] == ["3", "-", "93", "2"]
    assert [second.columns[name] for name in ("init", "peak MB", "PSS MB", "J (estimate)")] == ["-"] * 4
    assert second.conditions == "threads 1"
