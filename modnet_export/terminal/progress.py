"""``converters.progress.Progress`` on a terminal: a bar, or one line for each stage where there is no terminal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from converters.progress import Progress
from modnet_export.terminal.console import ERR

_interrupted = False


def heed_interrupts() -> None:
    """Let Ctrl-C end the program even where Python drops the exception, as it does in callbacks of libraries.

    It is then raised again at the next word of progress. What interrupted an earlier run in this process is forgotten.
    """
    global _interrupted
    _interrupted = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        global _interrupted
        _interrupted = True
        signal.default_int_handler(number, frame)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell or a program ignores it
        signal.signal(signal.SIGINT, interrupt)


def _stop_if_interrupted() -> None:
    if _interrupted:
        raise KeyboardInterrupt


class _Pace(ProgressColumn):
    """How many things are done in a second: of a clip, its frames."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


@contextmanager
def stages() -> Iterator[Progress]:
    """A spinner with the present stage; where its length is known, a bar, its pace and the time that is left."""
    if not ERR.is_terminal:
        last = ""

        def line(stage: str, done: int = 0, total: int = 0, /) -> None:
            nonlocal last
            _stop_if_interrupted()
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
        _Pace(),
        TextColumn("left:"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    with Bars(*columns, console=ERR, transient=True) as bars:
        task, last = bars.add_task("starting", total=None), ""

        def bar(stage: str, done: int = 0, total: int = 0, /) -> None:
            nonlocal last
            _stop_if_interrupted()
            if stage != last:  # the time left is told by the pace of this stage alone
                bars.reset(task)
            last = stage
            bars.update(task, description=escape(stage), completed=done, total=total or None)

        yield bar
