"""Where the time goes on this machine, op by op.

ONNX Runtime has a profiler. LiteRT's Python package has none: each op becomes a model of its own and is timed alone,
with XNNPACK as in the whole model. What XNNPACK gains by fusing ops or by keeping values in a cache is left out.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from benchmarks.results import OpTime
from converters.runtimes import Image
from modnet_export.record.files import scratch_folder

_REPEATS = 5


def _shares(taken: list[tuple[str, str, float]]) -> tuple[OpTime, ...]:
    whole = sum(value for _, _, value in taken) or 1.0
    return tuple(OpTime(op, name, value, value / whole) for op, name, value in taken)


def profile(model: Path, image_nhwc: Image, threads: int) -> tuple[OpTime, ...]:
    """The ops of an .onnx or .tflite model in their order; raises ExportError for a model that does not load."""
    return _onnx(model, image_nhwc, threads) if model.suffix.lower() == ".onnx" else _tflite(model, threads)


def _onnx(model: Path, image_nhwc: Image, threads: int) -> tuple[OpTime, ...]:
    import onnxruntime

    with scratch_folder() as folder:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.enable_profiling, options.profile_file_prefix = True, str(folder / "ort")
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2))}
        for _ in range(_REPEATS + 1):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    found: dict[str, tuple[str, list[float]]] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            found.setdefault(name, (event["args"]["op_name"], []))[1].append(event["dur"] / 1e3)
    return _shares([(op, name, fmean(times[1:])) for name, (op, times) in found.items()])  # without the first


def _tflite(model: Path, threads: int) -> tuple[OpTime, ...]:
    from converters.tflite import builder as fb

    whole = fb.read(model.read_bytes())
    (graph,) = whole.subgraphs
    known: dict[bytes, float] = {}
    taken: list[tuple[str, str, float]] = []
    for op in graph.operators:
        if fb.reads_only_constants(whole, graph, op):
            continue
        alone = _alone(whole, graph, op)
        # Ops that differ in their constants alone take equally long.
        shape = repr((fb.builtin(whole, op), _options(op), [_signature(graph.tensors[i]) for i in op.inputs if i >= 0]))
        key = shape.encode()
        if key not in known:
            known[key] = _timed(alone, threads)
        name = graph.tensors[op.outputs[0]].name.decode(errors="replace")
        taken.append((fb.op_name(whole, op), name, known[key]))
    return _shares(taken)


def _options(op: Any) -> list[tuple[str, Any]]:
    return sorted(vars(op.builtinOptions).items()) if op.builtinOptions is not None else []


def _signature(tensor: Any) -> tuple[Any, ...]:
    return (tensor.type, tuple(map(int, tensor.shape if tensor.shape is not None else ())))


def _alone(whole: Any, graph: Any, op: Any) -> bytes:
    """A model of one op; a constant that is unpacked first (fp16, int8 weights) brings its DEQUANTIZE along."""
    from converters.tflite import builder as fb

    makers = {item.outputs[0]: item for item in graph.operators if fb.reads_only_constants(whole, graph, item)}
    return fb.cut(whole, [*(makers[index] for index in op.inputs if index in makers), op])


def _timed(model: bytes, threads: int) -> float:
    """Median milliseconds of a model on ordinary numbers."""
    from converters.tflite.interpreter import interpreter

    loaded, _ = interpreter(model, threads)
    rng = np.random.default_rng(0)
    for port in loaded.get_input_details():
        values = rng.uniform(0, 1, port["shape"]).astype(np.float32)
        dtype = np.dtype(port["dtype"])
        loaded.set_tensor(port["index"], values if dtype == np.float32 else (values * 100).astype(dtype))
    times: list[float] = []
    for _ in range(_REPEATS + 1):
        start = time.perf_counter()
        loaded.invoke()
        times.append((time.perf_counter() - start) * 1e3)
    return median(times[1:])
