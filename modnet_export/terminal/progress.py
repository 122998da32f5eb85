"""``converters.progress.Progress`` on a terminal: a bar, or one line for each stage where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from converters.progress import Progress
from modnet_export.terminal.console import ERR


@contextmanager
def stages() -> Iterator[Progress]:
    """A spinner with the present stage, and a bar where its length is known."""
    if not ERR.is_terminal:
        last = ""

        def line(stage: str, done: int = 0, total: int = 0, /) -> None:
            nonlocal last
            if stage != last:
                ERR.print(f"  {stage}", highlight=False, markup=False)
            last = stage

        yield line
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=ERR, transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def bar(stage: str, done: int = 0, total: int = 0, /) -> None:
            bars.update(task, description=escape(stage), completed=done, total=total or None)

        yield bar
