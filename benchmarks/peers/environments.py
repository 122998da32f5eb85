"""Virtual environments of other tools, made from the pins beside this file, and commands that run in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from converters.errors import ExportError

PYTHONS = {"onnx2tf": "3.12"}
"""The Python of a peer that does not install on ours."""
WITHOUT_DEPENDENCIES = frozenset({"ncnn"})
"""Peers whose file of pins is all they need: less than what their packages ask for."""
_PYENV = Path.home() / ".pyenv" / "versions"


def requirements(peer: str) -> str:
    """The pins of a peer's environment, as pip reads them; raises FileNotFoundError for a peer that there is not."""
    return (resources.files("benchmarks.peers") / f"requirements-{peer}.txt").read_text(encoding="utf-8")


def script(name: str) -> Path:
    """The file of a script that runs in a peer's environment."""
    return Path(str(resources.files("benchmarks.peers") / f"{name}.py"))


def interpreter(peer: str) -> Path:
    """The Python that a peer's environment is made with; raises ExportError where this machine has none."""
    wanted = PYTHONS.get(peer)
    if wanted is None:
        return Path(sys.executable)
    name = f"python{wanted}"
    # pyenv's own first: what it puts on the path may be for another version.
    for python in [*_PYENV.glob(f"{wanted}.*/bin/{name}"), shutil.which(name)]:
        if python:
            return Path(python)
    raise ExportError(f"{peer} needs Python {wanted}: install it, so that {name} is on the path")


def python_of(peer: str, work: Path) -> Path:
    """Python of a peer's environment, which is made the first time; raises ExportError where that fails."""
    environment = work / f"venv-{peer}"
    python = environment / "bin" / "python"
    pins, stamp = requirements(peer), environment / "installed.txt"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != pins:
        call([interpreter(peer), "-m", "venv", "--clear", environment], f"making {peer}'s environment", work)
        listed = work / f"requirements-{peer}.txt"
        listed.write_text(pins, encoding="utf-8")
        options = ["--no-deps"] if peer in WITHOUT_DEPENDENCIES else []
        call([python, "-m", "pip", "install", "--quiet", *options, "-r", listed], f"installing {peer}", work)
        stamp.write_text(pins, encoding="utf-8")
    return python


def own_packages(work: Path) -> Path:
    """A folder from which a peer's environment imports our packages, and nothing else of this environment."""
    folder = work / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("benchmarks", "converters", "modnet_export"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path(str(resources.files(name))).resolve(), target_is_directory=True)
    return folder


def surroundings(work: Path) -> dict[str, str]:
    """The environment variables of a command that imports our packages."""
    return os.environ | {"PYTHONPATH": str(own_packages(work).resolve())}


def call(command: Sequence[object], what: str, work: Path) -> str:
    """What a command prints that imports our packages; raises ExportError with its last words where it fails."""
    done = subprocess.run([str(part) for part in command], env=surroundings(work), capture_output=True, text=True)
    if done.returncode:
        raise ExportError(f"{what} failed:\n" + "\n".join(done.stderr.splitlines()[-10:]))
    return done.stdout
