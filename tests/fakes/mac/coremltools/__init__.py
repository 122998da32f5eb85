"""What replay.py asks of coremltools on a Mac, answered from the mattes in its own bundle.

Each name follows coremltools 9.0, whose file is named beside it; arguments that the real one refuses are refused.
The environment says what goes wrong: FAKE_OFFSET is added to every matte, FAKE_CRASH ("FILE UNIT") ends that process as
a fault in a kernel does, FAKE_ROUNDING ("down") cuts 8-bit mattes off, FAKE_PLAN ("none") has no compute plan.
"""

import enum
import os

from . import models

__version__ = "9.0"
__all__ = ["ComputeUnit", "models"]


class ComputeUnit(enum.Enum):  # coremltools/__init__.py
    ALL = 1
    CPU_AND_GPU = 2
    CPU_ONLY = 3
    CPU_AND_NE = 4


assert os.environ.get("FAKE_MAC"), "this stands in for coremltools in tests alone"
