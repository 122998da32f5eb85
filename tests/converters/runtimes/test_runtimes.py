from __future__ import annotations

import sys
import types

import numpy as np
import onnx
import pytest

from converters.diagnose.inspection import inspect
from converters.errors import ExportError
from converters.runtimes import open_runtime
from tests.graphs import model, node

ARTEFACTS = ["modnet_fp32.onnx", "modnet_opt_fp32.onnx", "modnet_fp32.tflite", "modnet_fp16.tflite"]


@pytest.mark.parametrize("name", ARTEFACTS)
@pytest.mark.parametrize("threads", [None, 1, 2])
def test_every_engine_takes_and_gives_the_same_layout(dist, name, threads):
    runtime = open_runtime(dist / name, threads=threads)
    assert runtime.size == (96, 128)
    matte = runtime.run(np.full((1, 96, 128, 3), 0.5, np.float32))
    assert (matte.shape, matte.dtype) == ((1, 96, 128, 1), np.float32)
    assert ("LiteRT" if name.endswith("tflite") else "ONNX Runtime") in runtime.engine


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize(
    "content", [None, b"", b"not a model", b"\x00" * 4000], ids=["missing", "empty", "text", "zeros"]
)
def test_broken_file_is_one_clear_error(tmp_path, suffix, content):
    path = tmp_path / f"model{suffix}"
    if content is not None:
        path.write_bytes(content)
    for read in (open_runtime, inspect):
        with pytest.raises(ExportError) as error:
            read(path)
        assert path.name in str(error.value)


def test_truncated_flatbuffer_is_one_clear_error(tmp_path, dist):
    path = tmp_path / "model.tflite"
    path.write_bytes((dist / "modnet_fp32.tflite").read_bytes()[:1_000_000])
    with pytest.raises(ExportError, match=r"model\.tflite"):
        open_runtime(path)


def test_unknown_suffix_names_what_runs(tmp_path):
    with pytest.raises(ExportError, match=r"\.onnx or \.tflite"):
        open_runtime(tmp_path / "model.pb")


@pytest.mark.parametrize("shape", [[1, 4, 8, 8], [1, 3, "h", 8], [3, 8]], ids=str)
def test_model_of_another_shape_is_refused_with_its_ports(tmp_path, shape):
    proto = model([node("Relu", "x", "y")], inputs={"x": shape}, outputs=["y"])
    onnx.save(proto, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match=r"has the (in|out)puts"):
        open_runtime(tmp_path / "other.onnx")


def test_tflite_runtime_stands_in_where_litert_is_missing(dist, monkeypatch):
    from ai_edge_litert.interpreter import Interpreter

    package = types.ModuleType("tflite_runtime")
    module = types.ModuleType("tflite_runtime.interpreter")
    module.Interpreter = Interpreter
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", package)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    monkeypatch.setattr("importlib.metadata.version", lambda name: {"tflite-runtime": "2.14.0"}[name])
    assert open_runtime(dist / "modnet_fp32.tflite").engine == "tflite_runtime 2.14.0"


def test_no_litert_at_all_says_what_to_install(dist, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(ExportError, match="pip install ai-edge-litert"):
        open_runtime(dist / "modnet_fp32.tflite")


class TestInspect:
    def test_formats_agree_on_the_convolutions_work(self, dist):
        onnx_summary, tflite_summary = (inspect(dist / name) for name in ("modnet_opt_fp32.onnx", "modnet_fp32.tflite"))
        assert onnx_summary.macs == tflite_summary.macs
        assert onnx_summary.ops["Conv"] == tflite_summary.ops["CONV_2D"] + tflite_summary.ops["DEPTHWISE_CONV_2D"]

    def test_counts_modnets_parameters_and_macs(self, dist):
        summary = inspect(dist / "modnet_fp32.onnx")
        # shared/facts.md: 6.487 M parameters with the BatchNorms, 15.5 GMAC at 512 x 512.
        assert summary.parameters == pytest.approx(6.47e6, rel=0.01)
        assert summary.macs == pytest.approx(15.5e9 * (96 * 128) / 512**2, rel=0.01)

    def test_counts_weight_types(self, dist):
        summary = inspect(dist / "modnet_fp16.tflite")
        assert summary.weight_types["float16"] > 0.95 * summary.parameters

    def test_dynamic_shapes_leave_the_macs_unknown(self, tmp_path):
        proto = model(
            [node("Conv", "x w", "y")],
            inputs={"x": [1, 3, "h", "w"]},
            outputs=["y"],
            constants={"w": np.ones((4, 3, 1, 1), np.float32)},
        )
        onnx.save(proto, tmp_path / "dynamic.onnx")
        assert inspect(tmp_path / "dynamic.onnx").macs is None

    def test_counts_undelegated_ops(self, tmp_path):
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
