"""The recipe of docs/preprocessing.md in Python, and the values in manifests, are those of the shared vectors."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from modnet_export.images.frames import from_rows, upright
from modnet_export.record.manifest import schema
from tests.vectors import HERE


@pytest.fixture(scope="module")
def recipe():
    (code,) = re.findall(r"```python\n(.*?)```", Path("docs/preprocessing.md").read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict = {}
    exec(code, namespace)
    return namespace


@pytest.fixture(scope="module")
def told():
    """What an app reads in a manifest beside the models, by the schema's own defaults."""
    parts = json.loads(schema())["$defs"]

    def values(name):
        return {key: item.get("default") for key, item in parts[name]["properties"].items()}

    return {**values("Preprocessing"), **values("Postprocessing"), "foreground": values("ForegroundColours")}


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
def test_frames_are_packed_as_the_vectors_say(recipe, told, case, tolerance):
    rows = from_rows(bytes(case["rows"]), case["height"], case["width"], case["row_stride"])
    rgb = upright(rows, case["rotation"], mirrored=case["mirrored"])[..., :3]
    packed = recipe["pack"](rgb, *case["model"], padding=told["padding"])
    if case["dtype"] == "uint8":
        packed, tolerance = np.round(packed * 255), 1
    assert np.abs(packed.ravel() - case["packed"]).max() <= tolerance


@pytest.mark.parametrize(("case", "tolerance"), vectors("restoring"))
def test_mattes_are_mapped_back_as_the_vectors_say(recipe, told, case, tolerance):
    matte = np.reshape(case["matte"], (1, *case["model"], 1)) / (255 if case["dtype"] == "uint8" else 1)
    restored = recipe["restore"](matte, case["height"], case["width"])
    assert np.abs(restored.ravel() - case["restored"]).max() <= tolerance
    assert restored.min() >= told["minimum"]
    assert restored.max() <= told["maximum"]


@pytest.mark.parametrize(("case", "tolerance"), vectors("foreground"))
def test_foreground_colours_are_those_of_the_vectors(recipe, told, case, tolerance):
    """Written anew from the manifest's values and SciPy's box filter."""
    scaled, ways = recipe["scaled"], told["foreground"]
    image = np.reshape(case["image"], (case["height"], case["width"], 3)) / 255
    matte = np.reshape(case["matte"], (case["height"], case["width"], 1))
    small, alpha = scaled(image, *case["coarse"]), scaled(matte, *case["coarse"])
    (first, second), longer = ways["powers"], max(case["coarse"])
    wide, narrow = (max(longer // divisor, 1) for divisor in ways["radius_divisors"])
    fore, back = mean(small, alpha**first, wide), mean(small, (1 - alpha) ** first, wide)
    fore = fused(small, alpha, fore, back)
    fore, back = mean(fore, alpha**second, narrow), mean(back, (1 - alpha) ** second, narrow)
    found = fused(image, matte, *(scaled(item, case["height"], case["width"]) for item in (fore, back)))
    assert np.abs(np.where(matte >= 1, image, found).ravel() - case["foreground"]).max() <= tolerance


def mean(colours, weight, radius):
    """Weighted over boxes that the borders cut off."""
    side = 2 * radius + 1
    above, below = (uniform_filter(item, (side, side, 0), mode="constant") for item in (colours * weight, weight))
    return above * side**2 / np.maximum(below * side**2, 1e-3)


def fused(image, alpha, foreground, background):
    return (foreground + alpha * (image - alpha * foreground - (1 - alpha) * background)).clip(0, 1)
