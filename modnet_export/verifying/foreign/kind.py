"""What somebody else's file is, by its contents: the recipe whose tolerance it is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from converters.diagnose.inspection import Summary, inspect
from converters.runtimes.raw import RawModel
from modnet_export.record.choices import Format, Precision
from modnet_export.record.recipes import Recipe, recipe

FORMATS: Mapping[str, Format] = {".onnx": "onnx", ".tflite": "tflite", ".mlpackage": "coreml"}
# The least share of the parameters that a type has to have to name a file's precision: shapes and small constants have
# other types.
_SHARE = 0.5


def row(path: Path, raw: RawModel, name: str) -> Recipe:
    """The recipe of this format and precision, under the file's name and without a parent.

    Raises ExportError for a file that cannot be read.
    """
    kind = FORMATS[path.suffix.lower()]
    found = _precision(path, kind)
    # There is no recipe for an ONNX model of 16 bits; it is held to what any such weights are.
    like = recipe("tflite" if (kind, found) == ("onnx", "fp16") else kind, found)
    eight_bit = any(port.bounds is not None and port.dtype in ("uint8", "int8", "image") for port in raw.outputs)
    return replace(
        like,
        file=name,
        format=kind,
        stage="somebody else's conversion",
        parent=None,
        tolerance=like.limits(images=eight_bit),
        eight_bit=False,
    )


def _precision(path: Path, format: Format) -> Precision:
    summary = inspect(path)
    if format == "tflite":
        return _of_tflite(path, summary)
    if format == "onnx":
        integers = _most(summary, "int8", "uint8") or "MatMulInteger" in summary.ops or "ConvInteger" in summary.ops
        return "int8" if integers else "fp16" if _most(summary, "float16", "bfloat16") else "fp32"
    if "quantize" in summary.ops or (_most(summary, "int8", "uint8") and not _has_palettes(path)):
        return "int8"
    if _most(summary, "uint8"):
        return "palettized8"
    if _most(summary, *(f"uint{bits}" for bits in (5, 6, 7))):
        return "palettized6"
    if _most(summary, *(f"{kind}{bits}" for kind in ("uint", "int") for bits in (1, 2, 3, 4))):
        return "palettized4"
    return "fp16" if _computes_in_fp16(path) else "fp32"


def _most(summary: Summary, *types: str) -> bool:
    return sum(summary.weight_types.get(name, 0) for name in types) > _SHARE * summary.parameters


def _of_tflite(path: Path, summary: Summary) -> Precision:
    from converters.tflite import builder as fb

    model = fb.read(path.read_bytes())
    (graph,) = model.subgraphs
    integers = (fb.TensorType.INT8, fb.TensorType.UINT8, fb.TensorType.INT16)
    convolutions = [op for op in graph.operators if "CONV" in fb.op_name(model, op) or "FULLY" in fb.op_name(model, op)]
    in_integers = [graph.tensors[op.outputs[0]].type in integers for op in convolutions]
    if any(graph.tensors[op.outputs[0]].type == fb.TensorType.INT16 for op in convolutions):
        return "int16x8"
    if any(in_integers):
        return "int8" if all(in_integers) else "int8-mixed"
    if _most(summary, "int4"):
        return "int4-weights"
    if _most(summary, "int8", "uint8"):
        weights: list[Any] = [graph.tensors[op.inputs[1]] for op in convolutions]
        return "int8-dynamic" if any(item.type in integers for item in weights) else "int8-weights"
    return "fp16" if _most(summary, "float16") else "fp32"


def _has_palettes(path: Path) -> bool:
    from converters.coreml.package import Package

    return any(item.type == "constexpr_lut_to_dense" for item in Package(path).operations)


def _computes_in_fp16(path: Path) -> bool:
    from converters.coreml.package import Package
    from converters.runtimes.in_float import has_fp16

    return has_fp16(Package(path))
