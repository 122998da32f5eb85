"""Where a model's ops may run, estimated by published rules: what the estimates of all formats have in common.

Which processor runs an op is decided on the device, when it loads the model. No compiler and no device is asked here:
an op that no rule excludes counts as one that the accelerator may take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

O = TypeVar("O")  # noqa: E741  an op, as one format describes it


@dataclass(frozen=True)
class Rule(Generic[O]):
    """Ops that an accelerator does not take."""

    what: str
    source: str
    """Where that can be read: repository or document, file, function."""
    excludes: Callable[[O], bool]


@dataclass(frozen=True)
class Placement:
    """An estimate; see the module."""

    accelerator: str
    ops: int
    """All but constants and what only unpacks them."""
    excluded: dict[str, int]
    """How many ops a rule excludes, by the rule and its source."""
    partitions: int | None = None
    """How many parts of the graph the accelerator runs in one piece each; None: the format does not tell."""
    launches: int | None = None
    """Kernels that it starts for one image, after it joined ops; None: not estimated."""
    bytes_moved: int | None = None
    """What those kernels read and write for one image, weights included; None: not estimated."""
    added: dict[str, int] = field(default_factory=dict)
    """How many of those kernels no op of the file asks for, by what they do: CAST or TRANSPOSE of a weight."""

    @property
    def possible(self) -> int:
        """How many ops no rule excludes."""
        return self.ops - sum(self.excluded.values())

    def __str__(self) -> str:
        reasons = "".join(f"; {count}: {why}" for why, count in self.excluded.items())
        work = ""
        if self.partitions is not None and self.launches is not None and self.bytes_moved is not None:
            parts = "one partition" if self.partitions == 1 else f"{self.partitions} partitions"
            work = f" in {parts}, {self.launches} kernels, {self.bytes_moved / 1e6:.0f} MB a frame"
            if self.added:
                work += f" ({', '.join(f'{count} added: {what}' for what, count in self.added.items())})"
        taken = f"{self.accelerator} may take {self.possible} of {self.ops} ops{work}"
        return f"{taken}{reasons} (an estimate by published rules)"


def excluding(rules: Iterable[Rule[O]], op: O) -> str | None:
    """The first rule that excludes an op, with its source; None where the accelerator may take it."""
    rule = next((item for item in rules if item.excludes(op)), None)
    return None if rule is None else f"{rule.what} ({rule.source})"


def counted(reasons: Iterable[str | None]) -> dict[str, int]:
    """How often each reason is given."""
    return dict(Counter(reason for reason in reasons if reason is not None))
