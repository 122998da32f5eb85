"""The network's ONNX and the reference's mattes, made in a process of their own.

PyTorch is loaded in that process alone, while the caller loads what it works with; and the mattes are computed while
the caller converts, without threads that would wait for each other at Python's lock.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from converters.errors import ExportWarning
from modnet_export.model.checkpoint import Source, load
from modnet_export.model.reference import THREADS, TorchReference, open_reference
from modnet_export.record.contract import Size
from modnet_export.verifying.parity import Sample, samples

if TYPE_CHECKING:
    import onnx

    from modnet_export.model.network import MODNet

# The child imports from where its parent does, and never from the folder that it happens to be started in.
_CODE = "import sys; given, *sys.path = sys.argv[1:]; from modnet_export.exporting.beside import serve; serve(given)"


@dataclass(frozen=True)
class Referenced:
    """The built-in inputs with the reference's mattes of them at each size, and what computed these."""

    engine: str
    samples: Mapping[Size, Sequence[Sample]]


class Work:
    """What is made of a source, here: raises ExportError for one that does not load."""

    def __init__(self, source: Source, sizes: Sequence[Size]) -> None:
        self._source, self._sizes = source, sizes

    @cached_property
    def _modnet(self) -> MODNet:
        return load(self._source)

    def graphs(self) -> list[onnx.ModelProto]:
        """The ONNX of a checkpoint's network at each size."""
        from modnet_export.exporting.traced import traced

        return [traced(self._modnet, size) for size in self._sizes]

    def reference(self) -> Referenced:
        """The mattes of the built-in inputs at each size."""
        is_network = self._source.kind == "checkpoint"
        reference = TorchReference(self._modnet, THREADS, exact=True) if is_network else open_reference(self._source)
        return Referenced(reference.engine, {size: samples(reference, size) for size in self._sizes})


class Beside:
    """The same answers, in this order, from another process; from here where there is none, or it fails."""

    def __init__(self, work: Work, answers: IO[bytes] | None) -> None:
        self._work, self._answers = work, answers

    def graphs(self) -> list[onnx.ModelProto]:
        """As ``Work.graphs``."""
        if (answer := self._next()) is None:
            return self._work.graphs()
        graphs, said = answer
        for warning in said:
            warnings.warn(warning, stacklevel=2)
        found: list[onnx.ModelProto] = graphs
        return found

    def reference(self) -> Referenced:
        """As ``Work.reference``; a further call gives the same again."""
        return self._referenced

    @cached_property
    def _referenced(self) -> Referenced:
        if (answer := self._next()) is not None:
            found: Referenced = answer
            return found
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the weights: it was said when their graph was made
            return self._work.reference()

    def _next(self) -> Any:
        if self._answers is None:
            return None
        try:
            return pickle.load(self._answers)
        except (EOFError, pickle.UnpicklingError):  # it has ended, maybe in the middle of an answer
            self._answers = None
            return None


@contextmanager
def beside(source: Source, sizes: Sequence[Size]) -> Iterator[Beside]:
    """Begin ``Work`` beside the caller, where there is more than one core. The process ends with the context."""
    child = None
    if (os.cpu_count() or 1) > 1:
        with suppress(OSError):  # no memory for another process
            child = subprocess.Popen(
                [sys.executable, "-c", _CODE, pickle.dumps((source, tuple(sizes))).hex(), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # the same error is raised here
            )
    try:
        yield Beside(Work(source, sizes), None if child is None else child.stdout)
    finally:
        if child is not None:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def serve(given: str) -> None:
    """The child: answers on standard output, which nothing else may write to."""
    source, sizes = pickle.loads(bytes.fromhex(given))
    work = Work(source, sizes)
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        if source.kind == "checkpoint":
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                graphs = work.graphs()
            pickle.dump((graphs, [item.message for item in said if issubclass(item.category, ExportWarning)]), answers)
            answers.flush()
            del graphs  # as large as the weights
        pickle.dump(work.reference(), answers)
