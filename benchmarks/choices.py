"""The words that a benchmark chooses from; light enough to be read by ``modnet-export --help``."""

from __future__ import annotations

from typing import Literal

Delegate = Literal["cpu", "builtin", "gpu", "nnapi"]
"""LiteRT's: XNNPACK, its built-in kernels, a GPU, Android's NNAPI."""
Cores = Literal["all", "big", "little"]
"""The cores that a measurement on a device is pinned to."""
