"""A verification result as HTML and as Markdown; both come from one set of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from modnet_export.record.latencies import Latencies
from modnet_export.record.manifest import SearchRecord
from modnet_export.record.measures import MEASURES
from modnet_export.report import plots
from modnet_export.report.gather import Gallery
from modnet_export.verifying.result import Link, Verification

COLUMNS = {name: measure for name, measure in MEASURES.items() if measure.tabled}
"""The measures in the table."""


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
    """Three digits, and a word for what is not there."""
    if value is None:
        return "–"
    return f"{value:.1e}" if value != 0 and abs(value) < 1e-3 else f"{value:.4g}"


def _cells(link: Link) -> list[tuple[str, bool]]:
    """The table's values with whether each misses its limit."""
    missed = {name for item in link.measurements for name in item.missed}
    return [
        (number(link.worst(name) if measure.worst else link.mean(name)), name in missed)
        for name, measure in COLUMNS.items()
    ]


def _context(result: Verification, measured: Sequence[Latencies]) -> dict[str, Any]:
    return {
        "measured": measured,
        "result": result,
        "rows": [(link, _cells(link)) for link in result.links],
        "columns": [measure.heading for measure in COLUMNS.values()],
        "problems": list(result.problems()),
        "number": number,
    }


def html(
    result: Verification,
    gallery: Gallery,
    measured: Sequence[Latencies] = (),
    searches: Mapping[str, SearchRecord] | None = None,
) -> str:
    """One page that needs nothing else: no network, no other file.

    ``measured`` adds a section on latency, ``searches`` one on what int8 costs.
    """
    template = _environment().get_template("page.html.j2")
    return str(
        template.render(
            **_context(result, measured),
            gallery=gallery,
            latencies=plots.latencies(measured) if measured else "",
            over_time=plots.over_time(measured),
            searches=searches or {},
            pareto=plots.pareto(searches) if searches else "",
            histogram=plots.histogram(gallery.differences),
            scatter=plots.scatter(result),
        )
    )


def markdown(result: Verification, measured: Sequence[Latencies] = ()) -> str:
    """The verdict and the table, for a pull request."""
    return str(_environment().get_template("summary.md.j2").render(**_context(result, measured)))
