"""Run a model as lowered: the flatbuffer in LiteRT, or the saved Core ML package in the evaluator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir


def to_lowered(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if array.ndim == 4 else array


def from_lowered(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def interpreter(data: bytes):
    from ai_edge_litert.interpreter import Interpreter

    loaded = Interpreter(model_content=data, num_threads=1)
    loaded.allocate_tensors()
    return loaded


def to_tflite(proto: onnx.ModelProto, *, tensorflow: bool = False, for_gpu: bool = False) -> bytes:
    """By our own lowerings, or by the second converter."""
    graph = ir.from_proto(proto)
    if tensorflow:
        from converters.tflite.tensorflow.convert import convert as through_tensorflow

        return through_tensorflow(graph)
    from converters.tflite.convert import convert

    return convert(graph, for_gpu=for_gpu)


def run_in_litert(
    proto: onnx.ModelProto, inputs: Mapping[str, np.ndarray], data: bytes | None = None
) -> list[np.ndarray]:
    """``data``: the flatbuffer, where there is one already."""
    runner = interpreter(to_tflite(proto) if data is None else data).get_signature_runner()
    found = runner(**{name: to_lowered(array) for name, array in inputs.items()})
    return [from_lowered(found[value.name]) for value in proto.graph.output]


def evaluate_coreml(proto: onnx.ModelProto, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    import tempfile
    from pathlib import Path

    import torch

    from converters.coreml.convert import build_program
    from converters.coreml.interpreter import Evaluator
    from converters.coreml.package import Metadata, Package, save
    from converters.coreml.quiet import ct, quiet

    program = build_program(ir.from_proto(proto), "iOS16", "multiarray", half=False)
    with quiet(), tempfile.TemporaryDirectory() as folder:
        converted = ct.convert(
            program,
            source="milinternal",
            convert_to="mlprogram",
            minimum_deployment_target=ct.target.iOS16,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        )
        package = Path(folder) / "test.mlpackage"
        save(converted, package, Metadata("", "", "", "", {}))
        evaluator = Evaluator(Package(package))
    found = evaluator.run({name: torch.from_numpy(array.copy()) for name, array in inputs.items()})
    return [found[value.name].numpy() for value in proto.graph.output]
