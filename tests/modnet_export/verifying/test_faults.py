"""Seeded faults: what moves the matte beyond its limit is detected, and placed at the op that holds the fault."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from modnet_export import Size
from tests.faults.seeding import seed, seed_convolution
from tests.faults.sweep import ALL, SEEDED, judged

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
    found = judged(sound, file, partial(seed, number=number), tmp_path)
    assert found.verdict == "failed"
    assert found.placed == ((file, number) not in MISPLACED), found


def _red_for_blue(weights):
    weights[:, [0, 2]] = weights[:, [2, 0]]
    return weights


def _by_0_05_percent(weights):
    return weights * 1.0005


# What was detected and not placed once: the PAD before the first was blamed, or an op behind the scaled one.
ONCE_MISPLACED = {
    "input channels of the first convolution": (0, _red_for_blue),
    "the first convolution by 0.05 %": (0, _by_0_05_percent),
    "a convolution within by 0.05 %": (30, _by_0_05_percent),
}


@pytest.mark.parametrize("file", SEEDED)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (place > 0)) for name, (place, _) in ONCE_MISPLACED.items()]
)
def test_what_was_misplaced_once_is_placed(sound, tmp_path, file, name):
    place, spoil = ONCE_MISPLACED[name]
    found = judged(sound, file, partial(seed_convolution, place=place, kind=name, spoil=spoil), tmp_path)
    assert (found.verdict, found.placed) == ("failed", True), found
