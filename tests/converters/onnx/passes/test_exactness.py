"""Every pass is exact on any graph, alone and in order, and says truthfully whether it changed anything."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from converters.onnx.passes import optimise, passes
from tests.converters.onnx.passes.drawn import graphs
from tests.graphs import apply, in_branches, run

# The same examples in every run.
drawn = settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
deeper = settings(drawn, max_examples=1500)

EACH = {type(each).__name__ + "-" + tuning: each for tuning in ("cpu", "gpu") for each in passes(tuning)}


def feeds(proto: onnx.ModelProto, flag: bool) -> dict[str, np.ndarray]:
    shape = [dim.dim_value for dim in proto.graph.input[0].type.tensor_type.shape.dim]
    made = {"x": np.random.default_rng(5).standard_normal(shape).astype(np.float32)}
    return made | ({"flag": np.array(flag)} if len(proto.graph.input) > 1 else {})


def assert_same(expected: list[np.ndarray], after: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> None:
    for index, (one, other) in enumerate(zip(expected, run(after, inputs), strict=True)):
        assert one.shape == other.shape, after.graph.output[index].name
        scale = max(1.0, float(np.abs(one).max(initial=0)))
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4 * scale, err_msg=after.graph.output[index].name)


def assert_exact(proto: onnx.ModelProto, flag: bool) -> None:
    inputs = feeds(proto, flag)
    expected = run(proto, inputs)
    assume(all(np.isfinite(each).all() for each in expected))
    names = [value.name for value in proto.graph.output]
    for each in EACH.values():
        after, modified = apply(each, proto)
        assert [value.name for value in after.graph.output] == names
        if modified:
            assert_same(expected, after, inputs)
    for tuning in ("cpu", "gpu"):
        after = ir.to_proto(optimise(ir.from_proto(proto), tuning))
        onnx.checker.check_model(after, full_check=True)
        assert [value.name for value in after.graph.output] == names
        assert_same(expected, after, inputs)


@drawn
@given(proto=graphs())
def test_passes_are_exact(proto):
    assert_exact(proto, True)


@pytest.mark.long
@drawn
@given(proto=graphs(), cut=st.integers(0, 6), flag=st.booleans())
def test_passes_are_exact_inside_branches(proto, cut, flag):
    assert_exact(in_branches(proto, cut), flag)


@pytest.mark.slow
@deeper
@given(proto=graphs(), cut=st.integers(0, 12), flag=st.booleans(), branches=st.booleans())
def test_passes_are_exact_on_many_graphs(proto, cut, flag, branches):
    assert_exact(in_branches(proto, cut) if branches else proto, flag)
