from __future__ import annotations

import numpy as np
import onnx
import pytest

from converters.diagnose.inspection import inspect
from tests.graphs import model, node


def test_formats_agree_on_the_convolutions_work(dist):
    onnx_summary, tflite_summary = (inspect(dist / name) for name in ("modnet_opt_fp32.onnx", "modnet_fp32.tflite"))
    assert onnx_summary.macs == tflite_summary.macs
    assert onnx_summary.ops["Conv"] == tflite_summary.ops["CONV_2D"] + tflite_summary.ops["DEPTHWISE_CONV_2D"]


def test_counts_modnets_parameters_and_macs(dist):
    summary = inspect(dist / "modnet_fp32.onnx")
    # MODNet has 6.487 M parameters with its BatchNorms, and 15.5 GMAC at 512 x 512.
    assert summary.parameters == pytest.approx(6.47e6, rel=0.01)
    assert summary.macs == pytest.approx(15.5e9 * (96 * 128) / 512**2, rel=0.01)


def test_counts_weight_types(dist):
    summary = inspect(dist / "modnet_fp16.tflite")
    assert summary.weight_types["float16"] > 0.95 * summary.parameters


def test_dynamic_shapes_leave_the_macs_unknown(tmp_path):
    proto = model(
        [node("Conv", "x w", "y")],
        inputs={"x": [1, 3, "h", "w"]},
        outputs=["y"],
        constants={"w": np.ones((4, 3, 1, 1), np.float32)},
    )
    onnx.save(proto, tmp_path / "dynamic.onnx")
    assert inspect(tmp_path / "dynamic.onnx").macs is None


def test_counts_undelegated_ops(tmp_path):
    """An op that XNNPACK does not run splits the graph, and is not counted."""
    import onnx_ir as ir

    from converters.tflite.convert import convert

    proto = model(
        [
            node("Relu", "x", "r"),
            node("AveragePool", "r", "pooled", kernel_shape=[2, 2], strides=[4, 4]),
            node("Sigmoid", "pooled", "y"),
        ],
        inputs={"x": [1, 3, 16, 16]},
        outputs=["y"],
    )
    path = tmp_path / "split.tflite"
    path.write_bytes(convert(ir.from_proto(proto)))
    summary = inspect(path)
    assert summary.ops["AVERAGE_POOL_2D"] == 1
    assert summary.delegated_ops == sum(summary.ops.values()) - 1
