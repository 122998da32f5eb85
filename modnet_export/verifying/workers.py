"""What runs the work of a verification: this process, several processes, or a dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol, TypeVar

from converters.errors import needs
from modnet_export.record.choices import Engine

# Fewer inputs than this are done sooner than another process is started.
_WORTH_A_PROCESS = 6

R = TypeVar("R")


class Pool(Protocol):
    """Runs tasks and yields their results as they come, in any order."""

    def __call__(self, tasks: Iterable[Callable[[], R]], /) -> Iterator[R]: ...


@dataclass(frozen=True)
class Workers:
    """How many processes run the work, and on which machines.

    ``jobs`` None: one process for a few inputs, otherwise up to four.
    """

    jobs: int | None = None
    engine: Engine = "processes"
    cluster: str | None = None
    """The address of a running dask cluster; None: a local one."""

    def count(self, inputs: int) -> int:
        """How many processes ``inputs`` are worth."""
        if self.jobs is not None:
            return self.jobs
        return 1 if inputs < _WORTH_A_PROCESS else max(1, min(os.cpu_count() or 1, 4))

    def pool(self, jobs: int) -> AbstractContextManager[Pool]:
        """A pool of ``jobs`` processes, as long as the context is open. Raises ExportError where dask is missing."""
        if self.engine == "dask":
            return _dask(self.cluster, jobs)
        return nullcontext(_here) if jobs == 1 else _processes(jobs)


def _call(task: Callable[[], R]) -> R:
    return task()


def _here(tasks: Iterable[Callable[[], R]]) -> Iterator[R]:
    return (task() for task in tasks)


@contextmanager
def _dask(address: str | None, jobs: int) -> Iterator[Pool]:
    needs("distributed", extra="cluster")
    from distributed import Client, LocalCluster, as_completed

    with ExitStack() as stack:
        cluster = address or stack.enter_context(
            LocalCluster(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
        )
        client = stack.enter_context(Client(cluster))

        def run(tasks: Iterable[Callable[[], R]]) -> Iterator[R]:
            for _, result in as_completed(client.map(_call, list(tasks), pure=False), with_results=True):
                yield result

        yield run


@contextmanager
def _processes(jobs: int) -> Iterator[Pool]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # A forked copy of a process that has run torch or TensorFlow may hang.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:

        def run(tasks: Iterable[Callable[[], R]]) -> Iterator[R]:
            futures = [pool.submit(_call, task) for task in tasks]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()

        yield run
