"""Smaller weights for an fp16 Core ML program, by coremltools' own compressors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from converters.coreml.quiet import ct, quiet

Compression = Literal["int8", "palettized8", "palettized6", "palettized4"]

PALETTES: Mapping[Compression, int] = {"palettized8": 8, "palettized6": 6, "palettized4": 4}
"""Bits of an index into a palette."""

SMALL = 16384
"""Weights of up to so many elements stay fp16: early and depthwise ones are few and matter most, as in fp16 TFLite."""


def compress(converted: Any, how: Compression) -> Any:
    """The model with its large weights as 8-bit integers (linear, per channel) or as palettes (k-means).

    Weights that are such already (``converters.coreml.tuned``) stay as they are. Core ML decompresses them when it
    loads the model or while it runs (``constexpr_*`` operations). There is one palette per tensor: palettes for groups
    of channels (iOS 18) took three times as long and gave a worse matte (mean difference 0.0094 against 0.0056 at 6
    bits).
    """
    optimize = ct.optimize.coreml
    with quiet():
        if how == "int8":
            linear = optimize.OpLinearQuantizerConfig(
                mode="linear_symmetric", granularity="per_channel", weight_threshold=SMALL
            )
            return optimize.linear_quantize_weights(converted, optimize.OptimizationConfig(global_config=linear))
        palette = optimize.OpPalettizerConfig(mode="kmeans", nbits=PALETTES[how], weight_threshold=SMALL)
        return optimize.palettize_weights(converted, optimize.OptimizationConfig(global_config=palette))
