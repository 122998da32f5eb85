"""TFLite's and LiteRT's native ``benchmark_model``: its command line, and what it prints.

Two forms of output are known, see tests/benchmarks/data: that of TFLite's tool, which current LiteRT builds still have
(microseconds on one line), and that of LiteRT 2.x's newer tool (one value a line, with its unit).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from converters.errors import ExportError

_NUMBER = r"([-+]?[\d.,]+(?:[eE][-+]?\d+)?)"
_COUNT = re.compile(r"count=(\d+)(.*)")
_PAIR = re.compile(rf"(\w+)={_NUMBER}")
_TIMINGS = re.compile(
    rf"Init: {_NUMBER}, First inference: {_NUMBER}, Warmup \(avg\): {_NUMBER}, Inference \(avg\): {_NUMBER}"
)
_LINE = re.compile(
    rf"(Init|First inference|Warmup \(avg\)|Inference \(avg\)):\s+{_NUMBER}\s*(us|ms|s)\b(?:.*\((\d+) runs)?"
)
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\).*?: *{_NUMBER}")
_PEAK_NEW = re.compile(rf"(?:Peak memory|Overall peak)[^:]*:\s*{_NUMBER}\s*(MB|KB|kB)")
_DELEGATED = re.compile(r"Replacing (\d+) out of (\d+) node\(s\) with delegate")
_WHOLE = re.compile(r"completely executed by the delegate")
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def number(text: str) -> float:
    """A printed number; digits of any script and a decimal comma are read too (phones have locales)."""
    if "," in text and "." not in text:
        text = text.replace(",", ".") if text.count(",") == 1 else text.replace(",", "")
    return float(text.replace(",", ""))


@dataclass(frozen=True)
class Block:
    """One process of benchmark_model. Times in ms; ``statistics`` are the tool's own, over ``count`` runs."""

    count: int
    mean_ms: float
    statistics: Mapping[str, float]
    """``min``, ``max``, ``std``, ``p5``, ``median``, ``p95``: those that this build prints."""
    init_ms: float | None = None
    first_ms: float | None = None
    warmup_ms: float | None = None
    peak_memory_bytes: int | None = None
    delegated: tuple[int, int] | None = None
    """Nodes that a delegate took, and all nodes, where the tool says so."""


def parse(text: str) -> Block:
    """Read one run's output (both streams); raises ExportError where it is cut short or something else."""
    counts = [_COUNT.search(line) for line in text.splitlines()]
    found = [{"count": float(m[1]), **_pairs(m[2])} for m in counts if m]
    timings = next((m for line in text.splitlines() if (m := _TIMINGS.search(line))), None)
    lines = {m[1]: (number(m[2]) * _MS[m[3]], m[4]) for m in _LINE.finditer(text)} if timings is None else {}
    peak = _PEAK.search(text)
    peak_new = None if peak else _PEAK_NEW.search(text)
    memory: int | None = None
    if peak:
        memory = int(number(peak[1]) * 1e6)
    elif peak_new:
        memory = int(number(peak_new[1]) * (1e6 if peak_new[2] == "MB" else 1e3))
    if memory is not None and memory <= 0:  # -1: not measured
        memory = None
    taken = [(int(m[1]), int(m[2])) for m in _DELEGATED.finditer(text)]
    delegated = None if not taken else (sum(a for a, _ in taken), max(b for _, b in taken))
    if timings is not None and found:
        init, first, warmup, mean = (number(timings[index]) / 1e3 for index in range(1, 5))
        last = found[-1]
        return Block(
            count=int(last["count"]),
            mean_ms=mean,
            statistics={
                name: last[name] / 1e3 for name in ("min", "max", "std", "p5", "median", "p95") if name in last
            },
            init_ms=init,
            first_ms=first,
            warmup_ms=warmup,
            peak_memory_bytes=memory,
            delegated=delegated,
        )
    if "Inference (avg)" in lines:
        mean, runs = lines["Inference (avg)"]
        return Block(
            count=int(runs) if runs else 1,
            mean_ms=mean,
            statistics={},
            init_ms=lines["Init"][0] if "Init" in lines else None,
            first_ms=lines["First inference"][0] if "First inference" in lines else None,
            warmup_ms=lines["Warmup (avg)"][0] if "Warmup (avg)" in lines else None,
            peak_memory_bytes=memory,
            delegated=delegated,
        )
    tail = " / ".join(text.strip().splitlines()[-3:])[:300] or "nothing"
    raise ExportError(
        f"benchmark_model did not finish; it printed: {tail}",
        expected="a line 'Inference timings in us: ...'",
        next_step="run it by hand on the device to see all that it says",
    )


def _pairs(text: str) -> dict[str, float]:
    return {name: number(value) for name, value in _PAIR.findall(text)}


def arguments(
    tool: str,
    model: str,
    *,
    threads: int,
    delegate: str,
    runs: int,
    warmup_runs: int = 1,
    half: bool = True,
) -> list[str]:
    """The command line for one block of ``runs`` runs; ``half`` allows fp16 on a GPU."""
    flags = {
        "graph": model,
        "num_threads": threads,
        "num_runs": runs,
        "warmup_runs": warmup_runs,
        # Exactly so many runs: by time alone a fast model would get more of them than a slow one.
        "min_secs": 0,
        "warmup_min_secs": 0,
        "max_secs": 600,
        "report_peak_memory_footprint": True,
        "use_xnnpack": delegate == "cpu",
        "use_gpu": delegate == "gpu",
        "use_nnapi": delegate == "nnapi",
    }
    if delegate == "gpu":
        flags["gpu_precision_loss_allowed"] = half
    return [tool, *(f"--{name}={_flag(value)}" for name, value in flags.items())]


def _flag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parity_arguments(port: str, shape: Sequence[int], image: str, matte: str) -> list[str]:
    """What makes benchmark_model run on a given tensor (raw bytes) and keep its output."""
    return [
        f"--input_layer={port}",
        f"--input_layer_shape={','.join(map(str, shape))}",
        f"--input_layer_value_files={port}:{image}",
        f"--output_filepath={matte}",
    ]


def profile_arguments(file: str) -> list[str]:
    """What makes benchmark_model write a profile of every op as CSV."""
    return [
        "--enable_op_profiling=true",
        "--op_profiling_output_mode=csv",
        f"--op_profiling_output_file={file}",
    ]


@dataclass(frozen=True)
class OpTime:
    """One op of a profile: its mean time and share of the whole."""

    op: str
    name: str
    mean_ms: float
    share: float


def parse_profile(text: str) -> tuple[OpTime, ...]:
    """The ops of a CSV profile in their order: the section 'Run Order' of the graph's execution.

    Raises ExportError where the file has no such section.
    """
    sections = re.split(r"^=+ *", text, flags=re.MULTILINE)
    # Of the profiles of initialisation and of running, the last is that of running.
    wanted = [part for part in sections if part.startswith("Run Order")]
    if wanted:
        rows = [row for row in csv.reader(io.StringIO(wanted[-1].split("\n", 1)[1]), skipinitialspace=True) if row]
        head = [cell.strip().lower() for cell in rows[0]] if rows else []
        mean = next(
            (index for index, cell in enumerate(head) if cell.startswith(("avg_ms", "avg (ms)", "[avg ms]"))), -1
        )
        name = next((index for index, cell in enumerate(head) if "name" in cell), -1)
        if mean >= 0:
            taken = [
                (row[0].strip(), ",".join(row[name:]).strip() if name >= 0 else "", number(row[mean]))
                for row in rows[1:]
                if len(row) > mean and re.fullmatch(_NUMBER, row[mean].strip())
            ]
            whole = sum(value for _, _, value in taken) or 1.0
            return tuple(OpTime(op, label, value, value / whole) for op, label, value in taken)
    raise ExportError("the profile holds no list of ops", expected="benchmark_model's CSV, with a section 'Run Order'")
