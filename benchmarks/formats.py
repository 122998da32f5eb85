"""How a benchmark is written to files and read back.

The format's history: 1 had no ``target`` in its runs; 2 is ``benchmarks.results`` as it is.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from benchmarks.results import HOST, SCHEMA_VERSION, Bench
from benchmarks.statistics import summarise
from converters.errors import ExportError

_FIRST_VERSION = 1
_UNREADABLE = "a .json file that a benchmark wrote"


def dump(bench: Bench) -> bytes:
    """As JSON."""
    return TypeAdapter(Bench).dump_json(bench, indent=2) + b"\n"


def load(path: Path) -> Bench:
    """What ``dump`` wrote, also what its earlier versions wrote; raises ExportError for anything else."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(path, str(reason)) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise _unreadable(path, "it has no schema_version")
    if version != SCHEMA_VERSION:
        _check_version(path, version)
        data = _upgraded(data)
    try:
        return TypeAdapter(Bench).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        raise _unreadable(path, f"{place}: {reason}" if place else reason) from error


def _unreadable(path: Path, reason: str) -> ExportError:
    return ExportError(f"cannot read {path.name} as a benchmark: {reason}", where=path, expected=_UNREADABLE)


def _check_version(path: Path, version: int) -> None:
    readable = f"schema_version {_FIRST_VERSION} to {SCHEMA_VERSION}, found {version}"
    if version > SCHEMA_VERSION:
        raise ExportError(
            f"{path.name} was written by a newer version of modnet-export",
            where=path,
            expected=readable,
            next_step="update modnet-export",
        )
    if version < _FIRST_VERSION:
        raise ExportError(
            f"{path.name} was written by an older version of modnet-export, which this one no longer reads",
            where=path,
            expected=readable,
            next_step="measure again",
        )


def _upgraded(data: dict[str, Any]) -> dict[str, Any]:
    """Version 1 as version 2: there, only a run's name said where it was measured."""

    def target(run: dict[str, Any]) -> str:
        _, on, name = str(run.get("name", "")).rpartition(" on ")
        return name if on else HOST

    runs = data.get("runs", [])
    if isinstance(runs, list):
        runs = [{**run, "target": target(run)} if isinstance(run, dict) else run for run in runs]
    return {**data, "runs": runs, "schema_version": SCHEMA_VERSION}


def as_csv(bench: Bench) -> str:
    """One row for each run: its name, what its samples come to, and its marks. What is unknown is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    derived = ("median_ms", "min_ms", "p90_ms", "p99_ms", "mean_ms")
    measured = ("init_ms", "first_ms", "peak_memory_bytes")
    writer.writerow(["name", *derived, *measured, "samples", "marks"])
    for run in bench.runs:
        values = {**summarise(run.samples_ms, of_blocks=bool(run.blocks)).model_dump(), "min_ms": run.min_ms}
        writer.writerow(
            [
                run.name,
                *(values[name] for name in derived),
                *(getattr(run, name) for name in measured),
                len(run.samples_ms),
                "; ".join(run.marks),
            ]
        )
    return buffer.getvalue()
