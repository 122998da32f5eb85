"""The words that a benchmark chooses from; light enough to be read by ``modnet-export --help``."""

from __future__ import annotations

from typing import Literal

Delegate = Literal["cpu", "builtin", "gpu", "npu", "nnapi"]
"""How LiteRT runs a model: as everywhere, on a phone's NPU by its vendor's libraries, or through NNAPI (deprecated)."""
GpuBackend = Literal["opencl", "opengl", "webgpu"]
"""The API that a GPU is reached through."""
GpuPrecision = Literal["auto", "fp16", "fp32"]
"""What a GPU computes in; ``auto`` is the engine's choice, which allows fp16."""
Observation = Literal["latency", "parity", "profile", "energy"]
"""What can be asked of a target. ``profile`` is the time of each op, ``parity`` the matte's against the reference's."""
Verdict = Literal["faster", "slower", "cannot tell"]
"""Of one run against another."""
