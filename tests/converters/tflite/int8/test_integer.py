"""int8 arithmetic in part of a graph: what is exact stays exact, and what is rounded is rounded as promised."""

from __future__ import annotations

import json

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.budget import Budget, Point
from converters.diagnose.inspection import inspect
from converters.errors import CheckFailedError, ExportError
from converters.runtimes.litert import interpreter
from converters.tflite import builder as fb
from converters.tflite.convert import convert
from converters.tflite.int8 import graph as integer
from converters.tflite.int8.equalise import equalise
from converters.tflite.int8.ranges import Spread, collect, observe
from converters.tflite.int8.search import search, sensitivities
from converters.tflite.rounding import Rounding
from converters.tflite.weights import mixed
from tests.converters.tflite.test_weights import run, small_network, smooth
from tests.graphs import model, node


@pytest.fixture(scope="module")
def modnet_fp32(small_tflite):
    return small_tflite("cpu")


@pytest.fixture(scope="module")
def images():
    """Not photographs, but smooth: enough to see what a graph does with numbers."""
    rng = np.random.default_rng(0)
    return [np.kron(rng.uniform(0, 1, (6, 8, 3)).astype(np.float32), np.ones((16, 16, 1), np.float32))[None]] * 1 + [
        np.kron(rng.uniform(0, 1, (12, 16, 3)).astype(np.float32), np.ones((8, 8, 1), np.float32))[None]
        for _ in range(2)
    ]


class Prepared:
    def __init__(self, data, images):
        self.data, self.images = data, images
        self.whole = integer.Graph(fb.read(data))
        self.groups = self.whole.groups()
        spreads: dict[int, Spread] = {}
        moments = collect(data, images, tensors=[x for group in self.groups for x in group.tensors], spreads=spreads)
        self.spreads, self.rounding = spreads, Rounding(moments)
        self.scales = integer.parameters(self.groups, spreads)

    def build(self, chosen, ports=False):
        return mixed(self.data, self.rounding, chosen, bytes_in_and_out=ports)


@pytest.fixture(scope="module")
def prepared(modnet_fp32, images):
    return Prepared(modnet_fp32, images)


@pytest.fixture(scope="module")
def small():
    rng = np.random.default_rng(0)
    return Prepared(convert(ir.from_proto(small_network(rng))), smooth(rng))


def operators(data):
    found = fb.read(data)
    return [fb.operator_name(fb.builtin(found, op)) for op in found.subgraphs[0].operators]


@given(
    low=st.floats(-1e4, 1e4),
    width=st.floats(1e-3, 1e4),
    share=st.floats(0, 1),
)
def test_a_value_in_range_moves_by_at_most_half_a_step_and_zero_not_at_all(low, width, share):
    found = integer.Parameters.of(low, low + width)
    value = np.float32(low + share * width)
    # One step more at an end, where the zero point was rounded.
    assert abs(float(found.rounded(np.array([value]))[0]) - value) <= 1.01 * found.scale + 1e-4 * abs(value)
    assert found.rounded(np.zeros(1, np.float32))[0] == 0


class TestParts:
    def test_nothing_chosen_is_the_float_graph(self, prepared):
        data = prepared.build({})
        (image, *_) = prepared.images
        assert "QUANTIZE" not in operators(data)
        assert np.abs(run(data, image) - run(prepared.data, image)).mean() < 0.02  # of its weights

    def test_everything_chosen_leaves_no_float_convolution(self, prepared):
        found = fb.read(prepared.build(prepared.scales))
        (graph,) = found.subgraphs
        kinds = {
            graph.tensors[op.inputs[0]].type
            for op in graph.operators
            if fb.operator_name(fb.builtin(found, op)) in ("CONV_2D", "DEPTHWISE_CONV_2D")
            and graph.tensors[op.outputs[0]].shape[1] > 1
        }
        assert kinds == {fb.TensorType.INT8}
        # The norms' statistics have no int8 form here.
        sqrt = next(op for op in graph.operators if fb.operator_name(fb.builtin(found, op)) == "SQRT")
        assert graph.tensors[sqrt.inputs[0]].type == fb.TensorType.FLOAT32

    def test_the_small_network_in_int8_is_near_the_float_one(self, small):
        rng = np.random.default_rng(7)
        (image,) = smooth(rng, 1)
        data = small.build(small.scales)
        expected = run(small.data, image)
        assert np.abs(run(data, image) - expected).mean() < 0.02 * np.abs(expected).mean()
        assert operators(data).count("QUANTIZE") == 1
        assert operators(data).count("DEQUANTIZE") == 1

    def test_two_runs_give_the_same_bytes(self, small):
        assert small.build(small.scales) == small.build(small.scales)

    def test_bytes_in_and_out_are_those_of_the_contract(self, prepared):
        loaded, _ = interpreter(prepared.build(prepared.scales, ports=True), 1)
        for port in (loaded.get_input_details()[0], loaded.get_output_details()[0]):
            assert np.dtype(port["dtype"]) == np.uint8
            assert port["quantization"] == (pytest.approx(1 / 255), 0)
        signature = loaded.get_signature_list()["serving_default"]
        assert (signature["inputs"], signature["outputs"]) == (["image"], ["matte"])
        assert [loaded.get_input_details()[0]["name"], loaded.get_output_details()[0]["name"]] == ["image", "matte"]
        runner = loaded.get_signature_runner("serving_default")
        matte = runner(image=np.rint(prepared.images[0] * 255).astype(np.uint8))["matte"]
        assert matte.dtype == np.uint8
        assert matte.min() < matte.max()

    def test_xnnpack_runs_all_of_it(self, prepared, tmp_path):
        """No op is left to reference kernels."""
        for chosen in (prepared.scales, dict(list(prepared.scales.items())[::2])):
            path = tmp_path / "model.tflite"
            path.write_bytes(prepared.build(chosen, ports=True))
            report = inspect(path)
            assert (report.delegated_ops, report.partitions) == (sum(report.ops.values()), 1)

    def test_groups_share_scales_only_where_kernels_do_not_rescale(self, prepared):
        tensors = [tensor for group in prepared.groups for tensor in group.tensors]
        assert len(tensors) == len(set(tensors))
        for index, name in enumerate(prepared.whole.names):
            if name in ("PAD", "RESIZE_BILINEAR") and prepared.whole.integer(index):
                source, result = prepared.whole.inputs(index)[0], prepared.whole.output(index)
                assert prepared.scales[source] == prepared.scales[result]


class TestRanges:
    def spreads(self, values):
        return {0: Spread(np.array([values.min()]), np.array([values.max()]), values.astype(np.float32))}

    def test_an_outlier_widens_min_max_and_nothing_else(self):
        values = np.random.default_rng(0).standard_normal(100_000)
        values[0] = 1000
        group = [integer.Group((0,), 1)]
        scale = {
            setting: integer.parameters(group, self.spreads(values), setting)[0].scale
            for setting in ("min-max", "percentile", "mse")
        }
        assert scale["min-max"] == pytest.approx(1004 / 255, rel=0.01)
        assert scale["percentile"] < scale["min-max"] / 50
        assert scale["mse"] <= scale["min-max"]

    def test_mse_is_never_worse_than_min_max_on_what_it_saw(self):
        rng = np.random.default_rng(1)
        for values in (rng.laplace(size=50_000), rng.uniform(0, 6, 50_000)):
            group, spreads = [integer.Group((0,), 1)], self.spreads(values)
            errors = [
                np.square(integer.parameters(group, spreads, setting)[0].rounded(spreads[0].values) - spreads[0].values)
                for setting in ("mse", "min-max")
            ]
            assert errors[0].mean() <= errors[1].mean()


class TestEqualisation:
    def test_the_function_stays_and_channels_are_evened(self, modnet_fp32, prepared, images):
        evened = equalise(modnet_fp32, prepared.spreads)
        for image in images:
            assert np.abs(run(evened, image) - run(modnet_fp32, image)).max() < 1e-4
        after = integer.Graph(fb.read(evened))
        spreads = observe(evened, [x for group in after.groups() for x in group.tensors], images)

        def unevenness(whole, found):
            norm_inputs = [
                whole.output(index)
                for index, name in enumerate(whole.names)
                if name == "CONV_2D"
                and sorted(whole.names[item] for item in whole.readers[whole.output(index)]) == ["MEAN", "SUB"]
            ]
            assert len(norm_inputs) > 10
            sizes = [np.maximum(-found[item].low, found[item].high) for item in norm_inputs]
            return np.median([size.max() / np.median(size) for size in sizes])

        assert unevenness(prepared.whole, prepared.spreads) > 1.5
        assert unevenness(after, spreads) < 1.01
        assert len(evened) < 1.02 * len(modnet_fp32)

    @pytest.mark.parametrize("op", ["Relu", "Clip"])
    def test_only_what_can_be_scaled_is(self, op):
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
        data = convert(ir.from_proto(proto))
        whole = integer.Graph(fb.read(data))
        seen = observe(data, [x for group in whole.groups() for x in group.tensors], smooth(rng))
        evened = equalise(data, seen)
        (image,) = smooth(rng, 1)
        np.testing.assert_allclose(run(evened, image), run(data, image), atol=1e-4)
        changed = any(b"/equalised" in tensor.name for tensor in fb.read(evened).subgraphs[0].tensors)
        assert changed == (op == "Relu")


class TestSearch:
    def test_sensitivity_is_that_of_rounding_one_group(self, small):
        errors = sensitivities(small.data, small.groups, small.scales, small.images[:2])
        assert len(errors) == len(small.groups)
        assert all(error > 0 for error in errors)
        coarse = {tensor: integer.Parameters(16 * p.scale, p.zero_point) for tensor, p in small.scales.items()}
        worse = sensitivities(small.data, small.groups, coarse, small.images[:2])
        assert sum(worse) > 4 * sum(errors)

    def budget(self, prepared):
        """Between what all and what nothing in int8 costs."""
        ends = []
        for chosen in (prepared.scales, {}):
            data = prepared.build(chosen)
            ends.append(np.mean([np.abs(run(data, x) - run(prepared.data, x)).mean() for x in prepared.images]))
        return Budget({"mad": float(np.sqrt(ends[0] * ends[1]))}), ends

    def test_as_much_int8_as_the_budget_allows(self, prepared, tmp_path):
        budget, (most, least) = self.budget(prepared)
        assert least < budget.limits["mad"] < most
        state, built = tmp_path / "state.json", []

        def build(chosen):
            built.append(len(chosen))
            return prepared.build(chosen)

        arguments = (prepared.data, prepared.groups, prepared.scales, prepared.images, budget, build)
        found = search(*arguments, state=state, extra_points=3)
        assert budget.held(found.point)
        assert 0 < found.point.integer_macs < 1
        assert {0, len(prepared.groups)} <= {point.left_in_float for point in found.points}
        errors = [np.abs(run(found.model, x) - run(prepared.data, x)).mean() for x in prepared.images]
        assert np.mean(errors) == pytest.approx(found.point.mad, abs=2e-6)
        # Nothing is measured twice: only the chosen model is made anew.
        built.clear()
        assert search(*arguments, state=state, extra_points=3).point == found.point
        assert len(built) <= 1
        assert len(json.loads(state.read_text())["sensitivities"]) == len(prepared.groups)

    def test_a_budget_that_nothing_holds_names_the_nearest_point(self, small, tmp_path):
        arguments = (small.data, small.groups, small.scales, small.images[:2], Budget({"mad": 1e-9}), small.build)
        with pytest.raises(
            CheckFailedError, match=r"no choice of int8 holds mad<=1e-09[^$]*the nearest: mad"
        ) as raised:
            search(*arguments)
        assert raised.value.exit_code == 1
        nearest = search(*arguments, required=False)
        assert nearest.point.mad == min(point.mad for point in nearest.points)

    def test_state_of_something_else_is_not_used_and_a_broken_one_is_named(self, small, tmp_path):
        state = tmp_path / "state.json"
        state.write_text(json.dumps({"key": "other", "sensitivities": {"x": 1}, "points": {"": [{"bad": 1}]}}))
        arguments = (small.data, small.groups, small.scales, small.images[:2], Budget({"mad": 1.0}), small.build)
        assert search(*arguments, state=state).point.left_in_float == 0
        state.write_text("{")
        with pytest.raises(ExportError, match=r"cannot read state\.json as the state of a search"):
            search(*arguments, state=state)


class TestBudget:
    @pytest.mark.parametrize("text", ["", "mad", "mad<0.1", "speed<=1", "mad<=x", "mad<=0.1,,p999<=1"])
    def test_anything_but_bounds_is_refused(self, text):
        with pytest.raises(ExportError, match="is no bound"):
            Budget.parse(text)

    def test_all_bounds_count(self):
        budget = Budget.parse("mad<=0.001, size_mb <= 8,max<=0.25")
        assert str(budget) == "mad<=0.001,size_mb<=8,max<=0.25"
        point = Point(0, 1.0, 0.0009, 0.1, 0.2, 50.0, 7.0)
        assert budget.held(point)
        assert not Budget.parse("mad<=0.001,latency_ms<=40").held(point)
        assert Budget.parse("mad<=0.00045").excess(point) == pytest.approx(2)


def test_weights_that_are_not_finite_are_refused(small):
    found = fb.read(small.data)
    (graph,) = found.subgraphs
    weight = next(op.inputs[1] for op in graph.operators if fb.operator_name(fb.builtin(found, op)) == "CONV_2D")
    values = fb.constant(found, graph.tensors[weight]).copy()
    values.flat[0] = np.nan
    found.buffers[graph.tensors[weight].buffer].data = values.reshape(-1).view(np.uint8)
    with pytest.raises(ExportError, match="is not finite"):
        mixed(fb.write(found), Rounding({}), small.scales, bytes_in_and_out=False)
