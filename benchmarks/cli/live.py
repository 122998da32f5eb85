"""What each target is doing: one row per target on a terminal, lines of text elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.results import Run
from modnet_export.terminal.console import ERR


@contextmanager
def live(names: list[str]) -> Iterator[_Lines | _Rows]:
    """A ``benchmarks.record.Watcher`` that shows the targets of these names."""
    if not ERR.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.fields[target]}"), BarColumn(16), MofNCompleteColumn())
    latest = TextColumn("[bold]{task.fields[latest]}[/]")
    with Progress(*columns, latest, TextColumn("{task.description}"), TimeElapsedColumn(), console=ERR) as progress:
        yield _Rows(progress, names)


class _Lines:
    """Prints one line whenever a target begins a new stage."""

    def __init__(self) -> None:
        self._lock, self._last = Lock(), dict[str, str]()

    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0) -> None:
        with self._lock:
            if self._last.get(target) != stage:
                ERR.print(f"  {target}: {stage}", highlight=False, markup=False, soft_wrap=True)
            self._last[target] = stage

    def latest(self, run: Run) -> None:
        """Shows nothing, because one line per sample would be too many."""


class _Rows:
    """Shows one row per target: its bar, the median of its latest run, and its stage."""

    def __init__(self, progress: Progress, names: list[str]) -> None:
        self._progress = progress
        self._tasks = {name: progress.add_task("waiting", total=None, target=escape(name), latest="") for name in names}

    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0) -> None:
        self._progress.update(self._tasks[target], description=escape(stage), completed=done, total=total or None)

    def latest(self, run: Run) -> None:
        if run.samples_ms:
            self._progress.update(self._tasks[run.target], latest=f"{run.median_ms:.1f} ms")
