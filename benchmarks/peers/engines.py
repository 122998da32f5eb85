"""An engine in a process of its own, which runs a model once whenever it is told to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.converting import word
from benchmarks.peers.environments import python_of, script, surroundings
from converters.errors import ExportError
from converters.runtimes import Image


class Engine:
    """A running ``run_*.py``. ``matte_nhwc`` is what its first run gave.

    Raises ExportError where the engine refuses the model, or ends: the message has its own word.
    """

    def __init__(self, peer: Peer, image: Path, threads: int, work: Path) -> None:
        work = work.resolve()
        python = python_of(peer.runs_in, work) if peer.runs_in else Path(sys.executable)
        matte = work / "first.npy"
        command = [python, script(f"run_{peer.engine}"), peer.model, image.resolve(), threads, matte]
        self._name = peer.name
        self._process = subprocess.Popen(
            [str(part) for part in command],
            cwd=work,
            env=surroundings(work),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._expect("ready")
        self.matte_nhwc: Image = np.load(matte)

    def _expect(self, answer: str) -> None:
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:  # MNN first prints what the processor can do
            if line.strip() == answer:
                return
            said.append(line)
        raise ExportError(f"{self._name} ended with {self._process.wait()}: {word(''.join(said))}")

    def __call__(self) -> None:
        """Run the model once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self._expect("done")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
