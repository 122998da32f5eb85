"""Two stages of work beside the caller's own, each in a thread, with queues that hold only a few items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

DEPTH = 4
"""How many items wait between two stages."""
_END = object()


@contextmanager
def ahead(items: Iterable[T], depth: int = DEPTH) -> Iterator[Iterator[T]]:
    """The items, made in a thread while the caller works on earlier ones; what fails there is raised here."""
    waiting: queue.Queue[object] = queue.Queue(depth)
    stopped = threading.Event()
    failed: list[BaseException] = []

    def put(item: object) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def run() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    break
        except BaseException as error:
            failed.append(error)
        put(_END)

    def taken() -> Iterator[T]:
        while (item := waiting.get()) is not _END:
            yield item  # type: ignore[misc]
        if failed:
            raise failed[0]

    thread = threading.Thread(target=run, name="reading", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        thread.join()


class Behind(Generic[T]):
    """Hands items to ``consume`` in a thread; what fails there is raised at the next ``put``, or when it ends."""

    def __init__(self, consume: Callable[[T], None], depth: int = DEPTH) -> None:
        self._consume = consume
        self._waiting: queue.Queue[object] = queue.Queue(depth)
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, name="writing", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not _END:
            if not self._failed:  # else what comes is thrown away, so that no one waits for a place in the queue
                try:
                    self._consume(item)  # type: ignore[arg-type]
                except BaseException as error:
                    self._failed.append(error)

    def put(self, item: T) -> None:
        if self._failed:
            raise self._failed[0]
        self._waiting.put(item)

    def finish(self) -> None:
        """Wait until everything has been consumed; raises what failed."""
        self._waiting.put(_END)
        self._thread.join()
        if self._failed:
            raise self._failed[0]

    def abandon(self) -> None:
        """End after what is waiting, whatever fails."""
        self._waiting.put(_END)
        self._thread.join()
