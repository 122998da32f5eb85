from __future__ import annotations

import numpy as np
import pytest

from converters.diagnose.snr import snr_db
from converters.diagnose.tracing import Tensor, trace
from converters.tflite import builder as fb
from converters.tflite.int8.equalise import equalise, read_factors
from converters.tflite.int8.graph import Graph
from converters.tflite.int8.ranges import observe
from tests.converters.tflite.networks import run, smooth, tflite
from tests.graphs import model, node


def test_the_function_stays_and_channels_are_evened(modnet_fp32, prepared, images):
    evened = equalise(modnet_fp32, prepared.spreads)
    for image in images:
        assert np.abs(run(evened, image) - run(modnet_fp32, image)).max() < 1e-4
    after = Graph(fb.read(evened))
    spreads = observe(evened, [x for group in after.groups() for x in group.tensors], images)

    def unevenness(graph, found):
        norm_inputs = [
            graph.output(index)
            for index, name in enumerate(graph.names)
            if name == "CONV_2D"
            and sorted(graph.names[item] for item in graph.readers[graph.output(index)]) == ["MEAN", "SUB"]
        ]
        assert len(norm_inputs) > 10
        sizes = [np.maximum(-found[item].low, found[item].high) for item in norm_inputs]
        return np.median([size.max() / np.median(size) for size in sizes])

    assert unevenness(prepared.graph, prepared.spreads) > 1.5
    assert unevenness(after, spreads) < 1.01
    assert len(evened) < 1.02 * len(modnet_fp32)


def test_every_tensor_is_what_it_was_times_the_factors_that_the_model_records(modnet_fp32, prepared, images, tmp_path):
    """None is fitted: the float model's tensor, times the recorded factors, is the equalised one's."""
    evened = equalise(modnet_fp32, prepared.spreads)
    factors = read_factors(fb.read(evened))
    paths = {"before": modnet_fp32, "after": evened}
    for name, data in paths.items():
        (tmp_path / f"{name}.tflite").write_bytes(data)
    before, after = (trace(tmp_path / f"{name}.tflite", images[0]) for name in paths)
    changed = 0
    for was, now in zip(before, after, strict=True):
        expected = was.output.whole
        if now.tensor in factors:
            expected = expected * factors[now.tensor].reshape(-1, *[1] * (expected.ndim - 1))
            changed += 1
        assert snr_db(now.output, Tensor(expected.astype(np.float32))) > 70, now.name
    assert changed > 100
    assert read_factors(fb.read(modnet_fp32)) == {}


@pytest.mark.parametrize("op", ["Relu", "Clip"])
def test_only_what_can_be_scaled_is(op):
    """A ReLU hands a channel's scale on, a ReLU6 does not."""
    rng = np.random.default_rng(0)
    channels = np.logspace(-2, 0, 8)
    constants = {
        "w1": rng.standard_normal((8, 3, 1, 1)) * channels[:, None, None, None],
        "b1": rng.standard_normal(8) * channels,
        "w2": rng.standard_normal((4, 8, 1, 1)),
        "b2": rng.standard_normal(4),
        "low": np.float32(0),
        "high": np.float32(6),
    }
    proto = model(
        [
            node("Conv", "x w1 b1", "a"),
            node(op, "a" if op == "Relu" else "a low high", "r"),
            node("Conv", "r w2 b2", "y"),
        ],
        inputs={"x": [1, 3, 20, 28]},
        outputs=["y"],
        constants=constants,
    )
    data = tflite(proto)
    graph = Graph(fb.read(data))
    seen = observe(data, [x for group in graph.groups() for x in group.tensors], smooth(rng))
    evened = equalise(data, seen)
    (image,) = smooth(rng, 1)
    np.testing.assert_allclose(run(evened, image), run(data, image), atol=1e-4)
    changed = any(b"/equalised" in tensor.name for tensor in fb.read(evened).subgraphs[0].tensors)
    assert changed == (op == "Relu")
