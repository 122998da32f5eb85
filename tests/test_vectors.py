"""The vectors that the apps' own code is tested with are what our Python makes today."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.vectors import FILES, HERE, written


def same(found: Any, stored: Any, ties: frozenset[int] = frozenset()) -> bool:
    """Equal, but for what another processor, which adds in another order, may change.

    That is the last digit of a float, a byte at one of the ties, and which values are so near to one.
    """
    if isinstance(stored, dict):
        allowed = frozenset(stored.get("ties", ()))
        return found.keys() == stored.keys() and all(
            same(found[key], stored[key], allowed if key in ("packed", "composite") else frozenset())
            for key in stored.keys() - {"ties"}
        )
    if isinstance(stored, list):
        return len(found) == len(stored) and all(
            same(one, other) or (index in ties and abs(one - other) == 1)
            for index, (one, other) in enumerate(zip(found, stored, strict=True))
        )
    if isinstance(stored, float) and isinstance(found, float):
        return abs(found - stored) < 1.5e-6
    return type(found) is type(stored) and found == stored


@pytest.mark.parametrize("name", FILES)
def test_vectors_are_current(name):
    stored = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    assert same(json.loads(written(name)), stored), "python -m tests.vectors writes them anew"


def test_every_file_is_one_of_ours():
    assert {path.stem for path in HERE.glob("*.json")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_vectors_tell_right_from_wrong(name):
    """No expected array is constant, and few bytes are left open."""
    for case in json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))["cases"]:
        for field in {"upright", "packed", "restored", "foreground", "composite", "steadied"} & case.keys():
            assert np.ptp(case[field]) > 0
            assert len(case.get("ties", [])) < 0.1 * len(case[field])
