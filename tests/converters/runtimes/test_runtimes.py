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


def test_reading_a_file_without_litert_says_what_to_install(dist, monkeypatch):
    """tflite_runtime brings no schema."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    for name in [name for name in sys.modules if name.startswith("converters.tflite.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("converters.tflite.builder")
    with pytest.raises(ExportError, match="pip install ai-edge-litert"):
        inspect(dist / "modnet_fp32.tflite")


@pytest.mark.parametrize(("delegate", "oldest"), [("gpu", "2.1"), ("cpu-fp16", "2.3")])
def test_a_litert_without_compiled_models_says_what_to_install(tmp_path, monkeypatch, delegate, oldest):
    (tmp_path / "model.tflite").write_bytes(b"not read")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.compiled_model", None)
    with pytest.raises(ExportError, match=f"is not installed(?s:.*)ai-edge-litert, {oldest}"):
        open_runtime(tmp_path / "model.tflite", delegate=delegate)
