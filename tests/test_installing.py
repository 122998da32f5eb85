"""What ``make`` installs, and that pip finds a set of packages on every Python that we name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.test_extras import tomllib

ROOT = Path(__file__).parents[1]
PYENV = Path.home() / ".pyenv" / "versions"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


@pytest.fixture
def make(tmp_path):
    """Run make with a pip that writes down what it is asked for, and has PyTorch's CPU build or has not."""

    def run(*settings: str, offered: bool) -> list[str]:
        for name in ("Makefile", "constraints.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, tmp_path)
        tools = tmp_path / ".venv" / "bin"
        tools.mkdir(parents=True)
        (tools / "python").touch()
        pip = tools / "pip"
        pip.write_text(f'#!/bin/sh\necho "$@" >> calls\ncase "$@" in *+cpu*) exit {0 if offered else 1};; esac\n')
        pip.chmod(0o755)
        done = subprocess.run(["make", ".venv/installed", *settings], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "calls").read_text().splitlines()

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the only build is the CPU's")
@pytest.mark.parametrize("offered", [True, False])
def test_the_cpu_build_is_asked_for_first_and_not_needed(make, offered):
    first, second = make("TORCH_INDEX=http://127.0.0.1:9/simple", offered=offered)
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    assert f"--timeout 3 --retries 0 --extra-index-url http://127.0.0.1:9/simple {pinned}+cpu" in first
    assert second.endswith("-c constraints.txt -e .")


def test_without_an_index_pip_chooses(make):
    assert len(make("TORCH_INDEX=", offered=True)) == 1


LARGE_MB = 30
LARGE = {
    "torch", "sympy",  # which torch asks for
    "numpy", "opencv-python-headless", "scipy", "matplotlib", "fonttools",
    "onnx", "onnxruntime", "onnxsim", "ai-edge-litert",
}  # fmt: skip


def _brought(requirements: Iterable[str], found: dict[str, float]) -> dict[str, float]:
    """What requirements bring, as installed here: megabytes by name."""
    for requirement in map(Requirement, requirements):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        asked = [{"extra": extra} for extra in (requirement.extras or {""})]
        if name in found or (requirement.marker and not any(map(requirement.marker.evaluate, asked))):
            continue
        package = distribution(name)
        files = [Path(str(item.locate())) for item in package.files or ()]
        found[name] = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
        _brought(package.requires or (), found)
    return found


def test_a_plain_install_brings_no_large_package_but_these():
    """Another one, such as a compiler for the sake of one function, wants a reason, or another way."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    brought = _brought(project["dependencies"], {})
    if any(name.startswith("nvidia") for name in brought):
        pytest.skip("PyTorch's CUDA build, with its libraries")
    assert {name for name, size in brought.items() if size > LARGE_MB} <= LARGE


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("wanted", PYTHONS)
def test_pip_finds_packages_for_every_python_that_we_name(tmp_path, wanted):
    """The versions of constraints.txt, with every extra; nothing is installed."""
    found = sorted(PYENV.glob(f"{wanted}.*/bin/python"))
    python = next(iter(found), None) or shutil.which(f"python{wanted}")
    if python is None:
        pytest.skip(f"there is no Python {wanted} here")
    report = tmp_path / "report.json"
    dry = ["install", "--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
    done = subprocess.run(
        [str(python), "-m", "pip", *dry, "-c", str(ROOT / "constraints.txt"), f"{ROOT}[all]"],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    versions = {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): item["metadata"]["version"]
        for item in json.loads(report.read_text())["install"]
    }
    assert versions["torch"].split("+")[0] == "2.13.0"
    assert {"modnet-export", "pi-heif", "coremltools", "adbutils", "distributed"} <= versions.keys()
