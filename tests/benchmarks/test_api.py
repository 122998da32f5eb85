"""What a script imports from ``benchmarks``."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import benchmarks


def test_importing_the_package_loads_no_engine():
    code = "import sys, benchmarks; assert not {'numpy', 'torch', 'onnxruntime'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_names_are_listed_where_they_are_defined():
    assert sorted(benchmarks._HOMES) == sorted(benchmarks.__all__)
    for name, home in benchmarks._HOMES.items():
        assert getattr(benchmarks, name).__module__ == f"benchmarks.{home}"
        assert hasattr(importlib.import_module(f"benchmarks.{home}"), name)


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = benchmarks.nothing
