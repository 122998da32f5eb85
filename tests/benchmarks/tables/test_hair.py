"""The pictures of hair in docs/choosing.md."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.tables import hair
from modnet_export.verifying import metrics


@pytest.mark.parametrize("mad", hair.SHOWN)
def test_a_shown_difference_is_as_large_as_it_says(mad):
    rng = np.random.default_rng(1)
    reference = np.clip(rng.normal(0.5, 0.5, (64, 48)), 0, 1).astype(np.float32)
    matte = np.clip(reference + 1e-3 * rng.normal(size=reference.shape), 0, 1).astype(np.float32)
    found = hair.scaled_to(reference, matte, mad)
    assert metrics.mad(found, reference) == pytest.approx(mad, rel=1e-4)
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.all((found - reference) * (matte - reference) >= 0)  # where the matte is off, and to the same side


def test_the_most_delicate_place_is_found():
    matte = np.zeros((60, 80), np.float32)
    matte[30:, 50:] = 1
    matte[34:42, 20:30] = 0.5  # the only hair
    rows, columns = hair.softest(matte, 16)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (16, 16)
    assert (matte[rows, columns] == 0.5).sum() == 80


def test_a_sheet_has_a_column_for_each_caption():
    picture = np.full((10, 10, 3), 0.25, np.float32)
    drawn = hair.sheet([("one", [picture, picture]), ("two", [picture])])
    assert drawn.getpixel((5, drawn.height - 20)) == (64, 64, 64)
    assert drawn.getpixel((drawn.width - 20, drawn.height - 20)) == (255, 255, 255)
