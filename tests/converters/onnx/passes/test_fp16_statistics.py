"""The norms of a gpu-tuned graph in real fp16 arithmetic: every op rounded, every sum accumulated in fp16."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from converters.onnx.passes.instance_norm import Norm, WriteInstanceNorm, write
from converters.onnx.passes.rewrite import Builder, Names
from converters.onnx.passes.statistics import CascadeMeans
from tests.graphs import apply, model, node, ops

HALF = np.float16


def _fp16_conv(x, weight, strides, pads):
    """Depthwise, with one fp16 accumulator that adds term by term: the worst a phone GPU does."""
    kh, kw = weight.shape[2:]
    x = np.pad(x, [(0, 0), (0, 0), (0, pads[2]), (0, pads[3])])
    height, width = (x.shape[2] - kh) // strides[0] + 1, (x.shape[3] - kw) // strides[1] + 1
    total = np.zeros((*x.shape[:2], height, width), HALF)
    for row in range(kh):
        for column in range(kw):
            window = x[
                :, :, row : row + height * strides[0] : strides[0], column : column + width * strides[1] : strides[1]
            ]
            total = (total + (window * weight[:, 0, row, column].reshape(1, -1, 1, 1)).astype(HALF)).astype(HALF)
    return total


def _fp16_sequential_mean(x):
    """A spatial mean as one fp16 sum, four terms at a time: what the cascade is there to replace."""
    flat = x.reshape(*x.shape[:2], -1)
    total = np.zeros(flat.shape[:2], HALF)
    for index in range(flat.shape[2]):
        total = (total + flat[:, :, index]).astype(HALF)
    return (total / HALF(flat.shape[2])).astype(HALF)[:, :, None, None]


def run_fp16(proto, x, mean=_fp16_sequential_mean):
    """Evaluate with all tensors and intermediate results rounded to fp16; ``mean`` is the kernel of ReduceMean."""
    values = {item.name: numpy_helper.to_array(item) for item in proto.graph.initializer}
    values = {name: a.astype(HALF) if a.dtype == np.float32 else a for name, a in values.items()}
    values["x"] = x.astype(HALF)
    binary = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}
    unary = {"Abs": np.abs, "Sqrt": np.sqrt, "Reciprocal": np.reciprocal}
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for item in proto.graph.node:
            inputs = [values[name] for name in item.input if name]
            if item.op_type == "Conv":
                attributes = {a.name: list(a.ints) or a.i for a in item.attribute}
                result = _fp16_conv(*inputs, attributes["strides"], attributes["pads"])
            elif item.op_type == "AveragePool":
                n, c, h, w = inputs[0].shape
                result = inputs[0].astype(np.float32).reshape(n, c, h // 4, 4, w // 4, 4).mean(axis=(3, 5))
            elif item.op_type == "ReduceMean":
                result = mean(inputs[0])
            elif item.op_type == "ReduceMax":
                result = inputs[0].max(axis=(2, 3), keepdims=True)
            elif item.op_type == "Slice":
                result = inputs[0][:, int(inputs[1][0]) : int(inputs[2][0])]
            elif item.op_type == "Concat":
                result = np.concatenate(inputs, axis=1)
            elif item.op_type == "Clip":
                result = np.maximum(inputs[0], inputs[1])
            elif item.op_type in binary:
                result = binary[item.op_type](*inputs)
            else:
                result = unary[item.op_type](*inputs)
            values[item.output[0]] = result.astype(HALF)
    return values[proto.graph.output[0].name]


def instance_norm(x, arithmetic):
    channels = x.shape[1]
    graph = model(
        [node("InstanceNormalization", "x gain shift", "y", epsilon=1e-5)],
        inputs={"x": list(x.shape)},
        outputs=["y"],
        constants={"gain": np.ones(channels, np.float32), "shift": np.zeros(channels, np.float32)},
    )
    return apply(WriteInstanceNorm(arithmetic), graph)[0]


def partial_norm(size):
    """Two channels normalised, two beside them."""
    graph = ir.from_proto(model([node("Identity", "x", "y")], inputs={"x": [1, 4, *size]}, outputs=["y"], constants={}))
    (old,) = graph.graph
    build = Builder(old, Names(graph))
    norm = Norm(0, 2, 1e-5, np.ones(2), np.zeros(2))
    build.replace([old], write(build, old.inputs[0], norm, "fp16, means in fp32"))
    return ir.to_proto(graph)


def exact(x):
    x = x.astype(HALF).astype(np.float64)
    return (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 1e-5)


def activations(kind, size):
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((1, 2, *size))
    if kind == "one bright pixel":
        x = np.zeros((1, 2, *size))
        x[0, 0, 3, 2], x[0, 1, -1, -1] = 4, -900
        return x
    return {
        "ordinary": noise,
        "large": 4000 * noise,
        "small": 0.01 * noise,
        "far from zero": 200 + 8 * noise,
        "half dark": noise * (np.arange(size[1]) < size[1] // 2) * 50,
    }[kind]


SIZES = [(512, 512), (96, 160), (37, 61), (7, 5)]
KINDS = ["ordinary", "large", "small", "far from zero", "half dark", "one bright pixel"]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_fp16_writing_neither_overflows_nor_loses_the_variance(kind, size):
    x = activations(kind, size)
    found = run_fp16(instance_norm(x, "fp16"), x).astype(np.float64)
    expected = exact(x)
    assert np.isfinite(found).all()
    scale = np.abs(expected).max()
    # fp16 has 11 significant bits; a mean far from zero costs the input itself as many as it is far.
    tolerance = 0.1 if kind == "far from zero" else 0.02
    assert np.abs(found - expected).max() <= tolerance * max(scale, 1)
    assert abs(found.std() / expected.std() - 1) < 0.02


def _gpu_mean(x):
    """As ML Drift's kernel: summed in float32, the result in fp16."""
    return x.astype(np.float32).mean(axis=(2, 3), keepdims=True)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("large", "one bright pixel")])
def test_writing_for_wide_means_holds_up_to_a_thousand_from_the_mean(kind, size):
    x = 4 * activations(kind, size) if kind == "half dark" else activations(kind, size)
    found = run_fp16(instance_norm(x, "fp16, means in fp32"), x, _gpu_mean).astype(np.float64)
    expected = exact(x)
    # Of "small", the squares of the least values sink below fp16's smallest normal number.
    tolerance = 0.1 if kind in ("far from zero", "small") else 0.01
    assert np.abs(found - expected).max() <= tolerance * max(np.abs(expected).max(), 1)


@pytest.mark.parametrize(
    ("size", "steps"), [((96, 160), ["AveragePool", "ReduceMean"]), ((37, 61), ["ReduceMean"])], ids=str
)
def test_means_of_a_gpu_are_pools_and_never_depthwise_convolutions(size, steps):
    # docs/gpu.md: an NVIDIA H200 in fp16 made other values of those convolutions at every run.
    proto = instance_norm(activations("ordinary", size), "fp16, means in fp32")
    assert [op for op in ops(proto) if op in ("AveragePool", "Conv", "ReduceMean")] == 2 * steps


def test_writing_for_wide_means_needs_the_prescale(monkeypatch):
    x = 100 * activations("half dark", (96, 160)) / 50
    assert np.isfinite(run_fp16(instance_norm(x, "fp16, means in fp32"), x, _gpu_mean)).all()
    monkeypatch.setattr("converters.onnx.passes.instance_norm._PRESCALE", 1.0)
    assert np.square(x - x.mean((2, 3), keepdims=True)).max() > 65504
    assert (run_fp16(instance_norm(x, "fp16, means in fp32"), x, _gpu_mean) == 0).any(axis=(2, 3)).all()


@pytest.mark.parametrize("slices", [True, False])
@pytest.mark.parametrize("size", [(96, 160), (37, 61)], ids=str)
def test_channels_beside_the_norm_pass_by_bit_for_bit(size, slices, monkeypatch):
    if slices:
        monkeypatch.setattr("converters.onnx.passes.instance_norm._WORTH_SLICING", 0)
    graph = partial_norm(size)
    assert ("Slice" in ops(graph)) == slices
    x = np.concatenate([activations("ordinary", size), activations("large", size)], axis=1)
    found = run_fp16(graph, x, _gpu_mean)
    np.testing.assert_array_equal(found[:, 2:], x[:, 2:].astype(HALF))
    assert np.abs(found[:, :2] - exact(x[:, :2])).max() < 0.02


@pytest.mark.parametrize("kind", ["ordinary", "large", "far from zero"])
def test_fp32_writing_fails_in_the_same_arithmetic(kind):
    """The emulation is harsh enough to tell the two writings apart."""
    x = activations(kind, (256, 256))
    found = run_fp16(instance_norm(x, "fp32"), x).astype(np.float64)
    assert not (np.isfinite(found).all() and abs(found.std() / exact(x).std() - 1) < 0.02)


def test_a_constant_map_gives_zero_not_nan():
    x = np.full((1, 2, 64, 64), 3.0)
    assert (run_fp16(instance_norm(x, "fp16"), x) == 0).all()


@pytest.mark.parametrize("level", [1.0, 3.0, 30000.0])
def test_cascaded_mean_of_a_large_map_holds_where_one_sum_does_not(level):
    graph = model(
        [node("ReduceMean", "x axes", "y")],
        inputs={"x": [1, 1, 512, 512]},
        outputs=["y"],
        constants={"axes": np.array([2, 3])},
    )
    x = np.full((1, 1, 512, 512), level)
    cascade = apply(CascadeMeans(), graph)[0]
    assert run_fp16(cascade, x).item() == pytest.approx(level, rel=2e-3)
    assert run_fp16(graph, x).item() != pytest.approx(level, rel=0.5)
