"""The cut against every placement there is, and the islands that it leaves to float."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.tflite import builder as fb
from converters.tflite.int8 import placement
from converters.tflite.int8.placement import Machine, Placements


def possible(graph):
    """Every choice of ops that have an int8 form, as the tensors that must be int8 for them."""
    able = [index for index in graph.indices if graph.has_int8_form(index)]
    for chosen in product([False, True], repeat=len(able)):
        yield {tensor for index, taken in zip(able, chosen, strict=True) if taken for tensor in graph.rounded(index)}


@given(
    macs=st.tuples(*[st.floats(0.01, 100)] * 3),
    moved=st.floats(0.01, 100),
    errors=st.lists(st.floats(0, 1), min_size=20, max_size=20),
    weight=st.floats(0, 10),
)
@settings(max_examples=40, deadline=None)
def test_no_placement_is_cheaper_than_the_cut(small, macs, moved, errors, weight):
    graph, groups = small.graph, small.groups
    errors = errors[: len(groups)]

    def cost(found, placements):
        rounded = sum(error**2 for error, group in zip(errors, groups, strict=True) if found & set(group.tensors))
        return placements.of(found).price + weight * rounded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placement, "_MACHINES", (Machine(*sorted(macs[:2]), macs[2], moved),))
        patch.setattr(placement, "_WEIGHTS", np.array([weight]) * (np.square(errors).sum() or 1))
        placements = Placements(graph, groups, errors)
        least = min(cost(found, placements) for found in possible(graph))
        assert min(cost(found.tensors, placements) for found in placements.fastest()) <= least + 1e-5


def test_an_island_that_multiplies_little_stays_float(prepared):
    """Rounding everything but one group in three is what a search by errors alone would try."""
    graph, groups = prepared.graph, prepared.groups
    rng = np.random.default_rng(0)
    placements = Placements(graph, groups, rng.lognormal(-7, 1.5, len(groups))).fastest()
    ratios = []
    for found in placements[:-1]:
        converted = set(graph.converted(found.tensors))
        for island in graph.islands(found.tensors):
            ratios.append(sum(map(graph.macs, island)) / sum(map(graph.size, graph.beside(island) & converted)))
    assert len(ratios) > 20
    assert min(ratios) > 10
    some = {tensor for group in groups[::3] for tensor in group.tensors}
    assert any(not sum(map(graph.macs, island)) for island in graph.islands(some))


def test_placements_go_from_the_fastest_to_the_float_graph(prepared):
    found = Placements(prepared.graph, prepared.groups, [1e-3] * len(prepared.groups)).fastest()
    assert [item.left_in_float for item in found] == sorted({item.left_in_float for item in found})
    prices = [item.price for item in found]
    assert prices == sorted(prices)
    assert prices[-1] == pytest.approx(1)
    assert not found[-1].tensors
    assert prepared.graph.macs_in_int8(found[0].tensors) > 0.9


def test_conversions_are_those_that_are_written(prepared):
    found = Placements(prepared.graph, prepared.groups, [1e-3] * len(prepared.groups)).fastest()
    tensors = found[len(found) // 2].tensors
    model = fb.read(prepared.build({tensor: prepared.scales[tensor] for tensor in tensors}))
    (graph,) = model.subgraphs
    written = set()
    for op in graph.operators:
        pair = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        # A QUANTIZE from one int8 scale to another does not count.
        meets = {item.type for item in pair} == {fb.TensorType.FLOAT32, fb.TensorType.INT8}
        if meets and not fb.reads_only_constants(model, graph, op):
            written |= {item.name.decode() for item in pair if item.type == fb.TensorType.FLOAT32}
    names = prepared.graph.model.subgraphs[0].tensors
    assert len(written) > 5
    assert written == {names[tensor].name.decode() for tensor in prepared.graph.converted(tensors)}
