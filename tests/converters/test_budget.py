from __future__ import annotations

import pytest

from converters.budget import Budget, Point
from converters.errors import ExportError


@pytest.mark.parametrize(
    "text", ["", "mad", "mad<0.1", "speed<=1", "mad<=x", "mad<=-1", "mad<=1e999", "mad<=0.1,,p999<=1"]
)
def test_anything_but_bounds_is_refused(text):
    with pytest.raises(ExportError, match="is not a bound"):
        Budget.parse(text)


def test_all_bounds_count():
    budget = Budget.parse("mad<=0.001, size_mb <= 8,max<=0.25")
    assert str(budget) == "mad<=0.001,size_mb<=8,max<=0.25"
    point = Point(0, 1.0, 0.0009, 0.1, 0.2, 50.0, 7.0)
    assert budget.held(point)
    assert not Budget.parse("mad<=0.001,latency_ms<=40").held(point)
    assert Budget.parse("mad<=0.00045").excess(point) == pytest.approx(2)


def test_bounds_on_differences_are_raised_above_a_floor():
    floor = Point(9, 0.0, 0.00092, 0.1, 0.2, 50.0, 7.0, p95_mad=0.00195, worst_mad=0.0034)
    assert (
        str(Budget.parse("mad<=0.0018,p95<=0.0018,worst<=0.004,max<=0.26,size_mb<=6").above(floor, 1.5))
        == "mad<=0.0018,p95<=0.0029,worst<=0.0051,max<=0.26,size_mb<=6"
    )


def test_a_refused_bound_names_the_setting():
    with pytest.raises(ExportError) as error:
        Budget.parse("mad=0.1")
    assert error.value.where == "`budget`"


GOOD = {
    "left_in_float": 3,
    "integer_macs": 0.5,
    "mad": 0.001,
    "p999": 0.05,
    "max_abs_difference": 0.1,
    "latency_ms": 40.0,
    "size_mb": 7.2,
    "p95_mad": 0.003,
    "worst_mad": 0.008,
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_a_point_refuses_what_cannot_be_measured(name, value):
    with pytest.raises(ValueError, match=f"{name} is .*: it must be a finite number from 0"):
        Point(**{**GOOD, name: value})


def test_a_share_is_at_most_1():
    assert Point(**{**GOOD, "integer_macs": 1.0}).integer_macs == 1
    with pytest.raises(ValueError, match=r"integer_macs is 1\.01: a share is at most 1"):
        Point(**{**GOOD, "integer_macs": 1.01})


@pytest.mark.parametrize(("measure", "field"), [("p95", "p95_mad"), ("worst", "worst_mad")])
def test_single_images_are_bounded_where_they_were_measured(measure, field):
    limit = GOOD[field] / 1.5
    budget = Budget.parse(f"mad<=0.002,{measure}<={limit}")
    assert budget.excess(Point(**GOOD)) == pytest.approx(1.5)
    assert budget.held(Point(**{**GOOD, field: limit}))
    assert not budget.held(Point(**{**GOOD, field: None}))
