from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modnet_export.images.framing import FORMS, Portrait, framed, framed_twice
from modnet_export.images.representative import portraits
from modnet_export.verifying import metrics

HEIGHT, WIDTH = 96, 80


def drawn(seed=0):
    """A person-like matte, and a photograph whose foreground is red."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot((rows - 60) / 30, (columns - 40) / 20)
    alpha = np.clip(1.5 - distance, 0, 1).astype(np.float32)
    behind = np.random.default_rng(seed).uniform(0.2, 0.6, (HEIGHT, WIDTH, 3)).astype(np.float32)
    red = np.array([0.9, 0.1, 0.1], np.float32)
    return Portrait(alpha[..., None] * red + (1 - alpha[..., None]) * behind, alpha)


PICTURE = np.full((HEIGHT, WIDTH, 3), 0.25, np.float32)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_a_photograph_with_its_matte(name):
    found = FORMS[name](drawn(), PICTURE)
    assert found.photo.shape == (*found.alpha.shape, 3)
    assert found.alpha.min() >= 0
    assert found.alpha.max() <= 1
    assert found.alpha.max() > 0.9, "somebody is in it"
    # Where the person is whole, the photograph shows it: redder than anything behind.
    inside = found.alpha > 0.999
    assert (found.photo[inside][:, 0] - found.photo[inside][:, 1]).mean() > 0.1


@pytest.mark.parametrize("name", [name for name in FORMS if "bars" in name])
def test_bars_are_of_one_colour_and_show_nobody(name):
    found = FORMS[name](drawn(), PICTURE)
    value = {"black": 0.0, "white": 1.0, "grey": 0.5}[name.split()[0]]
    edge = (slice(None), 0) if name.endswith("beside") else (0,)
    assert np.all(found.photo[edge] == value)
    assert np.all(found.alpha[edge] == 0)
    assert found.photo.shape == drawn().photo.shape


def test_small_person_fills_as_much_less():
    whole, small = (float(item.alpha.sum()) for item in (drawn(), FORMS["small"](drawn(), PICTURE)))
    assert small / whole == pytest.approx(0.3**2, rel=0.1)


@pytest.mark.parametrize("ways", [framed, framed_twice])
@given(count=st.integers(1, 60), people=st.integers(1, 5))
def test_portraits_and_forms_take_turns(ways, count, people):
    found = ways([drawn(seed) for seed in range(people)], [PICTURE], count)
    assert len(found) == count
    assert all(item.photo.dtype == np.float32 and 0 <= item.photo.min() <= item.photo.max() <= 1 for item in found)


def test_all_forms_of_all_built_in_portraits_come_once():
    """The numbers of portraits and of forms have no common factor."""
    assert math.gcd(len(portraits()), len(FORMS)) == 1


def test_built_in_portraits_have_mattes_of_their_photographs():
    people = portraits()
    assert len(people) == 12
    for item in people:
        assert item.photo.shape == (512, 512, 3)
        assert item.alpha.shape == (512, 512)
        assert 0.1 < item.alpha.mean() < 0.9
        assert metrics.correlation(item.alpha, item.alpha[:, ::-1]) > 0.1, "a person is about in the middle"
