"""Whether a run on LiteRT's GPU accelerator really took place on the GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from converters.runtimes import Image, Runtime

Sign = Literal["partly on the CPU", "as on the CPU", "constant"]
"""What the run on one image tells: the accelerator owns up to a part on the CPU; the matte equals one that the CPU
computes, bit for bit; all its pixels are alike."""
Shortfall = Literal["partly on the CPU", "wholly on the CPU", "cannot be told"]
"""How the runs on all images fell short of the whole graph on the GPU."""

SENTENCES: Mapping[Shortfall, str] = {
    "partly on the CPU": "not fully accelerated: a part ran on the CPU",
    "wholly on the CPU": "bit-identical to the CPU's mattes: the GPU was not used",
    "cannot be told": "bit-identical to the CPU's mattes, and all constant: whether the GPU was used cannot be told",
}
"""Each shortfall, as a verdict's reason says it."""


def is_failure(shortfall: Shortfall) -> bool:
    """Whether runs with it do not count as runs on the GPU."""
    return shortfall == "wholly on the CPU"


def signs(accelerated: Any, on_cpu: Sequence[Runtime], image_nhwc: Image, matte_nhwc: Image) -> tuple[Sign, ...]:
    """What the run that gave ``matte_nhwc`` tells.

    ``accelerated`` is the runtime that was asked for the GPU, ``on_cpu`` are runtimes of the same model on the CPU.
    """
    found: list[Sign] = [] if accelerated.fully_accelerated else ["partly on the CPU"]
    if any(np.array_equal(runtime.run(image_nhwc), matte_nhwc) for runtime in on_cpu):
        found.append("as on the CPU")
    if np.ptp(matte_nhwc) == 0:
        found.append("constant")
    return tuple(found)


def shortfalls(images: Sequence[Sequence[Sign]]) -> list[Shortfall]:
    """How the runs on all images fell short, by the signs of each.

    Two processors never round alike throughout, so mattes that all equal the CPU's were computed there. Constant ones
    prove nothing: where a sigmoid saturates, every processor gives 0.
    """
    found: list[Shortfall] = ["partly on the CPU"] if any("partly on the CPU" in image for image in images) else []
    if images and all("as on the CPU" in image for image in images):
        found.append("cannot be told" if all("constant" in image for image in images) else "wholly on the CPU")
    return found
