"""What MattingKit runs on the GPU gives the numbers of ``modnet_export/images``: its own text, compiled as C++."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modnet_export.images.compositing import Background, composite, fused_colours
from tests.apps import metal
from tests.apps.vectors import VECTORS

pytestmark = pytest.mark.skipif(metal.compiler() is None, reason="there is no C++ compiler: apt-get install g++")
# As much as the vectors allow Kotlin and Swift.
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def kernels(tmp_path_factory) -> metal.Kernels:
    return metal.compiled(metal.source(), tmp_path_factory.mktemp("metal"))


def cases(name: str, **values: object) -> list[dict[str, object]]:
    found = json.loads((VECTORS / f"{name}.json").read_text())["cases"]
    return [case for case in found if all(case.get(key) == value for key, value in values.items())]


def array(case, name, *shape) -> metal.Floats:
    return np.asarray(case[name], np.float32).reshape(*shape)


@pytest.mark.parametrize(
    "case", cases("restoring", dtype="float32"), ids=lambda case: f"{case['height']}x{case['width']}"
)
def test_mattes_are_mapped_back_as_the_vectors_say(kernels, case):
    size, (height, width) = (case["height"], case["width"]), case["model"]
    scale = min(height / size[0], width / size[1])
    inner = [min(max(round(side * scale), 1), most) for side, most in zip(size, (height, width), strict=True)]
    box = ((height - inner[0]) // 2, (width - inner[1]) // 2, *inner)
    found = kernels.restore(array(case, "matte", height, width), size, box)
    np.testing.assert_allclose(found, array(case, "restored", *size), atol=TOLERANCE)


@pytest.mark.parametrize("case", cases("foreground"), ids=lambda case: f"{case['height']}x{case['width']}")
def test_the_foregrounds_colours_are_those_of_the_vectors(kernels, case):
    shape = case["height"], case["width"]
    image, alpha = array(case, "image", *shape, 3) / 255, array(case, "matte", *shape)
    found = kernels.composite(image, alpha, None, tuple(case["coarse"]))
    expected = alpha[..., None] * array(case, "foreground", *shape, 3)
    np.testing.assert_allclose(found[..., :3], expected, atol=TOLERANCE)
    np.testing.assert_array_equal(found[..., 3], alpha)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 40), st.floats(0.1, 1.0), st.integers(0, 2**32 - 1), st.booleans(), st.booleans()
)
def test_composites_are_pythons(kernels, height, width, share, seed, over_a_colour, ramp):
    generator = np.random.default_rng(seed)
    image = generator.random((height, width, 3), np.float32)
    alpha = generator.random((height, width), np.float32)
    if ramp:
        # Sure pixels on both sides, soft ones between them, as a portrait's.
        alpha = np.clip(3 * np.linspace(0, 1, width, dtype=np.float32) - 1, 0, 1) * np.ones((height, 1), np.float32)
    coarse = max(round(height * share), 1), max(round(width * share), 1)
    if over_a_colour:
        behind = np.zeros_like(image) + np.float32([10 / 255, 200 / 255, 1])
        expected = composite(image, alpha, Background(colour=(10, 200, 255)), coarse=coarse)
        found = kernels.composite(image, alpha, behind, coarse)
        np.testing.assert_array_equal(found[..., 3], 1)
    else:
        expected = alpha[..., None] * fused_colours(image, alpha, coarse)
        found = kernels.composite(image, alpha, None, coarse)
    np.testing.assert_allclose(found[..., :3], expected, atol=TOLERANCE)


def test_a_frame_is_read_where_it_lies(kernels):
    # Lying on its right side in memory: turned by 90 degrees clockwise it stands upright.
    image = np.random.default_rng(1).random((5, 7, 3), np.float32)
    memory = np.ascontiguousarray(np.rot90(image))
    places = {"FIRST_X": 0, "FIRST_Y": 6, "RIGHT_X": 0, "RIGHT_Y": -1, "DOWN_X": 1, "DOWN_Y": 0}
    found = kernels.composite(memory, np.ones((5, 7), np.float32), None, (5, 7), **places)
    np.testing.assert_array_equal(found[..., :3], image)


def test_what_is_not_a_number_is_background(kernels):
    matte = np.asarray([[np.nan, 2, -1, 0.5]], np.float32)
    np.testing.assert_array_equal(kernels.restore(matte, (1, 4), (0, 0, 1, 4)), [[0, 1, 0, 0.5]])


def test_numbers_are_given_in_the_order_in_which_they_are_read():
    (given_array,) = re.findall(r"var array: \[Int32\] \{\s+\[(.*?)\]\s+\}", metal.KERNELS.read_text(), re.DOTALL)
    given_names = [
        re.sub(r"(?<=[a-z])([A-Z])", r"_\1", re.sub(r" \? 1 : 0|\s", "", item)).replace(".", "_").upper()
        for item in given_array.split(",")
        if item.strip()
    ]
    assert given_names == metal.names()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("power *= 2", "power *= 4"),
        ("max(x - n[RADIUS], 0)", "max(x - n[RADIUS], 1)"),
        ("t.head = 1.0f - t.tail", "t.head = t.tail"),
        ("found[c] = a * own", "found[c] = own"),
        ("frame.read(place(n, y, x))", "frame.read(at)"),
    ],
)
def test_mistakes_in_the_text_are_noticed(tmp_path, right, wrong):
    assert metal.source().count(right) == 1
    kernels = metal.compiled(metal.source().replace(right, wrong), tmp_path)
    with pytest.raises(AssertionError):
        for case in cases("foreground"):
            test_the_foregrounds_colours_are_those_of_the_vectors(kernels, case)
        test_a_frame_is_read_where_it_lies(kernels)


def test_what_is_no_cpp_is_refused(tmp_path):
    with pytest.raises(RuntimeError, match="error"):
        metal.compiled(metal.source().replace("float sum = 0.0f;", "float sum = nothing;"), tmp_path)
