"""The exceptions that users meet: each says what is wrong, where, what was expected and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from converters import PART_OF


class ExportError(Exception):
    """Bad input, or something that this machine cannot do.

    ``what`` is one sentence; ``where`` a file, node, key or setting; ``expected`` what would have been accepted;
    ``next_step`` what the reader can do now. Settings stand in backticks, as Python spells them: `size=512x512`.
    ``exit_code`` is the exit status of a program that ends with this error.
    """

    exit_code = 2

    def __init__(
        self, what: str, *, where: object | None = None, expected: str | None = None, next_step: str | None = None
    ) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.expected = expected
        self.next_step = next_step
        super().__init__(self.render())

    def render(self) -> str:
        """The whole message, one line for each part that there is."""
        lines = [self.what]
        for label, text in (("where", self.where), ("expected", self.expected), ("next", self.next_step)):
            if text:
                lines.append(f"  {label + ':':<10}{text}")
        return "\n".join(lines)


class CheckFailedError(ExportError):
    """The input was good and the answer is no: a tolerance missed, a hash that does not match."""

    exit_code = 1


class CrashedError(ExportError):
    """An engine that runs in a process of its own ended that process."""


# What ONNX Runtime writes before the reason: its own name, the file's, and the place in its source.
_BEFORE_THE_REASON = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .*? failed:)?(/onnxruntime_src/.*\) )?"
)


def reason(error: Exception) -> str:
    """What another library's error says, in one line of at most 200 characters; never empty."""
    text = _BEFORE_THE_REASON.sub("", str(error).strip(), count=1).strip()
    return (text.splitlines() or [type(error).__name__])[0][:200]


def few(names: Sequence[str], most: int) -> str:
    """The first ``most`` of some names, and how many more there are, for one line of a message."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


class UnsupportedError(Exception):
    """Raised by a lowering or a pass for a form that it does not cover; the registry adds the node."""


@dataclass(frozen=True)
class UnsupportedNode:
    """One node that a target cannot express, and why."""

    op_type: str
    node: str
    reason: str

    def __str__(self) -> str:
        return f"{self.op_type} node {self.node}: {self.reason}"


class UnsupportedModelError(ExportError):
    """Everything in a model that a target cannot express, listed at once."""

    SHOWN = 20

    def __init__(self, target: str, nodes: Iterable[UnsupportedNode]) -> None:
        self.nodes = tuple(nodes)
        shown = [f"    {node}" for node in self.nodes[: self.SHOWN]]
        if len(self.nodes) > self.SHOWN:
            shown.append(f"    ... and {len(self.nodes) - self.SHOWN} more")
        super().__init__(
            f"{target}: {len(self.nodes)} node(s) of this model cannot be lowered:\n" + "\n".join(shown),
            next_step="change these nodes in the model, or register a lowering for them",
        )


class ExportWarning(UserWarning):
    """Something that a user should know and that stops nothing."""


def needs(package: str, *, extra: str) -> None:
    """Raise ExportError where a package is missing that only an extra of our distribution brings."""
    try:
        found = find_spec(package) is not None
    except ImportError:
        found = False
    if not found:
        raise ExportError(
            f"the package {package} is not installed; a plain install does without it",
            expected=f"{package}, which the extra '{extra}' brings",
            next_step=f"pip install '{PART_OF}[{extra}]'",
        )
