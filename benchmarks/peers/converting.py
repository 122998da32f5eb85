"""Conversions, and what each costs: wall time, processor time and memory, in a fresh process."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.catalogue import Peer
from benchmarks.peers.environments import call, python_of, script, surroundings
from converters.errors import ExportError

_AGAIN_BELOW_S, _TIMES = 60.0, 3
_WORDS = 160


@dataclass(frozen=True)
class Cost:
    """One conversion, from the start of its process to the end."""

    wall_s: float
    cpu_s: float
    """Of all its processes."""
    peak_bytes: int
    """The most resident memory of any one of its processes."""


@dataclass(frozen=True)
class Conversion:
    """What a tool's conversions cost; none, and the tool's own word, where it does not convert the network."""

    costs: tuple[Cost, ...]
    refused: str = ""

    def median(self, field: str) -> float:
        return statistics.median(float(getattr(cost, field)) for cost in self.costs)


def convert_with(peer: str, arguments: Sequence[object], work: Path) -> None:
    """Run a peer's conversion in its environment; raises ExportError where it cannot be installed, or fails."""
    call(
        [python_of(peer, work), script(f"convert_{peer.replace('-', '_')}"), *arguments],
        f"converting with {peer}",
        work,
    )


def word(said: str) -> str:
    """The line of a failed tool's output that says why: the last one with an error in it."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return ([*lines[-1:], *errors[-1:]] or ["no word"])[-1][:_WORDS]


def cost(command: Sequence[object], work: Path) -> Cost | str:
    """What a command costs that runs in ``work``; where it fails, what it said."""
    report = (work / "costs.json").resolve()
    started = [sys.executable, str(script("run_costed")), str(report), *map(str, command)]
    done = subprocess.run(started, cwd=work, env=surroundings(work), capture_output=True, text=True)
    if done.returncode:
        return word(done.stdout + done.stderr)
    return Cost(**json.loads(report.read_text(encoding="utf-8")))


def converted(peer: Peer, work: Path) -> Conversion:
    """Convert with one peer, which is installed first: three times, or once where that takes a minute."""
    name, *arguments = peer.conversion
    command: list[object] = [sys.executable, "-m", "modnet_export", *peer.conversion]
    if peer.environment:
        try:
            command = [python_of(peer.environment, work.resolve()), script(name), *arguments]
        except ExportError as error:
            return Conversion((), word(error.what))
    costs: list[Cost] = []
    while len(costs) < _TIMES and (not costs or costs[0].wall_s < _AGAIN_BELOW_S):
        found = cost(command, work)
        if isinstance(found, str):
            return Conversion((), found)
        costs.append(found)
    return Conversion(tuple(costs))
