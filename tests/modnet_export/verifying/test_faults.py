"""Seeded faults: what moves the matte beyond its limit is detected, and placed at the op that holds the fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from modnet_export import Size
from tests.faults.sweep import ALL, judged

# Slices among the 25 that stand for one convolution of the parent.
MISPLACED = {("modnet_opt_fp32.onnx", 11), ("modnet_opt_fp32.onnx", 23)}


@pytest.fixture(scope="module")
def sound(exported) -> Path:
    formats, precisions = ("onnx", "tflite", "coreml"), ("fp32",)
    return exported(size=Size(height=96, width=128), formats=formats, precisions=precisions, coreml_io="multiarray")


def test_95_of_a_hundred_are_placed():
    assert len(ALL) - len(MISPLACED) >= 0.95 * len(ALL) >= 95


@pytest.mark.parametrize(
    ("file", "number"),
    [pytest.param(*item, marks=[] if index % 10 == 4 else [pytest.mark.slow]) for index, item in enumerate(ALL)],
)
def test_a_seeded_fault_is_detected_and_placed(sound, tmp_path, file, number):
    found = judged(sound, file, number, tmp_path)
    assert found.verdict == "failed"
    assert found.placed == ((file, number) not in MISPLACED), found
