"""The words that callers choose from, spelled once; imports nothing, so that a command line can show them quickly."""

from __future__ import annotations

from typing import Literal

Tuning = Literal["cpu", "gpu", "ane"]
"""The processor that a graph is written for; see ``converters.onnx.passes``."""

Converter = Literal["direct", "tensorflow"]
"""Who writes .tflite files: our own lowerings, or TensorFlow's converter."""

Delegate = Literal["cpu", "cpu-fp16", "builtin", "gpu"]
"""How LiteRT runs a model: XNNPACK as on a phone's CPU, in fp16, its built-in kernels, or its GPU accelerator."""

ComputeUnit = Literal["ALL", "CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE"]
"""Where Core ML may run a package."""

CoreMlPrecision = Literal["fp32", "fp16", "int8", "palettized8", "palettized6", "palettized4"]
CoreMlPorts = Literal["image", "image-fp16", "multiarray"]
"""8-bit images in and out; an 8-bit image in and a grey image of fp16 out; or multi-arrays."""
CoreMlNorm = Literal["instance_norm", "cascade"]
"""How an fp16 program normalises: by Core ML's own op, or by a cascade of small means."""
CoreMlNorms = Literal["auto", "instance_norm", "cascade"]
"""``auto``: each norm as measured."""
CoreMlTarget = Literal["iOS16", "iOS17", "iOS18", "iOS26"]
"""The oldest system that must run a package."""
