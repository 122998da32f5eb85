"""Where a compressed graph loses precision, and the reason that is given."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from converters.diagnose.drift import drift, why
from converters.diagnose.rerun import open_graph
from converters.diagnose.tracing import Tensor, trace
from converters.errors import ExportError
from tests.converters.diagnose.nets import CHAIN, IMAGE, at, rounded


def rows(tmp_path, parent=CHAIN, **changes):
    """The ops of a graph with some constants changed, by name."""
    steps = trace(parent.save(tmp_path / "parent.onnx"), IMAGE)
    return {item.name: item for item in drift(open_graph(CHAIN.save(tmp_path / "graph.onnx", **changes)), steps, IMAGE)}


def test_the_op_that_adds_the_noise_is_told_from_those_that_inherit_it(tmp_path):
    found = rows(tmp_path, w1=rounded(CHAIN.constants["w1"], 30))
    assert [item.reason for item in found.values()] == ["rounding", *["accumulated drift"] * 5]
    assert max(found.values(), key=lambda item: item.added).name == "a"
    assert found["a"].own_db == pytest.approx(found["a"].snr_db)
    assert found["y"].own_db == 120
    assert found["y"].snr_db < 60


@pytest.mark.parametrize("factor", [3, -1, 1.5])
def test_a_channel_with_another_scale_is_named_with_its_factor(tmp_path, factor):
    """A factor for each channel is not taken for what compression intended."""
    changed = {name: at(CHAIN.constants[name], 5, factor * CHAIN.constants[name][5]) for name in ("w1", "b1")}
    found = rows(tmp_path, **changed)
    assert found["a"].reason == "outlier channel"
    assert found["a"].detail == f"channel 5 of 8 holds 100% of the noise: it is {factor:.3g} times what it should be"
    assert found["b"].reason == "accumulated drift"


def test_range_that_few_values_decide_is_named():
    peaked = np.r_[np.full(999, 0.01, np.float32), np.float32(100)]
    assert why(Tensor(peaked + np.float32(0.1)), Tensor(peaked))[0] == "range"


def test_graphs_of_other_names_are_compared_by_what_they_compute(tmp_path):
    proto = onnx.load(CHAIN.save(tmp_path / "graph.onnx", w2=CHAIN.constants["w2"] * np.float32(1.001)))
    for item in proto.graph.node:
        item.name = f"other_{item.name}"
        item.input[:] = [f"t_{name}" if name in "arbsc" else name for name in item.input]
        item.output[:] = [f"t_{name}" if name in "arbsc" else name for name in item.output]
    onnx.save(proto, tmp_path / "renamed.onnx")
    steps = trace(CHAIN.save(tmp_path / "parent.onnx"), IMAGE)
    found = drift(open_graph(tmp_path / "renamed.onnx"), steps, IMAGE)
    assert max(found, key=lambda item: item.added).name == "other_b"


def test_a_large_tensors_sample_visits_every_channel_row_and_column():
    shape = (24, 128, 256)
    places = Tensor.places(int(np.prod(shape)))
    assert len(np.unique(places)) == len(places) == 65536
    for indices, size in zip(np.unravel_index(places, shape), shape, strict=True):
        assert len(np.unique(indices)) == size


def test_graphs_that_do_not_compute_the_same_are_refused(tmp_path):
    proto = onnx.load(CHAIN.save(tmp_path / "graph.onnx", w3=-CHAIN.constants["w3"]))
    for item in proto.graph.node:
        item.input[:] = [f"t_{name}" if name in "arbsc" else name for name in item.input]
        item.output[:] = [f"t_{name}" if name in "arbsc" else name for name in item.output]
    onnx.save(proto, tmp_path / "other.onnx")
    steps = trace(CHAIN.save(tmp_path / "parent.onnx"), IMAGE)
    with pytest.raises(ExportError, match="do not compute the same"):
        drift(open_graph(tmp_path / "other.onnx"), steps, IMAGE)
