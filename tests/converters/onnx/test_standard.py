from __future__ import annotations

import numpy as np
import onnx
import pytest

from converters.errors import ExportError
from converters.onnx.standard import in_float32, with_opset, with_static_shapes
from tests.graphs import model, node, run

IMAGE = np.random.default_rng(0).random((1, 2, 4, 6), np.float32)


def resizing(op, version, factor, mode):
    return model(
        [node(op, "x scales", "y", mode=mode)],
        inputs={"x": [1, 2, 4, 6]},
        outputs=["y"],
        constants={"scales": np.float32([1, 1, factor, factor])},
        opset=version,
    )


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("factor", [2, 3, 0.5])
def test_resize_of_opset_10_means_what_onnx_runtime_computes(mode, factor):
    proto = resizing("Resize", 10, factor, mode)
    (expected,) = run(proto, {"x": IMAGE})
    (found,) = run(with_opset(proto, 18), {"x": IMAGE})
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("factor", [2, 3])
def test_so_does_upsample(mode, factor):
    """ONNX Runtime refuses a linear one that makes the image smaller, so that nothing says what it means."""
    proto = resizing("Upsample", 9, factor, mode)
    (expected,) = run(proto, {"x": IMAGE})
    (found,) = run(with_opset(proto, 18), {"x": IMAGE})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_onnx_cannot_convert_is_one_clear_error():
    """Opset 1's Upsample is another operator."""
    proto = resizing("Resize", 10, 2, "nearest")
    proto.opset_import[0].version = 5
    with pytest.raises(ExportError, match="cannot bring this model from opset 5 to 18"):
        with_opset(proto, 18)


def test_constants_in_nodes_become_initializers_and_empty_ones_go():
    proto = model(
        [
            node("Constant", "", "none", value=onnx.numpy_helper.from_array(np.zeros(0, np.float32))),
            node("Constant", "", "scales", value=onnx.numpy_helper.from_array(np.float32([1, 1, 2, 2]))),
            node("Resize", "x none scales", "y", mode="linear"),
        ],
        inputs={"x": [1, 2, "h", "w"]},
        outputs=["y"],
    )
    found = with_static_shapes(proto, {"x": [1, 2, 4, 6]})
    assert [item.op_type for item in found.graph.node] == ["Resize"]
    assert list(found.graph.node[0].input)[1] == ""
    np.testing.assert_array_equal(run(found, {"x": IMAGE})[0], run(proto, {"x": IMAGE})[0])


def test_16_bit_floats_become_float32_everywhere():
    half = onnx.TensorProto.FLOAT16
    proto = model(
        [node("Cast", "x", "h", to=half), node("Mul", "h two", "m"), node("Cast", "m", "y", to=onnx.TensorProto.FLOAT)],
        inputs={"x": [1, 2, 4, 6]},
        outputs=["y"],
        constants={"two": np.float16(2.001)},
    )
    assert in_float32(proto)
    np.testing.assert_array_equal(run(proto, {"x": IMAGE})[0], IMAGE * np.float32(np.float16(2.001)))
    assert not in_float32(proto)
