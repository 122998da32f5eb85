"""The words that a benchmark chooses from; light enough to be read by ``modnet-export --help``."""

from __future__ import annotations

from typing import Literal

from converters.choices import Delegate as LiteRtDelegate

Delegate = Literal[LiteRtDelegate, "nnapi"]
"""How LiteRT runs a model: as everywhere, or through Android's NNAPI."""
Cores = Literal["all", "big", "little"]
"""The cores that a measurement on an Android device is pinned to."""
Observation = Literal["latency", "parity", "profile", "energy"]
"""What can be asked of a target. ``profile`` is the time of each op, ``parity`` the matte's against the reference's."""
Verdict = Literal["faster", "slower", "cannot tell"]
"""Of one run against another."""
