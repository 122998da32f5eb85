"""Core ML's own predictions, on a Mac, in a process of their own.

A fault in a kernel or in Core ML's compiler ends the process that it happens in (ultralytics#24885, coremltools#2758).
Here that is the child's, and an error like any other for the caller.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from converters.choices import ComputeUnit
from converters.errors import CrashedError, ExportError, reason


class Predictor:
    """A package, or one of its functions, loaded by Core ML in a child process, which ends with this object.

    Raises CrashedError where the child ends before it answers, and ExportError for an error that Core ML reports.
    """

    def __init__(self, path: Path, compute_unit: ComputeUnit, function: str | None = None) -> None:
        self._path, self._compute_unit, self._function = path, compute_unit, function or ""
        self._start()

    def _start(self) -> None:
        self._pipe, theirs = Pipe()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the child; a pipe fills up
        found = [os.environ.get("PYTHONPATH", ""), *sys.path]
        with theirs:
            code = "from converters.runtimes.predicting import serve; serve()"
            self._child = subprocess.Popen(
                [sys.executable, "-c", code, str(self._path), self._compute_unit, self._function, str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, found))},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
            )
        self._answer()

    def predict(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """What Core ML makes of arrays and pictures by name: arrays by name."""
        if self._child.poll() is not None:  # the last input was too much for it; this one may not be
            self._start()
        with suppress(BrokenPipeError):  # told by the answer that does not come
            self._pipe.send(dict(inputs))
        found: dict[str, Any] = self._answer()
        return found

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            code = self._child.wait()
            self._errors.seek(0)
            why = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise CrashedError(
                ": ".join([f"Core ML crashed with {self._path.name} on {self._compute_unit}, {why}", *self._said()]),
                where=self._path,
                next_step="report it to Apple with the package; another compute unit may run it",
            ) from None
        if isinstance(answer, str):
            raise ExportError(f"Core ML cannot run {self._path.name}: {answer}", where=self._path)
        return answer

    def _said(self) -> list[str]:
        """The last line that the child wrote."""
        return self._errors.read().strip().splitlines()[-1:]

    def __del__(self) -> None:
        if hasattr(self, "_child"):
            self._pipe.close()  # ends the child's loop
            self._child.kill()
            self._child.wait()
            self._errors.close()


def serve() -> None:
    """The child: loads the package, says so, and answers inputs with outputs, or with a string for an error."""
    import numpy as np

    _, path, compute_unit, function, descriptor = sys.argv
    pipe = Connection(int(descriptor))
    try:
        import coremltools as ct

        model = ct.models.MLModel(path, compute_units=ct.ComputeUnit[compute_unit], function_name=function or None)
        pipe.send(None)
    except Exception as error:  # Core ML's errors share no base class
        pipe.send(reason(error))
        return
    while True:
        try:
            inputs = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send({name: np.asarray(value) for name, value in model.predict(inputs).items()})
        except Exception as error:
            pipe.send(reason(error))
