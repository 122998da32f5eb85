from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

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


@pytest.mark.parametrize("arithmetic", ["float", "dynamic"])
def test_a_weight_of_4_bits_counts_as_one_parameter(tmp_path, monkeypatch, arithmetic):
    from converters.tflite import weights
    from tests.converters.tflite.networks import small_network, tflite

    data = tflite(small_network(np.random.default_rng(0)))
    monkeypatch.setattr(weights, "_SMALL", 0)
    small = weights.int8_weights(data, {}, arithmetic, bits=4, keep_small=False)
    summaries = []
    for name, content in (("fp32", data), ("int4", small)):
        (tmp_path / f"{name}.tflite").write_bytes(content)
        summaries.append(inspect(tmp_path / f"{name}.tflite"))
    int4 = summaries[1]
    assert int4.weight_types["int4"] > 0.5 * int4.parameters
    floats = [sum(count for kind, count in item.weight_types.items() if kind != "int32") for item in summaries]
    assert floats[0] == floats[1]


def test_a_file_that_shapes_cannot_be_inferred_of_is_shown_without_a_traceback(tmp_path, capsys):
    """A convolution of opset 9 with three channels too many."""
    proto = model(
        [node("Conv", "x w", "y")], inputs={"x": [1, 3, 8, 8]}, outputs=["y"], constants={"w": np.ones((4, 3, 1, 1))}
    )
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 6, 1, 1), np.float32), "w"))
    onnx.save(proto, tmp_path / "wrong.onnx")
    code = f"from modnet_export.cli import main; main(['inspect', {str(tmp_path / 'wrong.onnx')!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr


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
