"""The table of peers, from samples and costs that are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.peers.catalogue import PLAIN, PRODUCT, PRODUCT_SIDE, Peer
from benchmarks.peers.converting import Conversion, Cost
from benchmarks.peers.sessions import Session
from benchmarks.peers.table import table
from converters.errors import ExportError

ROWS = [
    Peer("ours", "a", ("export",)),
    Peer("theirs", "b", ("convert_b",), "b"),
    Peer("broken", "c", ("convert_c",), "c"),
    Peer("stuck", "d", ("convert_d",), "d"),
    Peer("plain", PLAIN),
]
CONDITIONS = {"cpu": "A CPU", "cpus": 2, "system": "Linux", "size": "8x8", "ai-edge-litert": "1", "onnxruntime": "2"}
ONE = Session(
    begun="2026-11-25T23:59:00+00:00",
    conditions=CONDITIONS | {"threads": 1, "numpy": "3"},
    load=(0.25, 1.5),
    samples_ms={"ours": (100.0, 110.0, 90.0), "theirs": (200.0, 220.0, 120.0), "plain": (125.0,) * 3, PRODUCT: (8.0,)},
    differences={"ours": (1e-7, 2e-5), "theirs": (2e-7, 3e-4), "plain": (1e-7, 1e-5)},
    refused={"stuck": "stuck ended with 1: a bad op"},
)
TWO = replace(ONE, begun="2026-11-26T00:30:00+00:00", conditions=ONE.conditions | {"threads": 2}, refused={})
CONVERSIONS = {
    "ours": Conversion((Cost(4.0, 5.04, 10**9),)),
    "theirs": Conversion((Cost(30.0, 31.0, 2 * 10**9),)),
    "broken": Conversion((), "error: no Linear"),
    "stuck": Conversion((Cost(1.0, 1.0, 10**6),)),
}


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)}


def test_every_peer_has_its_row_with_the_ratios_of_medians_and_minima():
    gflop = 2 * PRODUCT_SIDE**3 / 1e9 * 10  # the work of ten products: 80 ms
    found = rows_of(table(ROWS, CONVERSIONS, [ONE, TWO], gflop))
    assert found["ours"][:6] == ["100 / 90", "1.00 / 1.00", "0.80"] * 2
    assert found["theirs"] == [*["200 / 120", "0.50 / 0.75", "0.40"] * 2, "2e-07", "3e-04", "30.0", "31.0", "2000"]
    assert found["plain"] == [*["125 / 125", "0.80 / 0.72", "0.64"] * 2, "1e-07", "1e-05", "", "", ""]


def test_what_does_not_convert_or_run_is_a_row_with_its_own_word():
    text = table(ROWS, CONVERSIONS, [ONE, TWO], 1.0)
    assert rows_of(text)["broken"] == [*[""] * 8, "fails", "", ""]
    assert rows_of(text)["stuck"] == [*[""] * 8, "1.0", "1.0", "1"]
    assert text.endswith("\nbroken fails: `error: no Linear`.\nstuck fails: `stuck ended with 1: a bad op`.")
    assert rows_of(table(ROWS, {}, [ONE, TWO], 1.0))["broken"] == [*[""] * 8, "not run", "", ""]


def test_sessions_are_pooled_and_their_conditions_told():
    slow = replace(ONE, load=(0.5, 7.0), samples_ms=dict.fromkeys(ONE.samples_ms, (500.0,) * 4))
    text = table(ROWS, CONVERSIONS, [ONE, slow, TWO], 1.0)
    assert rows_of(text)["ours"][0] == "500 / 90"
    for said in ("25 November 2026 to 26 November 2026", "load average 0.2 to 7.0", "5 rounds in 2 session(s) on 1"):
        assert said in text


def test_there_are_columns_for_the_threads_that_were_measured():
    assert len(rows_of(table(ROWS, CONVERSIONS, [ONE], 1.0))["ours"]) == 3 + 5
    with pytest.raises(ExportError, match="no session yet"):
        table(ROWS, CONVERSIONS, [], 1.0)
