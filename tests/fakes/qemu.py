"""Stands in for the arm64 system of ``benchmarks.qemu``: runs the models on this machine's LiteRT."""

from __future__ import annotations

import sys
from pathlib import Path

_TEXT = """#!{python}
import os, platform, runpy, sys, time
sys.path[:0] = {path!r}
if sys.argv[1:3] == ["-cpu", "help"]:
    print("Available CPUs:\\n  cortex-a53\\n  cortex-a76\\n  max"); sys.exit(1)
with open({log!r}, "a") as log:
    log.write(" ".join(sys.argv[1:3]) + "\\n")
time.sleep({sleep})
script = next(index for index, item in enumerate(sys.argv) if item.endswith("run.py"))
platform.machine = lambda: {machine!r}
sys.argv = sys.argv[script:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def install(folder: Path, *, machine: str = "aarch64", sleep: float = 0) -> Path:
    """Fill ``folder`` as an installation; gives the file that every call's CPU is written to."""
    folder.mkdir(parents=True)
    (folder / "complete").touch()
    log, program = folder / "log", folder / "qemu-aarch64"
    path = [item for item in sys.path if item]
    text = _TEXT.format(python=sys.executable, path=path, log=str(log), machine=machine, sleep=sleep)
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return log
