from __future__ import annotations

from benchmarks.host.conditions import host_conditions


def test_conditions_name_machine_threads_and_versions():
    conditions = host_conditions(2, ("numpy",))
    assert conditions["threads"] == 2
    assert {"cpu", "system", "numpy"} <= set(conditions)
