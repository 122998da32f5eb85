"""What ``benchmark_model`` prints: TFLite's tool, and LiteRT's tool of the same name for compiled models.

TFLite's gives microseconds on one line. LiteRT's gives each value on a line of its own, with its unit
(litert/tools/benchmark_litert_model.h). Both write to the terminal and, on Android, to the log.
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
    rf"(Model initialization|(?:Warmup|Inference) \((?:first|avg|min|max|std)\)):\s+{_NUMBER}(?:.*\((\d+) runs)?"
)
_PEAK = re.compile(rf"(?:Overall peak memory footprint \(MB\)[^:]*|Peak memory): *{_NUMBER}")
_MIB = 1 << 20
"""Both tools divide by 1024 twice and write MB."""
_REPLACING = re.compile(r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \(([^)]*)\)")
_REMAINING = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+) operations")
_NAMES: dict[Delegate, str] = {"gpu": r"gpu|^litert_(cl|gl|webgpu)", "npu": "dispatch", "nnapi": "nnapi"}
"""What the delegates are called in the line above: TfLiteGpuDelegateV2, LITERT_CL, DispatchDelegate, ..."""
_APIS = (
    ("OpenGL", r"Falling back to OpenGL|OpenGL-based API|\(LITERT_GL\)"),
    ("WebGPU", r"\(LITERT_WEBGPU\)|WebGPU-based API"),
    ("OpenCL", r"OpenCL-based API|\(LITERT_CL\)"),
)
"""How each API of a GPU shows in the log; a fallback counts before what was tried first."""
_UNCONSUMED = re.compile(r"Unconsumed cmdline flags: *(.*\S)")
_STATISTICS = ("min", "max", "std", "p5", "median", "p95")


def number(text: str) -> float:
    """A printed number, also with a decimal comma or the digits of another script, as phones' locales have them.

    Raises ValueError for other text.
    """
    if "," in text and "." not in text:
        text = text.replace(",", ".") if text.count(",") == 1 else text.replace(",", "")
    return float(text.replace(",", ""))


def parse(text: str, delegate: Delegate = "cpu") -> Block:
    """Read what one process printed, both streams and its log, when it ran with a ``delegate``.

    Raises ExportError where it is cut short or something else, where the tool did not know an option, and where
    nothing ran on the delegate.
    """
    if ignored := _UNCONSUMED.search(text):
        raise ExportError(
            f"benchmark_model does not know {ignored[1]}, so it measured something else",
            expected="TFLite's or LiteRT's tool of 2026 or later",
            next_step="take a newer benchmark_model",
        )
    try:
        block = _one_line(text, delegate) or _several_lines(text, delegate)
    except (ValueError, OverflowError) as error:
        raise ExportError(
            f"benchmark_model printed a value that makes no sense: {error}", next_step=_BY_HAND
        ) from error
    if block is None:
        tail = " / ".join(text.strip().splitlines()[-3:])[:300] or "nothing"
        raise ExportError(
            f"benchmark_model did not finish; it printed: {tail}",
            expected="a line 'Inference timings in us: ...' or 'Inference (avg): ...'",
            next_step=_BY_HAND,
        )
    require_delegated(text, delegate)
    return block


def require_delegated(text: str, delegate: Delegate) -> None:
    """Raise ExportError where nothing ran on a wanted delegate, by the log of a tool of LiteRT's."""
    whole = "be completely executed by the delegate" in text
    if delegate in _NAMES and not _delegated(text, delegate) and not whole:
        raise ExportError(
            f"nothing ran on the {delegate}: the tool's log has no node that it took",
            expected="a line 'Replacing ... node(s) with delegate'",
            next_step=f"the log of this block tells why; measure without the `delegates={delegate}`",
        )


_BY_HAND = "run it by hand on the device to see all that it prints"


def _one_line(text: str, delegate: Delegate) -> Block | None:
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
        delegated=_delegated(text, delegate),
        api=_api(text, delegate),
    )


def _several_lines(text: str, delegate: Delegate) -> Block | None:
    """The form of LiteRT's tool, in ms; None where the text has another form."""
    lines = {m[1]: (number(m[2]), m[3]) for m in _LINE.finditer(text)}
    if "Inference (avg)" not in lines or lines["Inference (avg)"][1] is None:
        return None
    mean, runs = lines["Inference (avg)"]
    known = {name: value for name, (value, _) in lines.items()}
    return Block(
        count=int(runs),
        mean_ms=mean,
        statistics={name: known[f"Inference ({name})"] for name in _STATISTICS if f"Inference ({name})" in known},
        init_ms=known.get("Model initialization"),
        first_ms=known.get("Warmup (first)"),
        warmup_ms=known.get("Warmup (avg)"),
        peak_memory_bytes=_peak_bytes(text),
        delegated=_delegated(text, delegate),
        api=_api(text, delegate),
    )


def _peak_bytes(text: str) -> int | None:
    peak = _PEAK.search(text)
    size = 0 if peak is None else int(number(peak[1]) * _MIB)
    return size if size > 0 else None  # it prints -1 where it was not measured


def _delegated(text: str, delegate: Delegate) -> tuple[int, int] | None:
    """Nodes that the wanted delegate took, and all nodes; None where it took none.

    What is left over goes to XNNPACK, which says so in a line like it. The terminal and the log have the same lines.
    """
    names = _NAMES.get(delegate)
    if names is None:
        return None
    left = {m[1]: int(m[2]) for m in _REMAINING.finditer(text)}
    taken = dict.fromkeys(
        (int(m[1]), int(m[2]) if m[2] else int(m[1]) + left.get(m[1], 0), m.group())
        for m in _REPLACING.finditer(text)
        if re.search(names, m[3], re.IGNORECASE)
    )
    return (sum(some for some, _, _ in taken), sum(every for _, every, _ in taken)) if taken else None


def _api(text: str, delegate: Delegate) -> str | None:
    """The API that a GPU was reached through, where the log tells."""
    if delegate != "gpu":
        return None
    return next((name for name, pattern in _APIS if re.search(pattern, text)), None)


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
