"""coremltools, imported and run without its announcements; every other file here imports it from this one."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator

from converters.quiet import native_stderr

__all__ = ["MIL_pb2", "Model_pb2", "ct", "kmeans1d", "mb", "mil", "quiet", "types"]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what coremltools prints meanwhile: missing native libraries, untested versions, progress bars."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with native_stderr(), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


with quiet():
    import coremltools as ct
    from coremltools._deps import kmeans1d
    from coremltools.converters.mil import mil
    from coremltools.converters.mil.mil import types
    from coremltools.proto import MIL_pb2, Model_pb2

mb = mil.Builder
"""coremltools' own name for the builder of MIL operations."""
