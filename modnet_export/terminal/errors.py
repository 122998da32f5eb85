"""How errors and warnings end on a terminal: one screen, no traceback, a defined exit code."""

from __future__ import annotations

import errno
import logging
import sys
import warnings
from typing import Any, NoReturn

from converters.errors import ExportError, ExportWarning
from modnet_export.terminal.console import ERR, escape
from modnet_export.terminal.options import spelled

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "your disk quota is used up: free some space and run again",
    errno.EACCES: "you may not write there: choose another folder",
    errno.EPERM: "you may not write there: choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
}


def of_system(error: OSError) -> ExportError:
    """What a file system's refusal means for a user."""
    reason = error.strerror or type(error).__name__
    return ExportError(
        f"cannot read or write a file: {reason}",
        where=error.filename,
        next_step=_ADVICE.get(error.errno or 0, "check the path and run again"),
    )


_OF_MEMORY = ("can't allocate memory", "bad_alloc", "out of memory", "failed to allocate memory", "insufficient memory")


def is_of_memory(error: Exception) -> bool:
    """Whether memory ran out: PyTorch, ONNX Runtime and OpenCV say so in errors of their own."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _OF_MEMORY)


def of_memory() -> ExportError:
    return ExportError(
        "there is not enough memory for this",
        expected="a model or an image that fits this machine's memory",
        next_step="take a smaller size or a smaller image, or end other programs",
    )


def fail(error: ExportError) -> NoReturn:
    """Print an error and exit with its code."""
    ERR.print(f"[bold red]error:[/] {escape(spelled(str(error)))}", highlight=False, soft_wrap=True)
    sys.exit(error.exit_code)


def show_warnings() -> None:
    """Our own as a line on standard error; everybody else's as they are, but for tracebacks of what we report."""
    logging.getLogger("onnx_ir").setLevel(logging.CRITICAL)
    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, ExportWarning):
            ERR.print(f"[yellow]warning:[/] {escape(spelled(str(message)))}", highlight=False, soft_wrap=True)
        else:
            others(message, category, *rest, **options)

    warnings.showwarning = show
