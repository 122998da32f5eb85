from __future__ import annotations

import pytest

from converters.tflite.int8.coverage import coverage


def test_images_that_were_calibrated_on_leave_no_float_range(small):
    found = coverage(small.build(small.scales), small.images)
    assert found
    assert [item.worst_share for item in found if item.op == "QUANTIZE"] == [0.0]
    assert all(0 <= item.share <= item.worst_share <= 1 and item.low < item.high for item in found)


def test_the_share_beyond_a_float_range_is_exact_and_its_image_named(small):
    bright = small.images[1].copy()
    bright[0, :5] = 9.0
    (found,) = (
        item for item in coverage(small.build(small.scales), [small.images[0], bright]) if item.op == "QUANTIZE"
    )
    assert (found.worst_image, found.worst_share) == (1, pytest.approx(5 / 20))
    assert found.share == pytest.approx(5 / 40)


def test_a_float_model_has_none(small):
    assert coverage(small.data, small.images) == []


def test_progress_counts_the_images(small):
    told = []
    coverage(
        small.build(small.scales),
        small.images[:3],
        lambda stage, done=0, total=0: told.append((stage, done, total)),
    )
    assert told == [("looking at int8 ranges", done, 3) for done in (1, 2, 3)]
