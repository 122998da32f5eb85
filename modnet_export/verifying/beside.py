"""The reference's mattes, computed in a process of its own while the caller does work that does not need them yet.

Threads would wait for each other: between two convolutions PyTorch asks for the lock that the conversion's Python
holds, and its exporter patches modules for the whole process.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import open_reference
from modnet_export.record.contract import Size
from modnet_export.verifying.parity import Sample, samples

# The child imports from where its parent does, and never from the folder that it happens to be started in.
_CODE = "import sys; given, *sys.path = sys.argv[1:]; from modnet_export.verifying.beside import serve; serve(given)"


@dataclass(frozen=True)
class Referenced:
    """The built-in inputs with the reference's mattes of them at each size, and what computed these."""

    engine: str
    samples: Mapping[Size, Sequence[Sample]]


def referenced(source: Source, sizes: Sequence[Size]) -> Referenced:
    """The reference's mattes, computed here; raises what ``open_reference`` and ``samples`` raise."""
    reference = open_reference(source)
    return Referenced(reference.engine, {size: samples(reference, size) for size in sizes})


@contextmanager
def beside(source: Source, sizes: Sequence[Size]) -> Iterator[Callable[[], Referenced]]:
    """Begin ``referenced`` beside the caller; what the context yields waits for it.

    Where there is one core, or the other process fails, that call computes the mattes here, and so raises what
    ``referenced`` raises. The process ends with the context.
    """
    child = None
    if (os.cpu_count() or 1) > 1:
        with suppress(OSError):  # no memory for another process
            child = subprocess.Popen(
                [sys.executable, "-c", _CODE, pickle.dumps((source, tuple(sizes))).hex(), *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # the same error is raised here
            )

    def wait() -> Referenced:
        if child is not None:
            answer, _ = child.communicate()
            if child.returncode == 0:
                found: Referenced = pickle.loads(answer)
                return found
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the caller has loaded the weights, and heard what is said of them
            return referenced(source, sizes)

    try:
        yield wait
    finally:
        if child is not None:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()


def serve(given: str) -> None:
    """The child: answers on standard output, which nothing else may write to."""
    source, sizes = pickle.loads(bytes.fromhex(given))
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answer:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        pickle.dump(referenced(source, sizes), answer)
