"""Seeded defects: every one is caught, at the stage that made it, and located at the op that has it."""

from __future__ import annotations

import re
import shutil
import struct
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from converters.coreml.package import Package
from modnet_export import ExportRequest, Size, VerifyRequest, verify
from modnet_export.exporting.chain import Chain
from modnet_export.images.inputs import builtin
from modnet_export.model.reference import open_reference
from modnet_export.record import files, manifest
from modnet_export.record.contract import Contract
from modnet_export.record.manifest import Artefact, Manifest, SourceRecord
from tests.modnet_export.verifying import made

SIZE = Size(height=96, width=128)


def named(model, op_type, *, part="", at=0):
    return [node for node in model.graph.node if node.op_type == op_type and part in node.name][at]


def weight_of(model, node, position=1):
    return next(item for item in model.graph.initializer if item.name == node.input[position])


def replace_array(tensor, array):
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


def set_attribute(node, name, value):
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def insert_before(model, reader, tensor, nodes, constants):
    """Nodes between ``tensor`` and ``reader``; the last one's output takes its place there."""
    position = list(model.graph.node).index(reader)
    for index, name in enumerate(reader.input):
        if name == tensor:
            reader.input[index] = nodes[-1].output[0]
    for offset, node in enumerate(nodes):
        model.graph.node.insert(position + offset, node)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())


def normalisation(model):
    """The two nodes that bring the image to [-1, 1], and what reads their result."""
    first = next(node for node in model.graph.node if "image" in node.input)
    second = next(node for node in model.graph.node if first.output[0] in node.input)
    return first, second


def swapped_rgb(model):
    first, _ = normalisation(model)
    order = {"bgr": np.array([2, 1, 0], np.int64)}
    insert_before(
        model, first, "image", [helper.make_node("Gather", ["image", "bgr"], ["swapped"], "swap", axis=1)], order
    )
    return {"swap", first.name}


def normalisation_missing(model):
    first, second = normalisation(model)
    for node in model.graph.node:
        node.input[:] = ["image" if name == second.output[0] else name for name in node.input]
    model.graph.node.remove(first)
    model.graph.node.remove(second)
    return {node.name for node in model.graph.node if "image" in node.input} | {first.name, second.name}


def normalisation_twice(model):
    first, second = normalisation(model)
    again = [
        helper.make_node("Sub", [second.output[0], "half"], ["shifted"], "again_sub"),
        helper.make_node("Mul", ["shifted", "two"], ["twice"], "again_mul"),
    ]
    position = list(model.graph.node).index(second) + 1
    for node in model.graph.node:
        node.input[:] = ["twice" if name == second.output[0] else name for name in node.input]
    for offset, node in enumerate(again):
        model.graph.node.insert(position + offset, node)
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.float32(0.5), "half"), numpy_helper.from_array(np.float32(2), "two")]
    )
    return {"again_sub", "again_mul", first.name, second.name}


def align_corners(model):
    node = named(model, "Resize", at=3)
    set_attribute(node, "coordinate_transformation_mode", "align_corners")
    return {node.name}


def batch_norm_left_out(model):
    node = named(model, "BatchNormalization", at=6)
    for position, value in ((1, 1.0), (2, 0.0), (3, 0.0), (4, 1.0)):
        tensor = weight_of(model, node, position)
        replace_array(tensor, np.full(tensor.dims, value, np.float32))
    return {node.name}


def transposed_weights(model):
    node = next(
        item
        for item in model.graph.node
        if item.op_type == "Conv" and list(weight_of(model, item).dims)[-2:] == [3, 3] and "hr_branch" in item.name
    )
    tensor = weight_of(model, node)
    replace_array(tensor, numpy_helper.to_array(tensor).swapaxes(2, 3))
    return {node.name}


def off_by_one_padding(model):
    node = next(
        item
        for item in model.graph.node
        if item.op_type == "Conv" and [2, 2, 2, 2] in [list(a.ints) for a in item.attribute if a.name == "pads"]
    )
    set_attribute(node, "pads", [1, 1, 3, 3])
    return {node.name}


def matte_shifted(model):
    """One pixel to the right, the first column repeated."""
    last = next(node for node in model.graph.node if "matte" in node.output)
    last.output[0] = "unshifted"
    columns = np.maximum(np.arange(SIZE.width) - 1, 0)
    model.graph.initializer.append(numpy_helper.from_array(columns, "columns"))
    model.graph.node.append(helper.make_node("Gather", ["unshifted", "columns"], ["matte"], "shift", axis=3))
    return {"shift", last.name}


MUTATIONS = {
    function.__name__: function
    for function in (
        swapped_rgb,
        normalisation_missing,
        normalisation_twice,
        align_corners,
        batch_norm_left_out,
        transposed_weights,
        off_by_one_padding,
        matte_shifted,
    )
}
# Which artefacts are made from the spoiled graph, and what the harness must then name.
STAGES = {
    "ONNX export": ("modnet_fp32.onnx", "modnet_opt_fp32.onnx", "modnet_fp32.tflite"),
    "graph passes": ("modnet_opt_fp32.onnx", "modnet_fp32.tflite"),
    "TFLite lowering": ("modnet_fp32.tflite",),
    "Core ML lowering": ("modnet_fp32.mlpackage",),
}


def without_gather(model):
    """Gather of a constant order of channels or columns as Slice and Concat, which every target has."""
    for node in [item for item in model.graph.node if item.op_type == "Gather"]:
        axis = next(item.i for item in node.attribute if item.name == "axis")
        order = numpy_helper.to_array(next(item for item in model.graph.initializer if item.name == node.input[1]))
        position = list(model.graph.node).index(node)
        runs = [[0, 1], [0, len(order) - 1]] if axis == 3 else [[int(channel), int(channel) + 1] for channel in order]
        pieces = []
        for index, (start, stop) in enumerate(runs):
            names = [f"{node.name}_{index}_{part}" for part in ("start", "stop", "axes")]
            model.graph.initializer.extend(
                numpy_helper.from_array(np.array([value], np.int64), name)
                for name, value in zip(names, (start, stop, axis), strict=True)
            )
            pieces.append(f"{node.name}_{index}")
            piece = helper.make_node("Slice", [node.input[0], *names], [pieces[-1]], pieces[-1])
            model.graph.node.insert(position + index, piece)
        joined = helper.make_node("Concat", pieces, list(node.output), node.name, axis=axis)
        model.graph.node.insert(position + len(runs), joined)
        model.graph.node.remove(node)


# Where a defect may be found, in the graph's own names or its parent's.
PLACES = {
    "swapped_rgb": r"swap|\bsub\b|Input image",
    "normalisation_missing": r"\bsub\b|features\.0",
    "normalisation_twice": r"again|features\.0",
    "align_corners": r"interpolate_3",
    "batch_norm_left_out": r"conv_hr4x\.0\.layers\.1",
    "transposed_weights": r"conv_enc2x\.layers",
    # Core ML's graph multiplies after it enlarges, its parent before: there the two are one group.
    "off_by_one_padding": r"conv_lr16x\.layers|conv_\d+ split.*interpolate_1",
    "matte_shifted": r"shift|SLICE Slice|slice_by_index|CONCATENATION matte",
}


def spoiled(model, mutation):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    suspects = MUTATIONS[mutation](copy)
    without_gather(copy)
    copy = onnx.shape_inference.infer_shapes(copy, strict_mode=True, data_prop=True)
    onnx.checker.check_model(copy)
    return copy, suspects


FILES = ("modnet_fp32.onnx", "modnet_opt_fp32.onnx", "modnet_fp32.tflite", "modnet_fp32.mlpackage")


def request_for(formats=("onnx", "tflite", "coreml"), precision="fp32") -> ExportRequest:
    return ExportRequest(size=SIZE, formats=formats, precisions=(precision,), coreml_io="multiarray")


INT8 = request_for(("coreml",), "int8")


def write(model, request: ExportRequest, out: Path) -> None:
    """The artefacts of an ONNX model."""
    chain = Chain(model, "0" * 64, request)
    for plan in request.recipes():
        chain.write(plan, out / plan.file)


def artefacts_in(folder: Path) -> dict[str, Artefact]:
    """The artefacts, as export would describe them."""
    found = {}
    for plan in request_for().recipes() + INT8.recipes():
        path = folder / plan.file
        found[plan.file] = made.artefact(plan, {}, plan.limits()).model_copy(
            update={
                "bytes": files.size_in_bytes(path),
                "sha256": files.sha256(path),
                "contract": Contract.of(plan.format, SIZE),
            }
        )
    return found


def put_manifest(folder: Path, artefacts, source) -> None:
    content = Manifest(
        source=SourceRecord(name=source.name, kind=source.kind, sha256=source.sha256),
        size=SIZE,
        reference="",
        versions={},
        artefacts=tuple(item.model_copy(update={"sha256": files.sha256(folder / item.file)}) for item in artefacts),
    )
    files.write_bytes(folder / manifest.FILE_NAME, manifest.dump(content))


@pytest.fixture(scope="module")
def sound(small_onnx, shared):
    def make(folder: Path) -> None:
        write(small_onnx, request_for(), folder)
        write(small_onnx, INT8, folder)

    folder = shared("sound", make)
    return folder, artefacts_in(folder)


# In every run those that differ most in kind; `make test-slow` has all.
_ALWAYS = ("normalisation_twice", "transposed_weights", "off_by_one_padding", "matte_shifted")


@pytest.fixture(
    scope="module",
    params=[pytest.param(item, marks=() if item in _ALWAYS else pytest.mark.slow) for item in MUTATIONS],
)
def mutated(request, small_onnx, shared):
    def make(folder: Path) -> None:
        write(spoiled(small_onnx, request.param)[0], request_for(), folder)

    return request.param, shared(f"mutated-{request.param}", make)


@pytest.mark.parametrize(
    "stage", [pytest.param(item, marks=pytest.mark.slow if item == "graph passes" else ()) for item in STAGES]
)
def test_defect_is_caught_and_located(mutated, stage, sound, demo_source, tmp_path):
    mutation, bad = mutated
    good, artefacts = sound
    chosen = [name for name in FILES if name.endswith(".onnx") or name in STAGES[stage]]
    for name in chosen:
        (tmp_path / name).symlink_to((bad if name in STAGES[stage] else good) / name)
    put_manifest(tmp_path, [artefacts[name] for name in chosen], demo_source)
    result = verify(VerifyRequest(tmp_path, bisect=True))
    assert not result.passed
    assert [link.artefact for link in result.links if link.verdict == "failed"] == list(STAGES[stage])
    assert result.guilty is not None
    assert result.guilty.stage == stage
    (found,) = result.suspects
    assert found.artefact == STAGES[stage][0]
    assert re.search(PLACES[mutation], f"{found.op} {found.reader} {found.parent_op}"), found


def test_sound_chain_has_no_suspect(sound, demo_source, tmp_path):
    """Compared as if it had failed: nothing leaves its parent."""
    from converters.diagnose import EXACT_DB
    from converters.diagnose.bisect import diverge
    from converters.diagnose.rerun import open_graph
    from converters.diagnose.tracing import trace

    folder, _ = sound
    image_nhwc = builtin()[0].load(SIZE)[0]
    plain, optimised, *derived = FILES
    traces = {name: trace(folder / name, image_nhwc) for name in (plain, optimised)}
    reference = open_reference(demo_source).trace(image_nhwc)
    pairs = [(plain, reference), (optimised, traces[plain]), *((name, traces[optimised]) for name in derived)]
    for graph, parent in pairs:
        found = diverge(open_graph(folder / graph), parent, image_nhwc, EXACT_DB)
        assert found is None or found.kind == "rounding"


def test_wrong_scale_on_one_quantized_tensor_is_caught_and_located(sound, demo_source, tmp_path):
    """One weight's scales three times as large, in the package's weight file."""
    good, artefacts = sound
    chosen = ["modnet_fp32.onnx", "modnet_opt_fp32.onnx", "modnet_fp32.mlpackage", "modnet_int8.mlpackage"]
    for name in chosen:
        if name == "modnet_int8.mlpackage":
            shutil.copytree(good / name, tmp_path / name)
        else:
            (tmp_path / name).symlink_to(good / name)
    package = Package(tmp_path / "modnet_int8.mlpackage")
    weights = [item for item in package.operations if item.type.startswith("constexpr_")]
    chosen_weight = next(item for item in weights if "features_7" in item.outputs[0].name or item is weights[20])
    reader = next(
        item
        for item in package.operations
        if any(b.name == chosen_weight.outputs[0].name for argument in item.inputs.values() for b in argument.arguments)
    )
    offset = chosen_weight.attributes["scale"].blobFileValue.offset
    (blob,) = (tmp_path / "modnet_int8.mlpackage").rglob("weight.bin")
    data = bytearray(blob.read_bytes())
    _, _, size, start = struct.unpack_from("<IIQQ", data, offset)
    scales = np.frombuffer(data, np.float16, size // 2, start) * np.float16(3)
    data[start : start + size] = scales.tobytes()
    blob.write_bytes(data)
    put_manifest(tmp_path, [artefacts[name] for name in chosen], demo_source)
    result = verify(VerifyRequest(tmp_path, bisect=True))
    assert [link.artefact for link in result.links if link.verdict == "failed"] == ["modnet_int8.mlpackage"]
    assert result.guilty is not None
    assert result.guilty.stage == "Core ML weight compression"
    (found,) = result.suspects
    assert found.tensor == reader.outputs[0].name
