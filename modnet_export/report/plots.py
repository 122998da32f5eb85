"""The plots of a report, as SVG that follows the page's colours."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from converters.budget import Point
from converters.diagnose.drift import Drift
from modnet_export.record.latencies import Latencies
from modnet_export.record.manifest import SearchRecord
from modnet_export.verifying.result import Verification

_INK = "#808080"
"""The colour of axes and labels, which can be read on white and on black."""
_COLOURS = (
    "#3b82f6",
    "#ef4444",
    "#10b981",
    "#f59e0b",
    "#8b5cf6",
    "#ec4899",
    "#14b8a6",
    "#84cc16",
    "#f97316",
    "#6366f1",
)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    axes = figure.subplots()
    for spine in axes.spines.values():
        spine.set_color(_INK)
    axes.tick_params(colors=_INK, which="both")
    axes.grid(color=_INK, alpha=0.2)
    return figure, axes


def _svg(figure: Any, title: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # Without a size of its own it scales with the page; its name is for those who do not see it.
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', rf'\1 role="img" aria-label="{title}"', text, count=1)
    return re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)


def histogram(differences: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Which share of the pixels is off by how much: one line for each artefact, both axes logarithmic."""
    figure, axes = _figure(7.5, 3.6)
    edges = np.geomspace(1e-6, 1, 49)
    for index, (name, arrays) in enumerate(differences.items()):
        values = np.concatenate([array.ravel() for array in arrays])
        counts, _ = np.histogram(values[np.isfinite(values)].clip(edges[0], edges[-1]), edges)
        share = counts / max(values.size, 1)
        axes.step(edges[:-1], np.where(share > 0, share, np.nan), where="post", label=name, color=_colour(index))
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel("absolute difference from the reference", color=_INK)
    axes.set_ylabel("share of pixels", color=_INK)
    _legend(axes)
    return _svg(figure, "Histogram of absolute differences by artefact")


def scatter(result: Verification) -> str:
    """Every input's mean difference: one row for each artefact."""
    links = [link for link in result.links if link.measurements]
    figure, axes = _figure(7.5, 0.9 + 0.32 * len(links))
    for row, link in enumerate(links):
        values = [item.mad for item in link.measurements if item.mad is not None]
        axes.scatter([max(value, 1e-8) for value in values], [row] * len(values), s=22, alpha=0.7, color=_colour(row))
        limit = link.tolerance.mad
        if limit is not None:
            axes.plot([limit, limit], [row - 0.35, row + 0.35], color=_INK, linewidth=2)
    axes.set(xscale="log", yticks=range(len(links)), yticklabels=[link.name for link in links])
    axes.invert_yaxis()
    axes.set_xlabel("mean absolute difference of each input (bar: its limit, where there is one)", color=_INK)
    return _svg(figure, "Mean absolute difference of every input by artefact")


def latencies(rows: Sequence[Latencies]) -> str:
    """Every sample of every run: one row for each run, with its median."""
    figure, axes = _figure(7.5, 0.9 + 0.4 * len(rows))
    for row, item in enumerate(rows):
        # In the order in which they were taken, so that a drift is seen as a slope.
        offsets = np.linspace(-0.3, 0.3, len(item.samples_ms)) if len(item.samples_ms) > 1 else np.zeros(1)
        axes.scatter(item.samples_ms, row + offsets, s=9, alpha=0.6, color=_colour(row))
        middle = float(np.median(item.samples_ms))
        axes.plot([middle, middle], [row - 0.4, row + 0.4], color=_INK, linewidth=2)
    axes.set(yticks=range(len(rows)), yticklabels=[item.name for item in rows])
    axes.set_xlim(left=0)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds (bar: median; down each row: in time)", color=_INK)
    return _svg(figure, "Latency of every sample by run")


def over_time(rows: Sequence[Latencies]) -> str:
    """Latency against the time at which it was taken: one line for each run. Empty where no run has times."""
    timed = [item for item in rows if len(item.at_s) == len(item.samples_ms) > 1]
    if not timed:
        return ""
    figure, axes = _figure(7.5, 3.6)
    for index, item in enumerate(timed):
        axes.plot(item.at_s, item.samples_ms, marker=".", markersize=4, label=item.name, color=_colour(index))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds from the start", color=_INK)
    axes.set_ylabel("milliseconds", color=_INK)
    _legend(axes)
    return _svg(figure, "Latency over time")


def _pareto(axes: Any, records: Mapping[str, SearchRecord], ink: str) -> None:
    """Error against latency; a point's area is the model's size, and a ring marks the model that was chosen."""
    for index, (name, record) in enumerate(records.items()):
        points = sorted(record.points, key=lambda point: point.latency_ms)
        sizes = [12 * point.size_mb for point in points]
        x, y = [point.latency_ms for point in points], [point.mad for point in points]
        axes.scatter(x, y, s=sizes, alpha=0.5, color=_colour(index), label=f"{name}, {record.budget}")
        best, least = list[Point](), np.inf
        for point in points:  # keep those that no other point beats in both error and latency
            if point.mad < least:
                best.append(point)
                least = point.mad
        front = ([point.latency_ms for point in best], [point.mad for point in best])
        axes.plot(*front, color=_colour(index), linewidth=1, drawstyle="steps-post")
        for point in best:
            place = (point.latency_ms, point.mad)
            label = f"{point.integer_macs:.0%}"
            axes.annotate(label, place, (0, -12), textcoords="offset points", fontsize=7, color=ink, ha="center")
        chosen = record.chosen
        axes.scatter(
            [chosen.latency_ms], [chosen.mad], s=260, facecolors="none", edgecolors=_colour(index), linewidth=2
        )
    axes.set(yscale="log")
    axes.set_xlabel("milliseconds on the exporting machine (labels: multiplications in int8; area: size)", color=ink)
    axes.set_ylabel("mean absolute difference from float", color=ink)


def pareto(records: Mapping[str, SearchRecord]) -> str:
    """The models that searches measured, as SVG."""
    figure, axes = _figure(7.5, 4)
    _pareto(axes, records, _INK)
    _legend(axes)
    return _svg(figure, "Error, latency and size of int8 models")


def pareto_png(records: Mapping[str, SearchRecord]) -> bytes:
    """The models that searches measured, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure((9, 5.5), layout="constrained")
    axes = figure.subplots()
    _pareto(axes, records, "#303030")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, labelcolor=_INK)


def snr(drifts: Sequence[Drift], title: str) -> bytes:
    """The signal-to-noise ratio of every op along a graph, as a PNG; the ten that add most noise are named."""
    from matplotlib.figure import Figure

    figure = Figure((13, 5), layout="constrained")
    axes = figure.subplots()
    values = [item.snr_db for item in drifts]
    axes.plot(values, color=_colour(0), linewidth=1)
    worst = sorted(range(len(drifts)), key=lambda index: -drifts[index].added)[:10]
    for rank, index in enumerate(worst, 1):
        label = f"{rank}  {drifts[index].op} {drifts[index].name}"
        axes.scatter([index], [values[index]], color=_colour(1), zorder=3, label=label[:48])
        axes.annotate(str(rank), (index, values[index]), xytext=(0, -12), textcoords="offset points", ha="center")
    axes.legend(title="add most noise", loc="upper left", bbox_to_anchor=(1, 1), fontsize=8, markerscale=0)
    axes.set(xlabel="op, in the order of the graph", ylabel="SNR against the float model, dB", title=title)
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
