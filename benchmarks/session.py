"""All targets of one benchmark, measured at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from benchmarks.choices import Observation
from benchmarks.errors import DeviceGoneError, StoppedError
from benchmarks.plan import Plan
from benchmarks.record import Record, TargetRecord
from benchmarks.results import Bench, Failure
from converters.errors import ExportError
from modnet_export.record.choices import Format


class Target(Protocol):
    """Something that models are measured on."""

    @property
    def name(self) -> str:
        """As a user names it; tells it from every other target of a benchmark."""
        ...

    @property
    def run_suffix(self) -> str:
        """What the names of its runs end with: empty for this machine, whose files compare with those of others."""
        ...

    @property
    def formats(self) -> frozenset[Format]:
        """Those that it can run."""
        ...

    @property
    def observations(self) -> frozenset[Observation]:
        """What can be asked of it."""
        ...

    def measure(self, plan: Plan, record: TargetRecord, stop: threading.Event) -> None:
        """Take what the plan asks for, and hand it to ``record`` as it comes.

        One measurement that fails is recorded and the others go on; raises ExportError where nothing can be measured
        at all. Once ``stop`` is set it ends soon, and leaves the target as it was.
        """
        ...


def measure(targets: Sequence[Target], plan: Plan, record: Record) -> Bench:
    """All targets at once, each in its own thread. Raises KeyboardInterrupt when all have been put in order.

    A target on which nothing can be measured is a failure under its own name; where it is the only one, its
    ExportError is raised.
    """
    stop = threading.Event()
    ended = {target.name: threading.Event() for target in targets}
    raised: list[BaseException] = []

    def work(target: Target) -> None:
        own = TargetRecord(record, target.name, target.run_suffix)
        try:
            target.measure(plan, own, stop)
            own.progress("done", 1, 1)
        except StoppedError:
            own.progress("stopped")
        except ExportError as error:
            record.keep(Failure(target.name, str(error)))
            own.progress(f"failed: {error.what.splitlines()[0]}")
            # A device that went away leaves what it measured; every other such error comes before any measurement.
            if len(targets) == 1 and not (isinstance(error, DeviceGoneError) and record.bench.runs):
                raised.append(error)
        except BaseException as error:
            raised.append(error)
            stop.set()
        finally:
            ended[target.name].set()

    for target in targets:
        threading.Thread(target=work, args=(target,), name=target.name).start()
    interrupted = False
    # Not by Thread.join: an interrupted one takes a running thread for ended (Python 3.11).
    while not all(item.is_set() for item in ended.values()):
        try:
            for item in ended.values():
                item.wait(0.2)
        except KeyboardInterrupt:
            interrupted = True
            stop.set()
    if interrupted:
        raise KeyboardInterrupt
    if raised:
        raise raised[0]
    return record.bench
