"""Fixtures that many tests share, and the selections of ``make quick``, ``make test`` and ``make test-slow``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import sys
from dataclasses import replace
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A test never waits for a network that is not there.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Several processes share the cores: threads that have nothing to do sleep instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
    # A shell ignores the signal for what it starts in the background, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity") and not config.getoption("--quick"):
        # Each process on a core of its own: with as many threads as the machine has cores, they wait for each other.
        # A quick run has more processes than cores, and many of its tests wait for a device.
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
    if config.getoption("--quick"):
        sys.meta_path.insert(0, _NotQuick())


def pytest_collection_modifyitems(config, items):
    """A quick run leaves out what is marked as long, and all that asks for an exported folder."""
    if config.getoption("--quick"):
        long = [item for item in items if "shared" in item.fixturenames or item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture(autouse=True)
def environment():
    """What a test, or a library that it runs, does to the environment ends with it (dask sets threads for MKL)."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _listing(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    # By content: coremltools rewrites a package's manifest, unchanged, when it opens it.
    return "".join(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """``shared(name, make)``: a folder that ``make(folder)`` fills once for all processes of a run. Read only."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    root = root / "shared"
    root.mkdir(exist_ok=True)
    used: set[Path] = set()

    def get(name: str, make) -> Path:
        folder, fresh, listing = root / name, root / f"{name}.new", root / f"{name}.files"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(fresh, ignore_errors=True)
                fresh.mkdir()
                make(fresh)
                listing.write_text(_listing(fresh))
                fresh.rename(folder)
        used.add(folder)
        return folder

    yield get
    for folder in used:
        listing = folder.with_name(f"{folder.name}.files")
        assert _listing(folder) == listing.read_text(), f"a test has changed {folder}"


@pytest.fixture(scope="session")
def exported(shared):
    """``exported(size=..., ...)``: the folder of an export, one for each request. Read only."""

    def get(**changes) -> Path:
        from modnet_export import ExportRequest, export

        request = ExportRequest(**changes)
        name = hashlib.sha256(repr(request).encode()).hexdigest()[:16]
        return shared(f"export-{name}", lambda out: export(replace(request, out=out)))

    return get


@pytest.fixture(scope="session")
def demo_source():
    from modnet_export.model import checkpoint

    return checkpoint.resolve("demo")


@pytest.fixture(scope="session")
def modnet(demo_source):
    from modnet_export.model import checkpoint

    return checkpoint.load(demo_source)


@pytest.fixture(scope="session")
def small_onnx(shared, request):
    """The exported demo network at 96x128: small, and neither square nor a power of two."""
    import onnx

    def make(folder: Path) -> None:
        from modnet_export.exporting.onnx import finished
        from modnet_export.exporting.traced import traced
        from modnet_export.record.contract import Size

        model = finished(traced(request.getfixturevalue("modnet"), Size(height=96, width=128)))
        onnx.save(model, folder / "modnet.onnx")

    return onnx.load(shared("small-onnx", make) / "modnet.onnx")


@pytest.fixture(scope="session")
def dist(exported) -> Path:
    """A whole export of the demo checkpoint at 96x128. Read only."""
    from modnet_export import Size

    return exported(size=Size(height=96, width=128))


@pytest.fixture(scope="session")
def asking_for_fp16(exported) -> Path:
    """fp32 and fp16 at 96x128, the latter with ``cpu_fp16``, whose matte is coarser there than it may be. Read only."""
    from modnet_export import Size
    from modnet_export.verifying.tolerances import ToleranceChanges

    return exported(
        size=Size(height=96, width=128),
        formats=("tflite",),
        cpu_fp16=True,
        tolerances=ToleranceChanges.parse(["mad=0.03"]),
    )
