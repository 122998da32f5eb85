"""The commands that measure, and what they need of a machine; mounted by ``modnet_export.cli``."""

from benchmarks.cli import bench, compare
from benchmarks.cli.capabilities import CAPABILITIES

__all__ = ["CAPABILITIES", "bench", "compare"]
