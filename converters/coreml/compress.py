"""Smaller weights for an fp16 Core ML program, and 8-bit activations, by coremltools' own compressors."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

from converters.choices import CoreMlTarget
from converters.coreml.quiet import ct, quiet
from converters.errors import ExportError

Compression = Literal["int8", "palettized6", "palettized4", "w8a8"]

# Weights with fewer elements stay fp16: early and depthwise weights are few and matter most (as in the fp16 TFLite).
_SMALL = 16384


def check(how: Compression, target: CoreMlTarget) -> None:
    """Raise ExportError where the deployment target or this machine does not support the compression."""
    if how != "w8a8":
        return
    if target == "iOS16":
        raise ExportError(
            "iOS16 does not know 8-bit activations",
            where="`coreml_target`",
            expected="iOS17 or iOS18 for w8a8",
            next_step="choose `coreml_target=iOS17`, or take int8 (weights only)",
        )
    if sys.platform != "darwin":
        raise ExportError(
            "w8a8 needs a Mac: coremltools calibrates activations with Core ML's own predictions",
            expected="macOS",
            next_step="export it on a Mac, with `coreml_target=iOS17` or newer",
        )


def compress(converted: Any, how: Compression, *, representative: Sequence[dict[str, Any]] = ()) -> Any:
    """The model with its large weights as 8-bit integers (linear, per channel) or as 6- or 4-bit palettes (k-means).

    Core ML decompresses them when it loads the model or while it runs (``constexpr_*`` operations). ``w8a8`` quantizes
    the activations too, calibrated on ``representative`` inputs (only on a Mac). There is one palette per tensor:
    palettes for groups of channels (iOS 18) took three times as long and gave a worse matte (mean difference 0.0094
    against 0.0056 at 6 bits).
    """
    optimize = ct.optimize.coreml
    with quiet():
        if how in ("int8", "w8a8"):
            if how == "w8a8":
                activations = optimize.experimental.OpActivationLinearQuantizerConfig(mode="linear_symmetric")
                config = optimize.OptimizationConfig(global_config=activations)
                converted = optimize.experimental.linear_quantize_activations(converted, config, list(representative))
            linear = optimize.OpLinearQuantizerConfig(
                mode="linear_symmetric", granularity="per_channel", weight_threshold=_SMALL
            )
            return optimize.linear_quantize_weights(converted, optimize.OptimizationConfig(global_config=linear))
        bits = 6 if how == "palettized6" else 4
        palette = optimize.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=_SMALL)
        return optimize.palettize_weights(converted, optimize.OptimizationConfig(global_config=palette))
