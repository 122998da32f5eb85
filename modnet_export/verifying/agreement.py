"""Whether the ways to run a TFLite model agree with each other."""

from __future__ import annotations

import math
import os
from pathlib import Path

from converters.runtimes import open_runtime
from modnet_export.record.manifest import Artefact
from modnet_export.verifying import metrics
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Agreement

# Several threads share XNNPACK's work without changing the order of any sum. Other kernels add in another order, which
# in floats is another rounding. Engines round int8 activations each in its own way, and XNNPACK reads a zero point at
# run time. A file that asks for fp16 has it from XNNPACK alone, on a CPU that has such arithmetic.
_SAME_KERNELS, _OTHER_KERNELS, _COARSER_KERNELS = 1e-6, 1e-5, 5e-3


def agreements(path: Path, artefact: Artefact, sample: Sample) -> list[Agreement]:
    """One TFLite artefact on one thread, compared with all threads, and with LiteRT's kernels without XNNPACK."""
    threads = os.cpu_count() or 1
    matte = sample.shown(open_runtime(path, threads=1).run(sample.image_nhwc))
    others = (
        (f"XNNPACK on 1 and {threads} threads", open_runtime(path, threads=threads), _SAME_KERNELS),
        (
            "XNNPACK and built-in kernels",
            open_runtime(path, threads=1, delegate="builtin"),
            _COARSER_KERNELS if artefact.recipe.integer_activations or artefact.cpu_fp16 else _OTHER_KERNELS,
        ),
    )
    found: list[Agreement] = []
    for ways, runtime, limit in others:
        other = sample.shown(runtime.run(sample.image_nhwc))
        mean = metrics.mad(other, matte)
        found.append(
            Agreement(
                artefact=artefact.file,
                ways=ways,
                max_abs_difference=_finite(metrics.max_abs_difference(other, matte)),
                mad=_finite(mean),
                limit=limit,
                passed=mean <= limit,
            )
        )
    return found


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
