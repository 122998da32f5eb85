"""Attributes drawn at random: LiteRT gives what ONNX Runtime gives, or the form is refused."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from converters.errors import UnsupportedModelError
from converters.onnx.layout import NCHW_FROM_NHWC, NHWC_FROM_NCHW, nhwc_axis, nhwc_order
from converters.onnx.lowering import COMPARISONS
from tests.converters.lowered import run_in_litert, to_tflite
from tests.graphs import feeds, model, node, run

# A conversion takes a tenth of a second: few examples, and the same ones in every run; many in `make test-slow`.
pytestmark = pytest.mark.drawn
drawn = settings(
    max_examples=int(os.environ.get("DRAWS", "6")),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
sizes = st.integers(1, 9)


# The second converter is a second opinion on every graph that it takes.
opinions = pytest.mark.parametrize("second", [False, True], ids=["onnxruntime", "tensorflow"])


def assert_right_or_refused(proto, second=False, *, may_refuse: bool, atol: float = 1e-4) -> None:
    inputs = feeds(proto)
    try:
        found = run_in_litert(proto, inputs)
        expected = run_in_litert(proto, inputs, to_tflite(proto, tensorflow=True)) if second else run(proto, inputs)
    except UnsupportedModelError:
        assert may_refuse
        event("refused")
        return
    limits = {"rtol": 1e-5, "atol": 1e-6} if second else {"rtol": 1e-4, "atol": atol}
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **limits)


@opinions
@drawn
@given(data=st.data())
def test_convolution(second, data):
    groups, per_group, multiplier = (data.draw(st.integers(1, 3)) for _ in range(3))
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    strides = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilations = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    # TensorFlow's convolution has strides or dilations, not both, and one stride if it is depthwise.
    assume(not second or strides == (1, 1) or dilations == (1, 1))
    pads = data.draw(st.lists(st.integers(0, 2), min_size=4, max_size=4))
    height, width = (data.draw(st.integers(7, 12)) for _ in range(2))
    bias = data.draw(st.booleans())
    rng = np.random.default_rng(0)
    channels, outputs = groups * per_group, groups * multiplier
    weight = rng.standard_normal((outputs, per_group, *kernel)).astype(np.float32)
    proto = model(
        [
            node(
                "Conv",
                "x w b" if bias else "x w",
                "y",
                group=groups,
                pads=pads,
                strides=list(strides),
                dilations=list(dilations),
            )
        ],
        inputs={"x": [1, channels, height, width]},
        outputs=["y"],
        constants={"w": weight} | ({"b": rng.standard_normal(outputs).astype(np.float32)} if bias else {}),
    )
    depthwise = groups > 1 and per_group == 1
    assume(not second or not depthwise or strides[0] == strides[1])
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(
    kind=st.sampled_from(["AveragePool", "MaxPool"]),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    size=st.tuples(st.integers(5, 11), st.integers(5, 11)),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_pool(second, kind, kernel, strides, pads, size, flags):
    ceil_mode, count_include_pad = flags
    assume(all(pad < side for pad, side in zip(pads, kernel * 2, strict=True)))
    attributes = {"count_include_pad": int(count_include_pad)} if kind == "AveragePool" else {}
    proto = model(
        [node(kind, "x", "y", kernel_shape=kernel, strides=strides, pads=pads, ceil_mode=int(ceil_mode), **attributes)],
        inputs={"x": [1, 3, *size]},
        outputs=["y"],
    )
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    size=st.tuples(st.integers(3, 7), st.integers(3, 7)),
    added=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    bias=st.booleans(),
)
def test_transposed_convolution(second, kernel, strides, pads, size, added, bias):
    assume(all(more < stride for more, stride in zip(added, strides, strict=True)))
    rng = np.random.default_rng(0)
    attributes = {"strides": strides, "pads": pads, "output_padding": added}
    constants = {"w": rng.standard_normal((3, 2, *kernel))} | ({"b": rng.standard_normal(2)} if bias else {})
    try:
        proto = model(
            [node("ConvTranspose", "x w b" if bias else "x w", "y", **attributes)],
            inputs={"x": [1, 3, *size]},
            outputs=["y"],
            constants=constants,
        )
    except onnx.shape_inference.InferenceError:  # nothing would be left
        assume(False)
    assume(min(d.dim_value for d in proto.graph.output[0].type.tensor_type.shape.dim) > 0)
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(
    shape=st.lists(st.integers(2, 5), min_size=1, max_size=4), mode=st.sampled_from(["edge", "reflect"]), data=st.data()
)
def test_pad_from_the_image(second, shape, mode, data):
    most = [5 if mode == "edge" else size - 1 for size in shape]
    pads = [data.draw(st.integers(0, size)) for size in most * 2]
    proto = model(
        [node("Pad", "x pads", "y", mode=mode)], inputs={"x": shape}, outputs=["y"], constants={"pads": np.array(pads)}
    )
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(shape=st.lists(sizes, min_size=1, max_size=5), data=st.data())
def test_softmax(second, shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    proto = model([node("Softmax", "x", "y", axis=axis)], inputs={"x": shape}, outputs=["y"])
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(
    kind=st.sampled_from(["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare"]),
    shape=st.lists(sizes, min_size=1, max_size=4),
    keepdims=st.booleans(),
    data=st.data(),
)
def test_reduction(second, kind, shape, keepdims, data):
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    proto = model(
        [node(f"Reduce{kind}", "x axes", "y", keepdims=int(keepdims))],
        inputs={"x": shape},
        outputs=["y"],
        constants={"axes": np.array(axes)},
    )
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(
    activation=st.sampled_from(
        [
            ("Tanh", {}), ("Exp", {}), ("Neg", {}), ("Elu", {}), ("HardSwish", {}), ("LeakyRelu", {"alpha": 0.3}),
            ("HardSigmoid", {"alpha": 1 / 6}), ("PRelu", {}), ("Pow", {}), ("Max", {}), ("Min", {}),
        ]
    ),
    shape=st.lists(sizes, min_size=2, max_size=4),
)  # fmt: skip
def test_activation(second, activation, shape):
    op, attributes = activation
    slope = np.random.default_rng(1).random((shape[1], *[1] * (len(shape) - 2)), np.float32)
    other = {"PRelu": slope, "Pow": np.float32(2), "Max": slope, "Min": slope}.get(op)
    proto = model(
        [node(op, "x" if other is None else "x other", "y", **attributes)],
        inputs={"x": shape},
        outputs=["y"],
        constants={} if other is None else {"other": other},
    )
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(
    mode=st.sampled_from(["linear", "nearest"]),
    transform=st.sampled_from(["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"]),
    rounding=st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]),
    before=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    after=st.tuples(st.integers(2, 18), st.integers(2, 18)),
    by_scales=st.booleans(),
)
def test_resize(second, mode, transform, rounding, before, after, by_scales):
    if by_scales:  # whole factors: a scale that rounds is refused
        after = tuple(b * max(a // b, 1) for a, b in zip(after, before, strict=True))
        factors = [1, 1, after[0] / before[0], after[1] / before[1]]
        constants, names = {"scales": np.array(factors, np.float32)}, "x - scales"
    else:
        constants, names = {"sizes": np.array([1, 2, *after])}, "x - - sizes"
    proto = model(
        [node("Resize", names, "y", mode=mode, coordinate_transformation_mode=transform, nearest_mode=rounding)],
        inputs={"x": [1, 2, *before]},
        outputs=["y"],
        constants=constants,
    )
    assert_right_or_refused(proto, second, may_refuse=mode == "nearest")


@opinions
@drawn
@given(
    rank=st.integers(2, 4),
    axis=st.integers(-4, 3),
    widths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    with_constant=st.booleans(),
    data=st.data(),
)
def test_concat(second, rank, axis, widths, with_constant, data):
    assume(-rank <= axis < rank)
    base = data.draw(st.lists(sizes, min_size=rank, max_size=rank))

    def shape(width):
        return [width if i == axis % rank else size for i, size in enumerate(base)]

    names = [f"x{i}" for i in range(len(widths))]
    constants = {"c": np.random.default_rng(1).random(shape(2), np.float32)} if with_constant else {}
    proto = model(
        [node("Concat", " ".join([*names, *constants]), "y", axis=axis)],
        inputs={name: shape(width) for name, width in zip(names, widths, strict=True)},
        outputs=["y"],
        constants=constants,
    )
    assert_right_or_refused(proto, second, may_refuse=False)


@opinions
@drawn
@given(op=st.sampled_from(["Add", "Sub", "Mul", "Div"]), data=st.data())
def test_broadcasting(second, op, data):
    full = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    cut = data.draw(st.integers(0, len(full) - 1))
    small = [size if data.draw(st.booleans()) else 1 for size in full[cut:]]
    constant = data.draw(st.booleans())
    swapped = data.draw(st.booleans())
    proto = model(
        [node(op, "b a" if swapped else "a b", "y")],
        inputs={"a": full} | ({} if constant else {"b": small}),
        outputs=["y"],
        constants={"b": np.random.default_rng(2).uniform(1, 2, small).astype(np.float32)} if constant else {},
    )
    assert_right_or_refused(proto, second, may_refuse=False, atol=1e-3)


@given(st.integers(1, 6), st.integers(-6, 5))
def test_axis_mapping_follows_the_transposition(rank, axis):
    assume(-rank <= axis < rank)
    shape = list(range(10, 10 + rank))
    assert nhwc_order(shape)[nhwc_axis(axis, rank)] == shape[axis]


def test_the_two_permutations_are_inverse():
    assert [NHWC_FROM_NCHW[axis] for axis in NCHW_FROM_NHWC] == [0, 1, 2, 3]


@pytest.mark.parametrize("form", ["slice", "pad", "split"])
def test_axes_of_a_rank_4_tensor_are_mapped(form):
    nodes = {
        "slice": [node("Slice", "x starts ends axes steps", "y")],
        "pad": [node("Pad", "x pads", "y")],
        "split": [node("Split", "x widths", "y z", axis=-2)],
    }[form]
    constants = {
        "slice": {
            "starts": np.array([1, -3]),
            "ends": np.array([100, -1]),
            "axes": np.array([1, -1]),
            "steps": np.array([2, 1]),
        },
        "pad": {"pads": np.array([0, 1, 2, 0, 0, 0, 1, 3])},
        "split": {"widths": np.array([1, 3])},
    }[form]
    proto = model(
        nodes, inputs={"x": [1, 5, 4, 6]}, outputs=["y", "z"] if form == "split" else ["y"], constants=constants
    )
    assert_right_or_refused(proto, may_refuse=False)


@pytest.mark.parametrize("op", ["ReduceMean", "GlobalAveragePool"])
def test_a_mean_over_a_large_map_is_exact(op):
    """One sum of 65,536 numbers like these is off by 1.1e-5 of itself."""
    axes = {"axes": np.array([2, 3])} if op == "ReduceMean" else {}
    proto = model(
        [node(op, " ".join(["x", *axes]), "y")], inputs={"x": [1, 32, 256, 256]}, outputs=["y"], constants=axes
    )
    x = (np.random.default_rng(0).random((1, 32, 256, 256)) * 100 + 1000).astype(np.float32)
    (found,) = run_in_litert(proto, {"x": x})
    np.testing.assert_allclose(found, x.astype(np.float64).mean((2, 3), keepdims=True), rtol=2e-6)


@opinions
@drawn
@given(compare=st.sampled_from(COMPARISONS), shape=st.lists(sizes, min_size=1, max_size=4), constant=st.booleans())
def test_where_one_of_two_maps_is_taken(second, compare, shape, constant):
    other = np.round(np.random.default_rng(3).standard_normal([1, *shape[1:]]), 1)
    proto = model(
        [node("Floor", "x", "f"), node(compare, "f other", "c"), node("Where", "c x other", "y")],
        inputs={"x": shape} | ({} if constant else {"other": other.shape}),
        outputs=["y"],
        constants={"other": np.floor(other)} if constant else {},
    )
    assert_right_or_refused(proto, second, may_refuse=False)


def test_a_condition_that_something_else_reads_is_refused_by_name():
    proto = model(
        [node("Greater", "x zero", "c"), node("Cast", "c", "y", to=1)],
        inputs={"x": [2, 3]},
        outputs=["y"],
        constants={"zero": np.float32(0)},
    )
    with pytest.raises(UnsupportedModelError, match="c is BOOL; supported"):
        to_tflite(proto)
