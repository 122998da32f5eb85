"""Whether a run on LiteRT's GPU accelerator really took place on the GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from converters.runtimes import Image, Runtime

Shortfall = Literal["partly on the CPU", "wholly on the CPU"]
"""How a run fell short of the whole graph on the GPU."""

SENTENCES: Mapping[Shortfall, str] = {
    "partly on the CPU": "not fully accelerated: a part ran on the CPU",
    "wholly on the CPU": "bit-identical to the CPU's matte: the GPU was not used",
}
"""Each shortfall, as a verdict's reason says it."""


def is_failure(shortfall: Shortfall) -> bool:
    """Whether a run with it does not count as a run on the GPU."""
    return shortfall == "wholly on the CPU"


def shortfalls(
    accelerated: Any, on_cpu: Sequence[Runtime], image_nhwc: Image, matte_nhwc: Image
) -> tuple[Shortfall, ...]:
    """How the run that gave ``matte_nhwc`` fell short.

    ``accelerated`` is the runtime that was asked for the GPU, ``on_cpu`` are runtimes of the same model on the CPU: two
    processors never round alike throughout, so a matte that equals one of theirs bit for bit was computed there.
    """
    found: list[Shortfall] = [] if accelerated.fully_accelerated else ["partly on the CPU"]
    if any(np.array_equal(runtime.run(image_nhwc), matte_nhwc) for runtime in on_cpu):
        found.append("wholly on the CPU")
    return tuple(found)
