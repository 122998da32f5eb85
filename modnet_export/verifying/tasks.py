"""What a worker does: one chunk of inputs through the reference, or through one model.

A thread of a worker holds one model at a time, and opens it once for all its chunks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from converters.choices import ComputeUnit, Delegate
from converters.errors import ExportError
from converters.runtimes import Runtime, open_runtime
from modnet_export.images.imaging import Pixels, Placement, restore_matte
from modnet_export.images.inputs import Input, Truths, fit, read_frames_of
from modnet_export.images.temporal import flow, grey_of
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import Reference, open_reference
from modnet_export.record.choices import Convention
from modnet_export.record.contract import Size
from modnet_export.verifying import metrics
from modnet_export.verifying.foreign.reading import Reading, open_foreign
from modnet_export.verifying.gpu import signs
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.state import Cache, Fitted, Row
from modnet_export.verifying.steadiness import warped_flicker

REFERENCE = "reference"
"""The reference's identity among the candidates."""


@dataclass(frozen=True)
class Candidate:
    """One model, run in one way. ``identity`` tells it from every other one in a state folder."""

    file: str
    path: Path
    sha256: str
    delegate: Delegate = "cpu"
    compute_unit: ComputeUnit = "ALL"
    reading: Reading | None = None
    """How somebody else's file is read; None: it is one of ours."""
    function: str | None = None
    """Of a Core ML package that has several; None: its default one."""

    @property
    def identity(self) -> str:
        read = "" if self.reading is None else f":{self.reading.identity}"
        function = "" if self.function is None else f":{self.function}"
        return f"{self.sha256}:{self.delegate}:{self.compute_unit}{read}{function}"


@dataclass(frozen=True)
class Chunk:
    """Consecutive inputs. With ``lead`` the first one is only there as the frame before the second."""

    inputs: tuple[Input, ...]
    lead: bool
    size: Size
    cache: Cache
    threads: int | None
    convention: Convention = "plain"
    """Of Grad and Conn."""

    @property
    def asked(self) -> tuple[Input, ...]:
        return self.inputs[1:] if self.lead else self.inputs


def _load(inputs: Sequence[Input], size: Size) -> Iterator[tuple[Input, tuple[Pixels, Placement] | ExportError]]:
    """Every input as a model takes it, or the reason why there is none."""
    if all(item.kind == "frame" for item in inputs):
        pending = list(inputs)
        try:
            for item, pixels in read_frames_of(inputs):
                pending.remove(item)
                yield item, fit(pixels, size)
        except ExportError as error:
            yield from ((item, error) for item in pending)
        return
    for item in inputs:
        try:
            yield item, item.load(size)
        except ExportError as error:
            yield item, error


def _open(candidate: Candidate, threads: int | None) -> Runtime:
    if candidate.reading is not None:
        return open_foreign(
            candidate.path,
            candidate.reading,
            threads=threads,
            delegate=candidate.delegate,
            compute_unit=candidate.compute_unit,
        )
    return open_runtime(
        candidate.path,
        threads=threads,
        compute_unit=candidate.compute_unit,
        delegate=candidate.delegate,
        function=candidate.function,
    )


def _on_cpu(candidate: Candidate) -> tuple[Runtime, Runtime]:
    """The same model on the CPU, with XNNPACK and without: what a silent fallback from the GPU would run."""
    return open_runtime(candidate.path, delegate="cpu"), open_runtime(candidate.path, delegate="builtin")


class _Opened(threading.local):
    """What one thread has open: an interpreter keeps its tensors between calls, so that threads cannot share it."""

    def __init__(self) -> None:
        self.reference = lru_cache(maxsize=1)(open_reference)
        self.runtime = lru_cache(maxsize=1)(_open)
        self.on_cpu = lru_cache(maxsize=1)(_on_cpu)


_opened = _Opened()


def reference(source: Source) -> Reference:
    """The reference, loaded once in each thread."""
    return _opened.reference(source)


@contextmanager
def models_let_go() -> Iterator[None]:
    """Let go of every model that this thread has opened, when the context ends; other threads' end with them."""
    try:
        yield
    finally:
        for kept in (_opened.reference, _opened.runtime, _opened.on_cpu):
            kept.cache_clear()


def run_reference(source: Source, chunk: Chunk) -> list[Row]:
    """Fit the inputs, run the reference on them, and put both into the cache."""
    loaded_reference = reference(source)
    rows: list[Row] = []
    truths = Truths()
    for item, loaded in _load(chunk.asked, chunk.size):
        try:
            if isinstance(loaded, ExportError):
                raise loaded
            image_nhwc, placement = loaded
            truth = truths.of(item, (placement.height, placement.width))
        except ExportError as error:
            rows.append(Row(REFERENCE, item.key, error=str(error)))
            continue
        matte_nhwc, rounded_nhwc = loaded_reference.beside_rounded(image_nhwc)
        chunk.cache.put(item, Fitted(image_nhwc, matte_nhwc, placement, rounded_nhwc))
        errors = _truth_errors(matte_nhwc, placement, truth, chunk.convention)
        rows.append(Row(REFERENCE, item.key, truth=errors, engine=loaded_reference.engine))
    return rows


def _truth_errors(
    matte_nhwc: Pixels, placement: Placement, truth: Pixels | None, convention: Convention
) -> dict[str, float]:
    if truth is None:
        return {}
    return metrics.against_truth(restore_matte(matte_nhwc, placement, "letterbox"), truth, convention)


@dataclass(frozen=True)
class _Frame:
    """An input and a model's matte for it; ``predicted`` and ``expected`` are what shows the picture, h x w."""

    sample: Sample
    matte_nhwc: Pixels

    @property
    def predicted(self) -> Pixels:
        return self.sample.shown(self.matte_nhwc)

    @property
    def expected(self) -> Pixels:
        return self.sample.shown(self.sample.matte_nhwc)

    def after(self, before: _Frame) -> dict[str, float]:
        """The measures between this frame and the one before it."""
        motion = flow(*(grey_of(item.sample.image_nhwc) for item in (self, before)))
        matte, matte_before = (item.matte_nhwc[0, ..., 0] for item in (self, before))
        found = metrics.between_frames((self.predicted, before.predicted), (self.expected, before.expected))
        return found | {"warped_flicker": warped_flicker(self.sample, matte, matte_before, motion)}


def run_candidate(candidate: Candidate, chunk: Chunk) -> list[Row]:
    """Run a model on a chunk that the reference has seen, and compare."""
    try:
        runtime = _opened.runtime(candidate, chunk.threads)
    except ExportError as error:
        return [Row(candidate.identity, item.key, error=str(error)) for item in chunk.asked]
    rows: list[Row] = []
    before: _Frame | None = None
    truths = Truths()
    for item in chunk.inputs:
        if not chunk.cache.holds(item):  # it could not be read
            before = None
            continue
        fitted = chunk.cache.get(item)
        try:
            matte_nhwc = runtime.run(fitted.image_nhwc)
        except ExportError as error:  # an engine that crashed: the other inputs have theirs
            if item in chunk.asked:
                rows.append(Row(candidate.identity, item.key, error=str(error)))
            before = None
            continue
        frame = _Frame(fitted.sample(item.name), matte_nhwc)
        if item in chunk.asked:
            values = metrics.against_reference(frame.predicted, frame.expected, chunk.convention, frame.sample.noise)
            if item.follows and before is not None and before.predicted.shape == frame.predicted.shape:
                values |= frame.after(before)
            place = fitted.placement
            truth = truths.of(item, (place.height, place.width))
            errors = _truth_errors(matte_nhwc, place, truth, chunk.convention)
            told = (
                signs(runtime, _opened.on_cpu(candidate), fitted.image_nhwc, matte_nhwc)
                if candidate.delegate == "gpu"
                else ()
            )
            rows.append(Row(candidate.identity, item.key, values, errors, engine=runtime.engine, signs=told))
        before = frame
    return rows
