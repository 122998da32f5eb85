"""Sessions in which all models take turns, kept with their raw samples: a table may rest on several."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from benchmarks.host.conditions import host_conditions
from benchmarks.peers.catalogue import PRODUCT, PRODUCT_SIDE, Peer
from benchmarks.peers.engines import Engine
from benchmarks.peers.timing import interleaved
from converters.errors import ExportError
from modnet_export.record.files import write_bytes
from modnet_export.verifying import metrics

IMAGE, MATTE = "image.npy", "matte.npy"
"""The built-in photo, and its matte in PyTorch in float64, below the work folder."""
_ROUNDS = 1000
_REST_S = 0.25
"""Before each turn: idle threads of OpenMP spin for 0.2 s (KMP_BLOCKTIME), and OpenBLAS's for less. After 0.03 s,
whoever came after OpenBLAS took a quarter longer on two threads."""
_FOLDER = "sessions"


@dataclass(frozen=True)
class Session:
    """One session on one number of threads. Keys are the names of rows."""

    begun: str
    """ISO 8601, UTC."""
    conditions: Mapping[str, str | int]
    load: tuple[float, float]
    """The load average of a minute, before and after."""
    samples_ms: Mapping[str, tuple[float, ...]]
    differences: Mapping[str, tuple[float, float]]
    """The mean and the largest difference from the reference's matte."""
    refused: Mapping[str, str]
    """Why a model is not here, in its engine's words."""

    @property
    def threads(self) -> int:
        return int(self.conditions["threads"])


_JSON = TypeAdapter(Session)


def hold(rows: Sequence[Peer], work: Path, *, threads: int, seconds: float) -> Session:
    """Start every engine, and let them take turns for so many seconds."""
    matte_nhwc = np.load(work / MATTE)
    begun, before = datetime.now(timezone.utc).isoformat(timespec="seconds"), os.getloadavg()[0]
    calls: dict[str, Callable[[], object]] = {}
    differences: dict[str, tuple[float, float]] = {}
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        for row in [*rows, Peer(PRODUCT, str(PRODUCT_SIDE), engine="product")]:
            try:
                engine = Engine(row, work / IMAGE, threads, work)
            except ExportError as error:
                refused[row.name] = error.what
                continue
            stack.callback(engine.close)
            calls[row.name] = engine
            if row.name != PRODUCT:
                found = engine.matte_nhwc
                differences[row.name] = metrics.mad(found, matte_nhwc), metrics.max_abs_difference(found, matte_nhwc)
        conditions = host_conditions(threads, ("ai-edge-litert", "onnxruntime", "numpy"))
        conditions |= {"size": "x".join(map(str, matte_nhwc.shape[1:3]))}
        runs = interleaved(calls, rounds=_ROUNDS, conditions=conditions, rest_s=_REST_S, seconds=seconds)
    samples = {run.name: run.samples_ms for run in runs}
    return Session(begun, conditions, (before, os.getloadavg()[0]), samples, differences, refused)


def keep(session: Session, work: Path) -> None:
    """Put a session beside the earlier ones."""
    folder = work / _FOLDER
    folder.mkdir(exist_ok=True)
    name = f"{session.begun.replace(':', '')}-{session.threads}.json"
    write_bytes(folder / name, _JSON.dump_json(session, indent=1))


def kept(work: Path) -> list[Session]:
    """All sessions, the first first."""
    return [_JSON.validate_json(path.read_bytes()) for path in sorted((work / _FOLDER).glob("*.json"))]
