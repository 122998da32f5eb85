"""To ONNX, from the network or from a user's own MODNet in ONNX: with a static shape, at a pinned opset, checked."""

from __future__ import annotations

import ast
import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxsim
import torch
from onnx import TensorProto, helper, version_converter

from converters.errors import ExportError
from modnet_export.model.network import ContractNetwork, MODNet
from modnet_export.model.onnx_ports import is_contract_model, model_ports, read_onnx
from modnet_export.record.contract import INPUT_NAME, OPSET, OUTPUT_NAME, Size


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter: it announces missing packages and its own progress, and a user can act on none of it."""
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.getLogger("torch.onnx").setLevel(level)


def _name_after_layers(model: onnx.ModelProto) -> None:
    """Put the module's path before each node's name, so that an error or a difference names its layer."""
    for node in model.graph.node:
        scopes = next((item.value for item in node.metadata_props if item.key == "pkg.torch.onnx.name_scopes"), "[]")
        path = [scope for scope in ast.literal_eval(scopes) if scope][:-1]
        if path:
            node.name = f"{path[-1].removeprefix('modnet.')}/{node.name}"


def _finished(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model simplified and checked; what depends on where it was made (paths in stack traces) is removed."""
    simplified: onnx.ModelProto
    simplified, same = onnxsim.simplify(model)
    if not same:
        raise ExportError(
            "onnxsim changed the model's output",
            expected="the same output after simplifying",
            next_step="report this with your model and versions",
        )
    graph = simplified.graph
    for holder in (*graph.node, graph, *graph.value_info, *graph.input, *graph.output, simplified):
        del holder.metadata_props[:]
    simplified.producer_name, simplified.producer_version, simplified.doc_string = "modnet-export", "", ""
    onnx.checker.check_model(simplified, full_check=True)
    return simplified


def from_network(modnet: MODNet, size: Size) -> onnx.ModelProto:
    """MODNet behind the artefact contract: ``image`` 1 x 3 x H x W in [0, 1] to ``matte`` 1 x 1 x H x W."""
    example = torch.zeros(1, 3, size.height, size.width)
    with _quiet():
        program = torch.onnx.export(
            ContractNetwork(modnet).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _name_after_layers(model)
    return _finished(model)


def from_onnx(path: Path, size: Size) -> onnx.ModelProto:
    """A user's own MODNet behind the artefact contract, at a static size.

    A model whose ports are called ``image`` and ``matte`` is taken as one of this tool's own: it takes RGB in [0, 1].
    Any other one is taken as released: it takes RGB in [-1, 1], and its matte is the output called ``matte`` or
    ``output``, otherwise the last one. Raises ExportError for a model that is neither, or does not run at ``size``.
    """
    model = read_onnx(path)
    if model.opset_import[0].version < OPSET:
        try:
            model = version_converter.convert_version(model, OPSET)
        except Exception as error:
            raise ExportError(
                f"cannot bring {path.name} from opset {model.opset_import[0].version} to {OPSET}: "
                f"{str(error).splitlines()[0][:200]}",
                where=path,
                expected=f"a model of opset {OPSET}, or one that ONNX can bring there",
                next_step=f"export the model again with opset_version={OPSET}",
            ) from error
    ours = is_contract_model(model)
    image, matte = model_ports(model, path)
    del model.graph.output[:]
    model.graph.output.append(matte)
    try:
        model, _ = onnxsim.simplify(model, overwrite_input_shapes={image.name: [1, 3, size.height, size.width]})
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:
        raise ExportError(
            f"{path.name} does not run at {size}: {str(error).splitlines()[0][:200]}",
            where=path,
            expected="a model with dynamic height and width, or exported at this size",
            next_step="pass the size that it was exported at: `size=HxW`",
        ) from error
    wanted = [1, 1, size.height, size.width]
    found = [dim.dim_value for dim in inferred.graph.output[0].type.tensor_type.shape.dim]
    if found != wanted:
        raise ExportError(
            f"{path.name} gives {found} from a {size} image",
            where=path,
            expected=f"a matte of shape {wanted}",
            next_step="pass MODNet's own ONNX, or the size that it was exported at: `size=HxW`",
        )
    return _finished(inferred if ours else _with_contract(inferred))


def _with_contract(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = model.graph
    old_input, old_output = graph.input[0].name, graph.output[0].name
    taken = {name for node in graph.node for name in (*node.input, *node.output)} - {old_input, old_output}
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name in (INPUT_NAME, OUTPUT_NAME) and name in taken:
                    names[index] = f"{name}_inside"
                elif name == old_input:
                    names[index] = "image_normalised"
                elif name == old_output:
                    names[index] = OUTPUT_NAME
    graph.input[0].name, graph.output[0].name = INPUT_NAME, OUTPUT_NAME
    for name, value in (("contract/half", 0.5), ("contract/two", 2.0)):
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
    # (image - 0.5) * 2 is [0, 1] to [-1, 1]; in this order the scale folds into the convolutions.
    graph.node.insert(0, helper.make_node("Sub", [INPUT_NAME, "contract/half"], ["contract/centred"], "contract/Sub"))
    graph.node.insert(
        1, helper.make_node("Mul", ["contract/centred", "contract/two"], ["image_normalised"], "contract/Mul")
    )
    return model
