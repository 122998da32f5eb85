from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from converters.budget import Budget
from converters.errors import CheckFailedError, ExportError
from converters.tflite.int8.search import search
from tests.converters.tflite.networks import run


def errors(prepared, data):
    """The mean absolute difference from the float model on each image."""
    return [np.abs(run(data, image) - run(prepared.data, image)).mean() for image in prepared.images]


def test_as_much_int8_as_the_budget_allows(prepared, tmp_path):
    most, least = (np.mean(errors(prepared, prepared.build(chosen))) for chosen in (prepared.scales, {}))
    limit = float(np.sqrt(most * least))
    assert least < limit < most
    state, built = tmp_path / "state.json", []

    def build(chosen):
        built.append(len(chosen))
        return prepared.build(chosen)

    request = prepared.request({"mad": limit}, images=prepared.images, build=build, extra_points=3)
    found = search(request, state=state)
    assert request.budget.held(found.point)
    assert 0 < found.point.integer_macs < 1
    measured = [point.left_in_float for point in found.points]
    assert measured[0] < 10
    assert measured[-1] == len(prepared.groups)
    assert np.mean(errors(prepared, found.model)) == pytest.approx(found.point.mad, abs=2e-6)
    # Nothing is measured twice: only the chosen model is made anew.
    built.clear()
    assert search(request, state=state).point == found.point
    assert len(built) <= 1
    assert len(json.loads(state.read_text())["sensitivities"]) == len(prepared.groups)


@pytest.mark.parametrize("points", [0, 3])
def test_a_search_says_how_far_it_is(small, points):
    said = []
    request = replace(small.request({"mad": 1e3}), extra_points=points)
    search(request, progress=lambda stage, done=0, total=0: said.append((stage, done, total)))
    steps = [(done, total) for stage, done, total in said if stage == "searching"]
    assert [done for done, _ in steps] == list(range(len(steps)))
    assert {total for _, total in steps} == {steps[0][1]}
    assert len(steps) <= steps[0][1] <= len(steps) + 1


def test_a_budget_that_nothing_holds_names_the_nearest_point(small):
    request = small.request({"mad": 1e-9})
    with pytest.raises(CheckFailedError, match=r"no choice of int8 holds mad<=1e-09[^$]*the nearest: mad") as raised:
        search(request)
    assert raised.value.exit_code == 1


def test_a_budget_that_float_cannot_hold_is_widened_where_it_is_not_required(small):
    request = replace(small.request({"mad": 1e-9}), required=False)
    found = search(request)
    in_float = next(point for point in found.points if point.left_in_float == len(small.groups))
    assert found.budget.limits["mad"] == pytest.approx(1.5 * in_float.mad, rel=0.05)
    assert found.budget.held(found.point)
    assert search(replace(request, budget=Budget({"mad": 1e3}))).budget.limits == {"mad": 1e3}


def test_points_of_another_variant_are_not_used(small, tmp_path):
    state, request = tmp_path / "state.json", small.request({"mad": 1e3})
    search(replace(request, variant="int8-mixed"), state=state)
    search(replace(request, variant="int8", build=lambda chosen: small.build(chosen, ports=True)), state=state)
    points = json.loads(state.read_text())["points"]
    assert len(points["int8-mixed"]) == len(points["int8"]) > 0
    assert points["int8-mixed"][0]["size_mb"] != points["int8"][0]["size_mb"]


def test_a_matte_that_is_not_finite_is_one_clear_error(small):
    request = small.request({"mad": 1.0}, images=[np.full_like(small.images[0], np.nan)])
    with pytest.raises(ExportError, match=r"groups in float is not finite"):
        search(request)


def test_progress_names_what_is_done(small):
    told = []
    search(small.request({"mad": 1.0}), progress=lambda stage, done=0, total=0: told.append((stage, done, total)))
    count = len(small.groups)
    assert told[:count] == [("measuring sensitivities", done, count) for done in range(1, count + 1)]
    assert {stage for stage, _, _ in told[count:]} == {"searching"}
