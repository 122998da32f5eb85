"""Native libraries that talk on file descriptors 1 and 2, past Python's own streams."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

# The descriptors are the process's: what a second thread saved meanwhile would be the first one's silence.
_ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def native_stderr(*, stdout: bool = False) -> Iterator[None]:
    """Drop what native code writes to stderr (and to ``stdout``) meanwhile; Python's exceptions carry what matters.

    Other threads that ask for the same wait.
    """
    with _ONE_AT_A_TIME:
        descriptors = (1, 2) if stdout else (2,)
        if stdout:
            sys.stdout.flush()
        saved, null = [os.dup(number) for number in descriptors], os.open(os.devnull, os.O_WRONLY)
        try:
            for number in descriptors:
                os.dup2(null, number)
            yield
        finally:
            for number, copy in zip(descriptors, saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
            os.close(null)
