from __future__ import annotations

from converters.progress import counted, silent


def test_counts_every_item_once_it_has_been_worked_on():
    events = []
    for item in counted("ab", "spelling", lambda *told: events.append(told)):
        events.append(item)
    assert events == ["a", ("spelling", 1, 2), "b", ("spelling", 2, 2)]


def test_a_length_that_is_not_known_is_0():
    told = []
    assert list(counted(iter("ab"), "spelling", lambda *seen: told.append(seen))) == ["a", "b"]
    assert told == [("spelling", 1, 0), ("spelling", 2, 0)]


def test_silent_takes_what_any_progress_takes():
    assert list(counted([1], "counting", silent)) == [1]
