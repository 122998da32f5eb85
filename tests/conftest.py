"""Fixtures that many tests share, and the selections of ``make quick``, ``make test`` and ``make test-slow``."""

from __future__ import annotations

import os
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A test never waits for a network that is not there.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

DATA = Path(__file__).parent / "data"

# What a quick run does without. A test that comes to import one of them is skipped, whichever way it gets there.
NOT_QUICK = {
    "tensorflow": "needs TensorFlow",
    "coremltools": "needs coremltools",
    "modnet_export.exporting.onnx": "exports a model",
}


class _NotQuick(MetaPathFinder):
    """Skips the test, or the file of tests, that imports something slow."""

    def find_spec(self, name, path=None, target=None):
        if name in NOT_QUICK:
            pytest.skip(f"not quick: {NOT_QUICK[name]}", allow_module_level=True)


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="only tests that need no TensorFlow, no export and no search")


def pytest_configure(config):
    if config.getoption("--quick"):
        sys.meta_path.insert(0, _NotQuick())


@pytest.fixture(scope="session")
def demo_source():
    from modnet_export.model import checkpoint

    return checkpoint.resolve("demo")


@pytest.fixture(scope="session")
def modnet(demo_source):
    from modnet_export.model import checkpoint

    return checkpoint.load(demo_source)


@pytest.fixture(scope="session")
def small_onnx(modnet):
    """The exported demo network at 96x128: small, and neither square nor a power of two."""
    from modnet_export.exporting.onnx import from_network
    from modnet_export.record.contract import Size

    return from_network(modnet, Size(height=96, width=128))


@pytest.fixture(scope="session")
def dist(tmp_path_factory) -> Path:
    """A whole export of the demo checkpoint at 96x128. Read only."""
    from modnet_export import ExportRequest, Size, export

    out = tmp_path_factory.mktemp("export") / "dist"
    export(ExportRequest(size=Size(height=96, width=128), out=out))
    return out
