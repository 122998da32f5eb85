"""A verification result as HTML and as Markdown, both made from the same rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from modnet_export.record.latencies import Latencies
from modnet_export.record.manifest import SearchRecord
from modnet_export.record.measures import CONVENTIONS, MEASURES, TRUTH_MEASURES, Measure
from modnet_export.report import plots
from modnet_export.report.gather import Gallery
from modnet_export.verifying.result import Link, Verification


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


def _cells(link: Link, columns: Iterable[str]) -> list[tuple[str, bool]]:
    """One row of the table: each value, with whether a limit of it is missed."""
    missed = {name for item in link.measurements for name in item.missed}
    return [(number(link.summary(name)), name in missed) for name in columns]


def _context(result: Verification, measured: Sequence[Latencies]) -> dict[str, Any]:
    columns = _columns(result)
    return {
        "measured": measured,
        "result": result,
        "rows": [(link, _cells(link, columns)) for link in result.links],
        "columns": [measure.heading for measure in columns.values()],
        "problems": list(result.problems()),
        "convention": CONVENTIONS[result.metrics_convention],
        "number": number,
        "of_worst": _listed([measure.heading for measure in columns.values() if measure.worst]),
        "of_truth": {name: MEASURES[name].heading for name in TRUTH_MEASURES},
    }


def _listed(names: Sequence[str]) -> str:
    """A list, as it is written in a sentence."""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def html(page: Page) -> str:
    """One page that needs nothing else: no network, no other file."""
    template = _environment().get_template("page.html.j2")
    return str(
        template.render(
            **_context(page.result, page.measured),
            gallery=page.gallery,
            latencies=plots.latencies(page.measured) if page.measured else "",
            over_time=plots.over_time(page.measured),
            searches=page.searches,
            pareto=plots.pareto(page.searches) if page.searches else "",
            histogram=plots.histogram(page.gallery.differences),
            scatter=plots.scatter(page.result),
        )
    )


def markdown(result: Verification, measured: Sequence[Latencies] = ()) -> str:
    """The verdict and the table, for a pull request."""
    return str(_environment().get_template("summary.md.j2").render(**_context(result, measured)))
