"""A verification result as HTML and as Markdown, both made from the same rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import Any

from modnet_export.record.latencies import Latencies
from modnet_export.record.manifest import SearchRecord
from modnet_export.record.measures import CONVENTIONS, MEASURES, TRUTH_MEASURES, Measure, short_name
from modnet_export.report import plots
from modnet_export.report.gather import Gallery
from modnet_export.terminal.options import spelled
from modnet_export.verifying.result import Link, Verification

_FORMATS = {".onnx": "ONNX", ".tflite": "TFLite", ".mlpackage": "Core ML"}


@dataclass(frozen=True)
class Page:
    """What a page shows. ``measured`` adds a section on latency, ``searches`` one on what int8 costs."""

    result: Verification
    gallery: Gallery
    measured: Sequence[Latencies] = ()
    searches: Mapping[str, SearchRecord] = field(default_factory=dict)


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("modnet_export", "report"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def number(value: float | None) -> str:
    """A number as the tables show it; a dash where there is none."""
    if value is None:
        return "–"
    if math.isnan(value):
        return "not finite"
    return f"{value:.1e}" if value != 0 and abs(value) < 1e-3 else f"{value:.4g}"


def _columns(result: Verification) -> dict[str, Measure]:
    """The measures that have a column in the table of verdicts; those between frames only where there were some."""
    return {
        name: measure
        for name, measure in MEASURES.items()
        if measure.tabled
        and (not measure.between_frames or any(link.summary(name) is not None for link in result.links))
    }


@dataclass(frozen=True)
class Cell:
    """A measure in a row of the table: over all inputs, whether one of them misses the limit, and what is below it."""

    value: str
    missed: bool
    below: Sequence[str]


def _cells(link: Link, columns: Mapping[str, Measure]) -> list[Cell]:
    missed = {name for item in link.measurements for name in item.missed}
    limits = link.tolerance.limits
    cells = []
    for name, measure in columns.items():
        below = [_limit(name, limits[name])] if name in limits else []
        values = [value for item in link.measurements if (value := getattr(item, name)) is not None]
        if name in missed and values and not measure.worst:  # a mean may hold the limit that an input misses
            below.append(f"worst {number((min if measure.at_least else max)(values))}")
        cells.append(Cell(number(link.summary(name)), name in missed, below))
    return cells


def _limit(name: str, limit: float) -> str:
    return f"{'≥' if MEASURES[name].at_least else '≤'} {number(limit)}"


def _other_limits(link: Link, columns: Iterable[str]) -> str:
    """The limits on measures that have no column."""
    others = {name: limit for name, limit in link.tolerance.limits.items() if name not in columns}
    return ", ".join(f"{short_name(name)} {_limit(name, limit)}" for name, limit in others.items())


@dataclass(frozen=True)
class Check:
    """One more check of an artefact than its mattes: what it is, its two numbers and its verdict in a word."""

    what: str
    largest: str
    mean: str
    verdict: str
    passed: bool


def _checks(result: Verification) -> dict[str, list[Check]]:
    """By artefact: whether the ways to run it agree, and whether it survives fp16."""
    found: dict[str, list[Check]] = {}
    for ways in result.agreements:
        found.setdefault(ways.artefact, []).append(
            Check(
                ways.ways,
                number(ways.max_abs_difference),
                number(ways.mad),
                "agree" if ways.passed else "differ",
                ways.passed,
            )
        )
    for item in result.fp16_safety:
        largest = item.largest[0]
        found.setdefault(item.artefact, []).append(
            Check(
                f"fp16, which ends at 65504: largest number, in {largest.op}; "
                f"matte rounded after every op, on {item.worst_input}",
                number(largest.largest),
                number(item.worst_mad),
                "survives" if item.passed else "does not survive",
                item.passed,
            )
        )
    return found


def _by_format(links: Sequence[Link]) -> dict[str, list[Link]]:
    groups: dict[str, list[Link]] = {}
    for link in links:
        groups.setdefault(_FORMATS.get(PurePath(link.artefact).suffix, "others"), []).append(link)
    return groups


def _context(result: Verification, measured: Sequence[Latencies]) -> dict[str, Any]:
    columns = _columns(result)
    return {
        "measured": measured,
        "result": result,
        "rows": [(link, _cells(link, columns), _other_limits(link, columns)) for link in result.links],
        "columns": [measure.heading for measure in columns.values()],
        "problems": list(result.problems()),
        "convention": CONVENTIONS[result.metrics_convention],
        "number": number,
        "spelled": spelled,
        "of_worst": _listed([measure.heading for measure in columns.values() if measure.worst]),
        "of_truth": {name: MEASURES[name].heading for name in TRUTH_MEASURES},
    }


def _listed(names: Sequence[str]) -> str:
    """A list, as it is written in a sentence."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def html(page: Page) -> str:
    """One page that needs nothing else: no network, no other file."""
    template = _environment().get_template("page.html.j2")
    groups = _by_format(page.result.links)
    return str(
        template.render(
            **_context(page.result, page.measured),
            gallery=page.gallery,
            latencies=plots.latencies(page.measured) if page.measured else "",
            over_time=plots.over_time(page.measured),
            searches=page.searches,
            pareto=plots.pareto(page.searches) if page.searches else "",
            histograms=plots.histograms(groups, page.gallery.differences),
            scatters=plots.scatters(groups),
            palette=plots.PALETTE,
            checks=_checks(page.result),
        )
    )


def markdown(result: Verification, measured: Sequence[Latencies] = ()) -> str:
    """The verdict and the table, for a pull request."""
    return str(_environment().get_template("summary.md.j2").render(**_context(result, measured)))
