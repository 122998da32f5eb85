"""From an ONNX graph to a Core ML package: lower every node to MIL, convert the program, compress its weights, save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from converters.choices import CoreMlPorts, CoreMlPrecision, CoreMlTarget
from converters.coreml import compress
from converters.coreml.ops import COREML
from converters.coreml.package import Metadata, save
from converters.coreml.quiet import ct, mb, mil, quiet, types
from converters.coreml.typed import check_types
from converters.errors import UnsupportedModelError, UnsupportedNode
from converters.onnx.graph import static_shape
from converters.onnx.lowering import check, lower


def stays_fp32(op: Any) -> bool:
    """Whether an op of an fp16 program keeps fp32: the statistics of norms that are written for fp32 sums.

    In fp16 the sum over a map overflows 65504 or swallows its small terms, the square of a value from 256 on
    overflows, and 1 / sqrt(variance + 1e-5) loses its epsilon. So these stay fp32: means, the squares that they are
    taken of, and everything on N x C x 1 x 1 until the factor is applied.
    """
    if op.op_type in ("reduce_mean", "reduce_max", "sqrt", "rsqrt", "inverse"):
        return True
    if op.op_type not in ("add", "sub", "mul", "maximum", "batch_norm"):
        return False
    output = op.outputs[0]
    per_channel = output.rank == 4 and tuple(output.shape[2:]) == (1, 1)
    averaged = bool(output.child_ops) and all(child.op_type == "reduce_mean" for child in output.child_ops)
    return per_channel or averaged


def _check_ranks(model: ir.Model) -> None:
    """Raise UnsupportedModelError unless every tensor has rank 1 to 5, as Core ML's have."""
    problems = [
        UnsupportedNode(
            producer.op_type if (producer := value.producer()) else "input",
            (producer.name if producer else value.name) or "?",
            f"{value.name} has rank {len(static_shape(value) or ())}; supported: 1 to 5",
        )
        for value in [*model.graph.inputs, *(output for node in model.graph for output in node.outputs)]
        if value.name and len(static_shape(value) or ()) not in range(1, 6)
    ]
    if problems:
        raise UnsupportedModelError(COREML.target, problems)


def build_program(model: ir.Model, target: CoreMlTarget, ports: CoreMlPorts, *, half: bool) -> Any:
    """The float32 MIL program of a static-shape model, inputs and outputs under their ONNX names.

    An image comes as 0 to 255, and a matte leaves so as an 8-bit image. ``half``: multi-arrays are fp16. Raises
    UnsupportedModelError with every node that has no lowering.
    """
    check(COREML, model)
    _check_ranks(model)
    program = mil.Program()
    half_input = half and ports == "multiarray"
    placeholders = {
        str(value.name): mb.placeholder(static_shape(value), dtype=types.fp16 if half_input else types.fp32)
        for value in model.graph.inputs
    }
    with quiet(), mil.Function(placeholders, opset_version=getattr(ct.target, target)) as function:
        # The cast meets the one that the conversion to fp16 puts behind it, and both go.
        inputs = {
            name: mb.cast(x=value, dtype="fp32") if half_input else value for name, value in function.inputs.items()
        }
        outputs = lower(COREML, model, inputs, lambda size: np.zeros(size, np.float32))
        if ports == "image":
            # Core ML scales an image on its way in, not on its way out.
            outputs = {name: mb.mul(x=value, y=np.float32(255)) for name, value in outputs.items()}
        function.set_outputs([mb.identity(x=value, name=name) for name, value in outputs.items()])
        if ports != "multiarray":
            layout = ct.colorlayout.GRAYSCALE if ports == "image" else ct.colorlayout.GRAYSCALE_FLOAT16
            function.set_output_types([ct.ImageType(name=name, color_layout=layout) for name in outputs])
        elif half:
            function.set_output_types([ct.TensorType(name=name, dtype=np.float16) for name in outputs])
        program.add_function("main", function)
    return program


def convert(
    model: ir.Model,
    *,
    precision: CoreMlPrecision,
    target: CoreMlTarget,
    ports: CoreMlPorts,
    metadata: Metadata,
    package: Path,
    wide_statistics: bool = True,
) -> None:
    """Write ``package`` (an ``.mlpackage`` folder) for a static-shape model with one image input and one matte output.

    With ``ports="image"`` the input is an 8-bit RGB image, and ``model`` takes it in [0, 255] (see
    ``converters.coreml.tuned.for_ports``); the output is an 8-bit grey image, or with ``image-fp16`` one of fp16 in
    [0, 1]. Multi-arrays are NCHW, fp32 for fp32 and fp16 otherwise. The same model gives the same bytes.

    fp32 is a float32 program; every other precision is an fp16 program, the compressed ones with smaller weights.
    ``wide_statistics``: it keeps the norms' statistics in fp32, as graphs need that are not of the ``ane`` tuning.
    Raises UnsupportedModelError with every node that has no lowering.
    """
    half = precision != "fp32"
    program = build_program(model, target, ports, half=half)
    (image,) = model.graph.inputs
    image_type = ct.ImageType(name=image.name, shape=static_shape(image), color_layout=ct.colorlayout.RGB)
    compute = (
        ct.transform.FP16ComputePrecision(op_selector=lambda op: not (wide_statistics and stays_fp32(op)))
        if half
        else ct.precision.FLOAT32
    )
    with quiet():
        converted = ct.convert(
            program,
            source="milinternal",
            convert_to="mlprogram",
            inputs=None if ports == "multiarray" else [image_type],
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=compute,
            skip_model_load=True,
        )
    if precision != "fp32" and precision != "fp16":  # this form narrows the type
        converted = compress.compress(converted, precision)
    save(converted, package, metadata)
    check_types(package)
