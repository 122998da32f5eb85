"""The table of peers, from the conversions' costs and the sessions' samples."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime

from benchmarks.peers.catalogue import PRODUCT, PRODUCT_SIDE, Peer
from benchmarks.peers.converting import Conversion
from benchmarks.peers.sessions import Session
from converters.errors import ExportError


class _Pooled:
    """The samples of all sessions on one number of threads."""

    def __init__(self, sessions: Sequence[Session], threads: int) -> None:
        self.threads = threads
        self.sessions = [item for item in sessions if item.threads == threads]

    def samples_ms(self, name: str) -> list[float]:
        return [value for item in self.sessions for value in item.samples_ms.get(name, ())]

    def median_ms(self, name: str) -> float:
        return statistics.median(self.samples_ms(name))

    @property
    def gflops(self) -> float:
        """The rate of the matrix product, in 10^9 operations a second."""
        return 2 * PRODUCT_SIDE**3 / self.median_ms(PRODUCT) / 1e6

    def cells(self, name: str, ours: str, gflop: float) -> list[str]:
        """Latency, what ours takes of it, and the share of the matrix product's rate."""
        samples, own = self.samples_ms(name), self.samples_ms(ours)
        if not samples:
            return ["", "", ""]
        median, least = statistics.median(samples), min(samples)
        ratios = f"{statistics.median(own) / median:.2f} / {min(own) / least:.2f}"
        return [f"{median:.0f} / {least:.0f}", ratios, f"{gflop / median * 1e3 / self.gflops:.2f}"]


def table(
    rows: Sequence[Peer],
    conversions: Mapping[str, Conversion],
    sessions: Sequence[Session],
    gflop: float,
) -> str:
    """Markdown: conditions, then one row for every peer, ours first.

    ``gflop`` are the operations of the network as it was exported, in 10^9. Raises ExportError without a session.
    """
    pooled = [_Pooled(sessions, threads) for threads in sorted({item.threads for item in sessions})]
    if not pooled:
        raise ExportError("there is no session yet", next_step="run the step called time")
    ours = rows[0].name
    head = ["converter; engine"]
    for item in pooled:
        head += [f"{item.threads} thread{'s' * (item.threads > 1)}, ms", "ours / it", "of product"]
    head += ["mean diff", "max diff", "conversion, wall s", "CPU s", "peak MB"]
    lines = [_conditions(pooled, gflop), "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [cell for item in pooled for cell in item.cells(row.name, ours, gflop)]
        lines.append(f"| {' | '.join([row.name, *cells, *_differences(row, sessions), *_costs(row, conversions)])} |")
    said = {row.name: conversions[row.name].refused for row in rows if row.name in conversions}
    said |= {name: word for item in sessions for name, word in item.refused.items()}
    words = [f"{name} fails: `{word}`." for name, word in said.items() if word]
    return "\n".join([*lines, *(["", *words] if words else [])])


def _differences(row: Peer, sessions: Sequence[Session]) -> list[str]:
    found = [item.differences[row.name] for item in sessions if row.name in item.differences]
    return [f"{max(values):.0e}" for values in zip(*found, strict=True)] if found else ["", ""]


def _costs(row: Peer, conversions: Mapping[str, Conversion]) -> list[str]:
    if not row.conversion:
        return ["", "", ""]
    found = conversions.get(row.name)
    if found is None or not found.costs:
        return ["fails" if found else "not run", "", ""]
    return [f"{found.median('wall_s'):.1f}", f"{found.median('cpu_s'):.1f}", f"{found.median('peak_bytes') / 1e6:.0f}"]


def _conditions(pooled: Sequence[_Pooled], gflop: float) -> str:
    sessions = [item for pool in pooled for item in pool.sessions]
    found = sessions[-1].conditions
    days = sorted({datetime.fromisoformat(item.begun).date() for item in sessions})
    when = " to ".join(dict.fromkeys(f"{day.day} {day:%B %Y}" for day in (days[0], days[-1])))
    loads = [load for item in sessions for load in item.load]
    rounds = " and ".join(
        f"{len(pool.samples_ms(PRODUCT))} rounds in {len(pool.sessions)} session(s) on {pool.threads} thread(s)"
        for pool in pooled
    )
    rates = " and ".join(f"{pool.gflops:.0f}" for pool in pooled)
    return (
        f"Conditions: {found['cpu']}, {found['cpus']} cores, {found['system']}; {when}; load average {min(loads):.1f} "
        f"to {max(loads):.1f}; {found['size']}, fp32; LiteRT {found['ai-edge-litert']}, ONNX Runtime "
        f'{found["onnxruntime"]}; {rounds}. Pairs are medians / minima. "Of product" is the time of the network\'s '
        f"{gflop:.1f} GFLOP, as exported, at the rate of numpy {found['numpy']}'s product of two matrices of side "
        f"{PRODUCT_SIDE} in the same rounds ({rates} GFLOP/s), as a share of the latency."
    )
