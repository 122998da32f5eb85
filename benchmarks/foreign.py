"""Models without a manifest, as subjects of a benchmark; their mattes judged where their checkpoint is known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from benchmarks.choices import Delegate
from benchmarks.plan import Subject
from benchmarks.record import Record, TargetRecord
from benchmarks.results import HOST
from converters.errors import ExportError
from modnet_export.record.contract import Contract, Size
from modnet_export.record.files import sha256
from modnet_export.record.measures import Tolerance
from modnet_export.record.strict import repeated
from modnet_export.verifying.foreign.kind import FORMATS
from modnet_export.verifying.foreign.run import ForeignRequest, on_portrait


def subjects(
    models: Sequence[Path], size: Size, threads: Sequence[int], delegates: Sequence[Delegate]
) -> tuple[Subject, ...]:
    """Every model in every way that it is to be run; raises ExportError for names that cannot be told apart."""
    twice = repeated(path.name for path in models)
    if twice is not None:
        raise ExportError(f"two models are called {twice}", where=twice, expected="models of different names")
    return tuple(
        Subject(
            path=path.resolve(),
            format=FORMATS[path.suffix.lower()],
            sha256=sha256(path),
            contract=Contract.of(FORMATS[path.suffix.lower()], size),
            tolerance=Tolerance(),
            threads=count,
            delegate=delegate,
            foreign=True,
        )
        for path, delegate, count in product(models, delegates, threads)
        if delegate == "cpu" or path.suffix.lower() == ".tflite"
    )


def judge(request: ForeignRequest, found: Sequence[Subject], record: Record) -> None:
    """Compare every model's matte of the built-in portrait with the reference's."""
    by_path = {item.path: item for item in found}
    for item, sample, matte_nhwc in on_portrait(request):
        TargetRecord(record, HOST, "").judge(by_path[item.path], sample, matte_nhwc, item.tolerance)
