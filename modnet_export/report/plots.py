"""The plots of a report, as SVG that follows the page's colours."""

from __future__ import annotations

import io
import itertools
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from converters.budget import Point
from converters.diagnose.drift import Drift
from modnet_export.record.latencies import Latencies
from modnet_export.record.manifest import SearchRecord
from modnet_export.verifying.result import Link

PALETTE = (
    ("#1f4e79", "#bfe0f2"),
    ("#a8371a", "#d08a45"),
    ("#1f9e7a", "#4fe39a"),
    ("#d63fbd", "#d63fa3"),
    ("#a8860f", "#ecd92f"),
    ("#7a2be0", "#8f57f0"),
)
"""The colours of series on white and on a dark page. Under simulated protanopia, deuteranopia and tritanopia (Machado
et al. 2009) any two lie at least 20 apart in CIELAB, and each has a contrast of at least 3 with its page."""
_DASHES = ("-", "--", ":", "-.")
"""Where there are more series than colours."""
_INK = "#5d6570"
"""Axes and labels. The page's style sheet has its own colours in the place of this and of the palette's."""
_SIZE = 9
"""Of all letters, in points. A diagram is 331 points wide: on a phone, a point is about a pixel."""
_LINE = 0.17
"""The height of a line of text in inches."""
_WIDTH = 46
"""The letters that a name may have in one line."""


def _figure(height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure((4.6, height), layout="constrained")
    axes = figure.subplots()
    for spine in axes.spines.values():
        spine.set_color(_INK)
    axes.tick_params(colors=_INK, which="both", labelsize=_SIZE)
    axes.grid(color=_INK, alpha=0.2)
    return figure, axes


def _label(axes: Any, x: str, y: str = "") -> None:
    axes.set_xlabel(x, color=_INK, fontsize=_SIZE)
    axes.set_ylabel(y, color=_INK, fontsize=_SIZE)


def _wrapped(name: str) -> str:
    return "\n".join(textwrap.wrap(name, _WIDTH))


def _height(names: Iterable[str]) -> float:
    """What a legend of these names adds to a diagram, in inches."""
    return sum(_LINE * (1 + _wrapped(name).count("\n")) for name in names)


def _legend(figure: Any) -> None:
    """Below the axes, never over the curves."""
    figure.legend(
        loc="outside lower left", fontsize=_SIZE, frameon=False, labelcolor=_INK, handlelength=3, labelspacing=0.2
    )


def style(index: int) -> dict[str, str]:
    """A colour and a dash that no other of the first 24 series has."""
    return {
        "color": _colour(index),
        "linestyle": _DASHES[index // len(PALETTE) % len(_DASHES)],
    }


def _svg(figure: Any, title: str) -> str:
    import matplotlib

    buffer = io.StringIO()
    # Letters stay letters, in the page's own font, and the same diagram has the same bytes.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "var(--soft)")
    for index, (colour, _) in enumerate(PALETTE):
        text = text.replace(colour, f"var(--series-{index})")
    # Without a size of its own it scales with the page; its name is for those who do not see it.
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', rf'\1 role="img" aria-label="{title}"', text, count=1)
    return re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)


def _decimals(axis: Any, *steps: int) -> None:
    """The numbers of a logarithmic axis as plain text: matplotlib's raised exponents fit one font only."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=steps or (1,)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter("")


def histograms(groups: Mapping[str, Sequence[Link]], differences: Mapping[str, Sequence[np.ndarray]]) -> dict[str, str]:
    """Which share of the pixels is off by how much: a diagram for each group, a line for each of its artefacts."""
    edges = np.geomspace(1e-6, 1, 49)
    shares = {}
    for name, arrays in differences.items():
        values = np.concatenate([array.ravel() for array in arrays])
        counts, _ = np.histogram(values[np.isfinite(values)].clip(edges[0], edges[-1]), edges)
        shares[name] = counts / max(values.size, 1)
    least = min((share[share > 0].min() for share in shares.values() if share.any()), default=1e-6)
    drawn = {}
    for group, links in groups.items():
        names = [link.name for link in links if link.name in shares]
        if not names:
            continue
        figure, axes = _figure(2.5 + _height(names))
        for index, name in enumerate(names):
            share = np.where(shares[name] > 0, shares[name], np.nan)
            axes.step(edges[:-1], share, where="post", label=_wrapped(name), **style(index))
        axes.set(xscale="log", yscale="log", xlim=(1e-6, 1), ylim=(least / 2, 1.5))
        _decimals(axes.xaxis)
        _decimals(axes.yaxis)
        _label(axes, "absolute difference from the reference", "share of pixels")
        _legend(figure)
        drawn[group] = _svg(figure, f"Histogram of absolute differences, {group}")
    return drawn


def _rows(names: Sequence[str]) -> tuple[Any, Any, list[float]]:
    """A diagram with a row for each name, and where each row lies: its name is above it, and has the whole width."""
    labels = [_wrapped(name) for name in names]
    ends = np.cumsum([label.count("\n") + 2.6 for label in labels])
    figure, axes = _figure(0.6 + _LINE * ends[-1])
    axes.set(yticks=[], ylim=(ends[-1], 0))
    for label, end in zip(labels, ends, strict=True):
        place = axes.get_yaxis_transform()
        axes.text(0.015, end - 1.35, label, transform=place, va="bottom", fontsize=_SIZE, color=_INK)
        axes.axhline(end, color=_INK, alpha=0.2, linewidth=0.8)
    return figure, axes, [float(end) - 0.7 for end in ends]


def scatters(groups: Mapping[str, Sequence[Link]]) -> dict[str, str]:
    """Every input's mean difference: a diagram for each group, a row for each of its artefacts, all to one scale."""
    measured = {group: [link for link in links if link.measurements] for group, links in groups.items()}
    points = {
        link.name: [max(item.mad, 1e-8) for item in link.measurements if item.mad is not None]
        for links in measured.values()
        for link in links
    }
    limits = [link.tolerance.mad for links in measured.values() for link in links if link.tolerance.mad]
    seen = [*itertools.chain(*points.values()), *limits]
    drawn = {}
    for group, links in measured.items():
        if not links:
            continue
        figure, axes, places = _rows([link.name for link in links])
        for place, link in zip(places, links, strict=True):
            values = points[link.name]
            axes.scatter(values, [place] * len(values), s=22, alpha=0.7, color=PALETTE[0][0])
            limit = link.tolerance.mad
            if limit is not None:
                axes.plot([limit, limit], [place - 0.5, place + 0.5], color=_INK, linewidth=2)
        axes.set(xscale="log", xlim=(min(seen, default=1e-8) / 2, max(seen, default=1) * 2))
        _decimals(axes.xaxis)
        _label(axes, "mean absolute difference")
        drawn[group] = _svg(figure, f"Mean absolute difference of every input, {group}")
    return drawn


def latencies(rows: Sequence[Latencies]) -> str:
    """Every sample of every run: one row for each run, with its median."""
    figure, axes, places = _rows([item.name for item in rows])
    for place, item in zip(places, rows, strict=True):
        # In the order in which they were taken, so that a drift is seen as a slope.
        offsets = np.linspace(-0.4, 0.4, len(item.samples_ms)) if len(item.samples_ms) > 1 else np.zeros(1)
        axes.scatter(item.samples_ms, place + offsets, s=9, alpha=0.6, color=PALETTE[0][0])
        middle = float(np.median(item.samples_ms))
        axes.plot([middle, middle], [place - 0.6, place + 0.6], color=_INK, linewidth=2)
    axes.set_xlim(left=0)
    _label(axes, "milliseconds")
    return _svg(figure, "Latency of every sample by run")


def over_time(rows: Sequence[Latencies]) -> str:
    """Latency against the time at which it was taken: one line for each run. Empty where no run has times."""
    timed = [item for item in rows if len(item.at_s) == len(item.samples_ms) > 1]
    if not timed:
        return ""
    figure, axes = _figure(2.5 + _height(item.name for item in timed))
    for index, item in enumerate(timed):
        name = _wrapped(item.name)
        axes.plot(item.at_s, item.samples_ms, marker=".", markersize=4, label=name, **style(index))
    axes.set_ylim(bottom=0)
    _label(axes, "seconds from the start", "milliseconds")
    _legend(figure)
    return _svg(figure, "Latency over time")


def _pareto(axes: Any, records: Mapping[str, SearchRecord], ink: str) -> None:
    """Error against latency; a point's area is the model's size, and a ring marks the model that was chosen."""
    for index, (name, record) in enumerate(records.items()):
        points = sorted(record.points, key=lambda point: point.latency_ms)
        sizes = [12 * point.size_mb for point in points]
        x, y = [point.latency_ms for point in points], [point.mad for point in points]
        axes.scatter(x, y, s=sizes, alpha=0.5, color=_colour(index))
        best, least = list[Point](), np.inf
        for point in points:  # keep those that no other point beats in both error and latency
            if point.mad < least:
                best.append(point)
                least = point.mad
        front = ([point.latency_ms for point in best], [point.mad for point in best])
        axes.plot(*front, linewidth=1, drawstyle="steps-post", label=_wrapped(_searched(name, record)), **style(index))
        for point in best:
            place = (point.latency_ms, point.mad)
            label = f"{point.integer_macs:.0%}"
            axes.annotate(label, place, (0, -12), textcoords="offset points", fontsize=7, color=ink, ha="center")
        chosen = record.chosen
        axes.scatter(
            [chosen.latency_ms], [chosen.mad], s=260, facecolors="none", edgecolors=_colour(index), linewidth=2
        )
    axes.set(yscale="log")
    axes.margins(0.12)
    _decimals(axes.yaxis, 1, 2, 5)
    axes.set_xlabel("milliseconds on the exporting machine", color=ink, fontsize=_SIZE)
    axes.set_ylabel("mean absolute difference from float", color=ink, fontsize=_SIZE)


def _searched(name: str, record: SearchRecord) -> str:
    return f"{name}, {record.budget}"


def pareto(records: Mapping[str, SearchRecord]) -> str:
    """The models that searches measured, as SVG."""
    figure, axes = _figure(3 + _height(_searched(name, record) for name, record in records.items()))
    _pareto(axes, records, _INK)
    _legend(figure)
    return _svg(figure, "Error, latency and size of int8 models")


def pareto_png(records: Mapping[str, SearchRecord]) -> bytes:
    """The models that searches measured, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure((9, 5.5), layout="constrained")
    axes = figure.subplots()
    _pareto(axes, records, "#303030")
    axes.set_title("labels: multiplications in int8; area: size; ring: chosen", fontsize=_SIZE, color="#303030")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _colour(index: int) -> str:
    return PALETTE[index % len(PALETTE)][0]


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
