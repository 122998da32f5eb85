"""What an accelerator takes of a TFLite file: ops, partitions, kernels and bytes for one image.

An estimate by rules that each name their source; ``joined`` simulates how a GPU joins ops. Another accelerator is data:
an ``Accelerator`` in a file of its own, listed in ``ACCELERATORS``.
"""

from __future__ import annotations

from converters.tflite.placement.accelerator import Accelerator, estimate, estimates
from converters.tflite.placement.ml_drift import GPU_DELEGATE, ML_DRIFT
from converters.tflite.placement.npu import MEDIATEK, QUALCOMM
from converters.tflite.placement.xnnpack import XNNPACK_FP32

__all__ = [
    "ACCELERATORS",
    "GPU_DELEGATE",
    "MEDIATEK",
    "ML_DRIFT",
    "QUALCOMM",
    "XNNPACK_FP32",
    "Accelerator",
    "estimate",
    "estimates",
]

ACCELERATORS: tuple[Accelerator, ...] = (ML_DRIFT, GPU_DELEGATE, XNNPACK_FP32, QUALCOMM, MEDIATEK)
"""Those whose rules are known here."""
