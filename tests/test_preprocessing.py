"""The recipe that docs/preprocessing.md gives in Python is the one of the shared vectors."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from modnet_export.images.frames import from_rows, upright
from tests.vectors import HERE


@pytest.fixture(scope="module")
def recipe():
    (code,) = re.findall(r"```python\n(.*?)```", Path("docs/preprocessing.md").read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict = {}
    exec(code, namespace)
    return namespace


def vectors(name):
    content = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return [
        pytest.param(case, case.get("tolerance", content["tolerance"]), id=str(i))
        for i, case in enumerate(content["cases"])
    ]


@pytest.mark.parametrize(("case", "tolerance"), vectors("letterbox"))
def test_the_picture_lies_where_the_vectors_say(recipe, case, tolerance):
    expected = tuple(case[name] for name in ("top", "left", "inner_height", "inner_width"))
    assert recipe["letterbox"](*case["image"], *case["model"]) == expected


@pytest.mark.parametrize(("case", "tolerance"), vectors("packing"))
def test_frames_are_packed_as_the_vectors_say(recipe, case, tolerance):
    rows = from_rows(bytes(case["rows"]), case["height"], case["width"], case["row_stride"])
    rgb = upright(rows, case["rotation"], mirrored=case["mirrored"])[..., :3]
    packed = recipe["pack"](rgb, *case["model"])
    if case["dtype"] == "uint8":
        packed, tolerance = np.round(packed * 255), 1
    assert np.abs(packed.ravel() - case["packed"]).max() <= tolerance


@pytest.mark.parametrize(("case", "tolerance"), vectors("restoring"))
def test_mattes_are_mapped_back_as_the_vectors_say(recipe, case, tolerance):
    matte = np.reshape(case["matte"], (1, *case["model"], 1)) / (255 if case["dtype"] == "uint8" else 1)
    restored = recipe["restore"](matte, case["height"], case["width"])
    assert np.abs(restored.ravel() - case["restored"]).max() <= tolerance
