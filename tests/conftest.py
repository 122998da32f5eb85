from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A test never waits for a network that is not there.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

DATA = Path(__file__).parent / "data"


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
