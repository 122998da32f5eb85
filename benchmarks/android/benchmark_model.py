"""The command line and the output of ``benchmark_model``, the native tool of TFLite and LiteRT.

Two forms of output are known, see ``tests/benchmarks/android/test_benchmark_model.py``: that of TFLite's tool, which
current LiteRT builds still have (microseconds, all on one line), and that of LiteRT 2.x's newer tool (each value on a
line of its own, with its unit).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from benchmarks.choices import Delegate
from benchmarks.results import Block, OpTime
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
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_STATISTICS = ("min", "max", "std", "p5", "median", "p95")


def number(text: str) -> float:
    """A printed number, also with a decimal comma or the digits of another script, as phones' locales have them.

    Raises ValueError for other text.
    """
    if "," in text and "." not in text:
        text = text.replace(",", ".") if text.count(",") == 1 else text.replace(",", "")
    return float(text.replace(",", ""))


def parse(text: str) -> Block:
    """Read what one process printed, both streams; raises ExportError where it is cut short or something else."""
    try:
        block = _one_line(text) or _several_lines(text)
    except (ValueError, OverflowError) as error:
        raise ExportError(
            f"benchmark_model printed a value that makes no sense: {error}", next_step=_BY_HAND
        ) from error
    if block is not None:
        return block
    tail = " / ".join(text.strip().splitlines()[-3:])[:300] or "nothing"
    raise ExportError(
        f"benchmark_model did not finish; it printed: {tail}",
        expected="a line 'Inference timings in us: ...'",
        next_step=_BY_HAND,
    )


_BY_HAND = "run it by hand on the device to see all that it prints"


def _one_line(text: str) -> Block | None:
    """The form of TFLite's tool; None where the text has another form."""
    timings = next((m for line in text.splitlines() if (m := _TIMINGS.search(line))), None)
    counts = [m for line in text.splitlines() if (m := _COUNT.search(line))]
    if timings is None or not counts:
        return None
    init, first, warmup, mean = (number(timings[index]) / 1e3 for index in range(1, 5))
    last = counts[-1]  # the one before it is that of the warm-up
    values = {name: number(value) / 1e3 for name, value in _PAIR.findall(last[2])}
    return Block(
        count=int(last[1]),
        mean_ms=mean,
        statistics={name: values[name] for name in _STATISTICS if name in values},
        init_ms=init,
        first_ms=first,
        warmup_ms=warmup,
        peak_memory_bytes=_peak_bytes(text),
        delegated=_delegated(text),
    )


def _several_lines(text: str) -> Block | None:
    """The form of LiteRT 2.x's newer tool; None where the text has another form."""
    lines = {m[1]: (number(m[2]) * _MS[m[3]], m[4]) for m in _LINE.finditer(text)}
    if "Inference (avg)" not in lines:
        return None
    mean, runs = lines["Inference (avg)"]
    return Block(
        count=int(runs) if runs else 1,
        mean_ms=mean,
        statistics={},
        init_ms=lines["Init"][0] if "Init" in lines else None,
        first_ms=lines["First inference"][0] if "First inference" in lines else None,
        warmup_ms=lines["Warmup (avg)"][0] if "Warmup (avg)" in lines else None,
        peak_memory_bytes=_peak_bytes(text),
        delegated=_delegated(text),
    )


def _peak_bytes(text: str) -> int | None:
    size = 0
    if peak := _PEAK.search(text):
        size = int(number(peak[1]) * 1e6)
    elif peak := _PEAK_NEW.search(text):
        size = int(number(peak[1]) * (1e6 if peak[2] == "MB" else 1e3))
    return size if size > 0 else None  # it prints -1 where it was not measured


def _delegated(text: str) -> tuple[int, int] | None:
    """Nodes that delegates took, and all nodes."""
    taken = [(int(m[1]), int(m[2])) for m in _DELEGATED.finditer(text)]
    return (sum(some for some, _ in taken), max(every for _, every in taken)) if taken else None


def arguments(tool: str, model: str, *, threads: int, delegate: Delegate, runs: int) -> list[str]:
    """The command line for one process: one run to warm up, then ``runs`` timed ones."""
    flags = {
        "graph": model,
        "num_threads": threads,
        "num_runs": runs,
        "warmup_runs": 1,
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
        flags["gpu_precision_loss_allowed"] = True
    return [tool, *(f"--{name}={_flag(value)}" for name, value in flags.items())]


def _flag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def parity_arguments(port: str, shape: Sequence[int], image: str, matte: str) -> list[str]:
    """Run on a given tensor and keep the output: ``image`` and ``matte`` are files of raw bytes on the device."""
    return [
        f"--input_layer={port}",
        f"--input_layer_shape={','.join(map(str, shape))}",
        f"--input_layer_value_files={port}:{image}",
        f"--output_filepath={matte}",
    ]


def profile_arguments(file: str) -> list[str]:
    """Write a profile of all ops as CSV to a file on the device."""
    return [
        "--enable_op_profiling=true",
        "--op_profiling_output_mode=csv",
        f"--op_profiling_output_file={file}",
    ]


def parse_profile(text: str) -> tuple[OpTime, ...]:
    """The ops of a CSV profile in the order in which they run.

    Raises ExportError where the file has no such list, or values that make no sense.
    """
    sections = re.split(r"^=+ *", text, flags=re.MULTILINE)
    # There are profiles of preparing the model and of running it: the last one is that of running.
    wanted = [part for part in sections if part.startswith("Run Order")]
    if wanted:
        rows = [row for row in csv.reader(io.StringIO(wanted[-1].split("\n", 1)[1]), skipinitialspace=True) if row]
        head = [cell.strip().lower() for cell in rows[0]] if rows else []
        mean = next(
            (index for index, cell in enumerate(head) if cell.startswith(("avg_ms", "avg (ms)", "[avg ms]"))), -1
        )
        name = next((index for index, cell in enumerate(head) if "name" in cell), -1)
        if mean >= 0:
            return _op_times(rows[1:], mean, name)
    raise ExportError("the profile holds no list of ops", expected="benchmark_model's CSV, with a section 'Run Order'")


def _op_times(rows: Sequence[Sequence[str]], mean: int, name: int) -> tuple[OpTime, ...]:
    """Ops from rows of CSV; ``mean`` and ``name`` are the columns of an op's mean time and name, -1 for none."""
    try:
        taken = [
            (row[0].strip(), ",".join(row[name:]).strip() if name >= 0 else "", number(row[mean]))
            for row in rows
            if len(row) > mean and re.fullmatch(_NUMBER, row[mean].strip())
        ]
        whole = sum(value for _, _, value in taken) or 1.0
        return tuple(OpTime(op, label, value, value / whole) for op, label, value in taken)
    except ValueError as error:
        raise ExportError(f"the profile has a value that makes no sense: {error}", next_step=_BY_HAND) from error
