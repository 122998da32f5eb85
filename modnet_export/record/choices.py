"""The words that requests and manifests choose from. Nothing heavy is imported here: ``--help`` shows them."""

from __future__ import annotations

from typing import Literal

Format = Literal["onnx", "tflite", "coreml"]
Precision = Literal[
    "fp32",
    "fp16",
    "int8-weights",
    "int8-dynamic",
    "int8",
    "int8-mixed",
    "int16x8",
    "int4-weights",
    "palettized8",
    "palettized6",
    "palettized4",
]
Layout = Literal["NCHW", "NHWC", "image"]
"""``image``: a pixel buffer, as Core ML hands it to an app."""
Fit = Literal["released", "letterbox", "stretch"]
"""How an image meets a model's size; see ``images.imaging.fit_image``."""
Stage = Literal[
    "ONNX export",
    "graph passes",
    "ONNX weight compression",
    "TFLite lowering",
    "TFLite weight compression",
    "Core ML lowering",
    "Core ML weight compression",
    "somebody else's conversion",
]
"""The step of the chain that makes an artefact: where to look first when the artefact differs."""
Convention = Literal["plain", "dim", "gfm"]
"""Whose Grad and Conn; see ``record.measures.CONVENTIONS``."""
Verdict = Literal["passed", "failed", "not run"]
Engine = Literal["processes", "dask"]
"""What runs a verification: this machine's processes, or a dask cluster."""
InputRange = Literal["0..1", "-1..1"]
"""What a user's ONNX model takes for black and white: with the normalisation inside its graph, or as released."""
VideoCodec = Literal["h264", "hevc", "vp9", "prores", "png"]
"""How the pictures of a clip are written; ``png``: as numbered files. See ``images.video.writing``."""
Temporal = Literal["none", "one-frame-delay", "flow"]
"""What takes flicker out of a clip's mattes; see ``images.temporal``."""
