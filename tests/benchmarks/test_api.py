"""What a script imports from ``benchmarks``."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import benchmarks

# Those that run in the environments of other converters, and start when they are imported.
SCRIPTS = ("benchmarks.peers.convert_", "benchmarks.peers.run_", "benchmarks.peers.__main__")
MODULES = [
    item.name for item in pkgutil.walk_packages(benchmarks.__path__, "benchmarks.") if not item.name.startswith(SCRIPTS)
]


def test_public_names_are_values_before_and_after_every_module_is_imported():
    """In a process of its own, where nothing has been imported yet."""
    code = f"""
import importlib, types, benchmarks
def check():
    for name in benchmarks.__all__:
        assert not isinstance(getattr(benchmarks, name), types.ModuleType), name
        assert getattr(benchmarks, name).__name__ == name
check()
for name in {MODULES!r}:
    importlib.import_module(name)
check()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_no_module_is_called_like_a_public_name():
    assert not {name.removeprefix("benchmarks.") for name in MODULES} & set(benchmarks.__all__)


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
