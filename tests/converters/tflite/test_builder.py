"""Flatbuffers read, changed, cut and written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from converters.errors import ExportError
from converters.tflite import builder as fb
from converters.tflite.weights import int8_weights
from tests.converters.lowered import interpreter
from tests.converters.tflite.networks import operators, run, small_network, smooth, tflite
from tests.graphs import model, node


@pytest.fixture(scope="module")
def small():
    return tflite(small_network(np.random.default_rng(0)))


@pytest.fixture
def builder(small):
    return fb.Builder(fb.read(small))


def test_writing_what_was_read_changes_nothing_more(small):
    once = fb.write(fb.read(small))
    assert fb.write(fb.read(once)) == once
    (image,) = smooth(np.random.default_rng(1), 1)
    np.testing.assert_array_equal(run(once, image), run(small, image))


def test_constants_behind_the_flatbuffer_are_read(small):
    model = fb.read(small)
    tensor = next(item for item in model.subgraphs[0].tensors if fb.constant(model, item) is not None)
    expected = fb.constant(model, tensor)
    buffer = model.buffers[tensor.buffer]
    data = buffer.data.tobytes()
    buffer.data, buffer.offset, buffer.size = None, 1 << 20, len(data)
    again = fb.read(fb.write(model).ljust(1 << 20, b"\0") + data)
    found = next(item for item in again.subgraphs[0].tensors if item.name == tensor.name)
    np.testing.assert_array_equal(fb.constant(again, found), expected)


def test_several_graphs_are_not_edited(small):
    model = fb.read(small)
    model.subgraphs = model.subgraphs * 2
    with pytest.raises(ValueError, match="too many values"):
        fb.Builder(model)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float16, np.int32, np.int64, np.int8, np.uint8]),
        hnp.array_shapes(max_dims=4, max_side=4),
    )
)
def test_a_constant_comes_back(array):
    builder = fb.Builder.empty("")
    index = builder.add_constant(b"weights", array)
    np.testing.assert_array_equal(builder.constant(index), array)
    assert list(builder.tensor(index).shape) == list(array.shape)


@given(hnp.arrays(np.int8, st.integers(1, 9), elements=st.integers(-8, 7)))
def test_int4_holds_two_values_in_each_byte(array):
    builder = fb.Builder.empty("")
    tensor = builder.tensor(builder.add_int4(b"weights", array, fb.quantization(0.5)))
    packed = builder.model.buffers[tensor.buffer].data.astype(np.int8)
    assert len(packed) == (len(array) + 1) // 2
    both = np.stack([packed << 4 >> 4, packed >> 4], axis=1).reshape(-1)
    np.testing.assert_array_equal(both[: len(array)], array)


def test_an_operator_code_is_added_once(builder):
    before = len(builder.model.operatorCodes)
    assert builder.code("QUANTIZE") == builder.code("QUANTIZE") == before
    assert len(builder.model.operatorCodes) == before + 1


def test_what_no_op_uses_is_not_written(builder):
    builder.code("GELU")
    codes = fb.read(builder.write()).operatorCodes
    assert fb.BuiltinOperator.GELU not in [code.builtinCode for code in codes]


def test_an_operator_that_is_not_built_in_keeps_its_name(builder):
    code = fb.schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = fb.BuiltinOperator.CUSTOM
    code.customCode = b"mine"
    op = builder.op("ABS", list(builder.graph.outputs), int(builder.graph.outputs[0]))
    op.opcodeIndex = len(builder.model.operatorCodes)
    builder.model.operatorCodes.append(code)
    builder.graph.operators.append(op)
    written = fb.read(builder.write())
    assert written.operatorCodes[written.subgraphs[0].operators[-1].opcodeIndex].customCode == b"mine"


def test_constants_are_aligned(small):
    """The schema asks for 16 bytes; kernels load constants where they lie in the file."""
    model = fb.schema.Model.GetRootAs(small)
    vectors = [model.Buffers(index) for index in range(model.BuffersLength())]
    starts = [buffer.DataAsNumpy().ctypes.data for buffer in vectors if buffer.DataLength()]
    first = np.frombuffer(small, np.uint8).ctypes.data
    assert len(starts) > 5
    assert {(start - first) % 16 for start in starts} == {0}


def test_a_file_beyond_two_gigabytes_is_refused():
    builder = fb.Builder.empty("")
    builder.add_metadata("large", b"")
    builder.model.buffers[-1].data = np.broadcast_to(np.uint8(0), 3 << 30)
    with pytest.raises(ExportError, match=r"3\.2 GB cannot be written"):
        builder.write()


@pytest.mark.parametrize("name", ["CONV_2D", "GELU"])
def test_codes_beyond_127_have_their_name_too(builder, name):
    op = builder.op(name, [0], 1)
    assert fb.op_name(builder.model, op) == name


def test_quantization_per_tensor_and_per_channel():
    one, many = fb.quantization(0.25, 3), fb.quantization([0.5, 2], axis=1)
    assert (list(one.scale), list(one.zeroPoint)) == ([0.25], [3])
    assert (list(many.scale), list(many.zeroPoint), many.quantizedDimension) == ([0.5, 2], [0, 0], 1)
    tensor = fb.schema.TensorT()
    tensor.quantization = many
    np.testing.assert_array_equal(fb.real_values(tensor, np.array([[1, 1], [-2, 3]], np.int8)), [[0.5, 2], [-1, 6]])
    tensor.quantization = one
    np.testing.assert_array_equal(fb.real_values(tensor, np.array([3, 7], np.int8)), [0, 1])


def test_an_op_can_be_put_behind_another(builder, small):
    """The matte's ABS, under the name that the signature gives it."""
    (output,) = map(int, builder.graph.outputs)
    target = builder.add_like(output, b"", fb.TensorType.FLOAT32)
    builder.tensor(output).name += b"/signed"
    builder.graph.operators = [*builder.graph.operators, builder.op("ABS", [output], target)]
    builder.replace_port("outputs", output, target)
    (image,) = smooth(np.random.default_rng(2), 1)
    changed = builder.write()
    np.testing.assert_array_equal(run(changed, image), np.abs(run(small, image)))
    assert set(interpreter(changed).get_signature_runner()(x=image)) == {"y"}


def test_a_constant_that_becomes_an_activation_leaves_its_data_to_those_that_share_it(builder):
    shared = builder.add_constant(b"one", np.ones(3, np.float32))
    other = builder.add_like(shared, b"/other", fb.TensorType.FLOAT32)
    builder.make_activation(shared)
    assert builder.constant(shared) is None
    np.testing.assert_array_equal(builder.constant(other), np.ones(3))
    buffer = builder.tensor(other).buffer
    builder.make_activation(other)
    assert builder.model.buffers[buffer].data is None


def test_a_copy_beside_a_model_leaves_it_as_it_is(small):
    model = fb.read(small)
    before = fb.write(model)
    beside = fb.Builder.beside(model)
    beside.add_constant(b"more", np.ones(3, np.float32))
    beside.code("GELU")
    beside.graph.operators = beside.graph.operators[:1]
    beside.graph.operators[0].outputs = [0]
    assert fb.write(model) == before


def test_each_op_alone_computes_what_it_does_in_the_whole(small):
    model = fb.read(small)
    (graph,) = model.subgraphs
    (image,) = smooth(np.random.default_rng(3), 1)
    value = image
    for op in graph.operators:
        alone = fb.cut(model, [op])
        assert operators(alone) == [fb.op_name(model, op)]
        value = run(alone, value)
    np.testing.assert_allclose(value, run(small, image), atol=1e-5)


def test_a_cut_of_several_ops_takes_only_what_they_do_not_make(small):
    model = fb.read(small)
    (graph,) = model.subgraphs
    assert len(graph.operators) > 2
    (image,) = smooth(np.random.default_rng(4), 1)
    first, rest = fb.cut(model, graph.operators[:1]), fb.cut(model, graph.operators[1:])
    np.testing.assert_allclose(run(rest, run(first, image)), run(small, image), atol=1e-5)


def test_int4_weights_stay_constants_in_a_cut():
    constants = {"w": np.random.default_rng(5).random((100, 200, 1, 1), np.float32), "b": np.zeros(100, np.float32)}
    proto = model(
        [node("Conv", "x w b", "c"), node("Relu", "c", "y")],
        inputs={"x": [1, 200, 2, 2]},
        outputs=["y"],
        constants=constants,
    )
    whole = fb.read(int8_weights(tflite(proto), {}, "dynamic", bits=4, keep_small=False))
    (graph,) = whole.subgraphs
    assert fb.TensorType.INT4 in [tensor.type for tensor in graph.tensors]
    for op in graph.operators:
        (port,) = interpreter(fb.cut(whole, [op])).get_input_details()
        assert port["dtype"] == np.float32
