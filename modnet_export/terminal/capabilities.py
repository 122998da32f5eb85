"""What a machine can do, as `modnet-export doctor` asks it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class Finding:
    """One capability: ``found`` says what there is; None when it is missing and ``get_it`` says how to get it."""

    capability: str
    used_for: str
    found: str | None
    get_it: str


def package(*names: str) -> str | None:
    for name in names:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return None


def first_line(*command: str) -> str | None:
    """The first line that a program prints; None when it is not there or fails."""
    path = shutil.which(command[0])
    if path is None:
        return None
    try:
        done = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter((done.stdout + done.stderr).strip().splitlines()), path)


@dataclass(frozen=True)
class Capability:
    """Something to look for: ``check`` says what there is, or None; ``get_it`` how to get it."""

    name: str
    used_for: str
    check: Callable[[], str | None]
    get_it: str

    def examined(self) -> Finding:
        return Finding(self.name, self.used_for, self.check(), self.get_it)
