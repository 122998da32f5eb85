from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("columns", ["0", "1", "-5", "many", "", "²", "9" * 5000])
def test_an_odd_width_silences_nothing(columns):
    done = subprocess.run(
        [sys.executable, "-m", "modnet_export", "export", "--tune", "npu"],
        env={**os.environ, "COLUMNS": columns, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "is not one of" in done.stderr
