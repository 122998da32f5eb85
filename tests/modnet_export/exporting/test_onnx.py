from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from converters.errors import ExportError
from modnet_export.exporting.onnx import finished, from_onnx
from modnet_export.exporting.traced import traced
from modnet_export.model import checkpoint, network
from modnet_export.model.network import MODNet
from modnet_export.model.reference import TorchReference, open_reference
from modnet_export.record.contract import Size
from tests.graphs import matte_of, model, node

SIZE = Size(height=96, width=128)


def image(seed=0):
    return np.random.default_rng(seed).random((1, 96, 128, 3), np.float32)


def source_of(path):
    return checkpoint.resolve(str(path))


def test_export_follows_the_contract(small_onnx):
    assert small_onnx.opset_import[0].version == 18
    (image_port,), (matte_port,) = small_onnx.graph.input, small_onnx.graph.output
    shapes = [[dim.dim_value for dim in port.type.tensor_type.shape.dim] for port in (image_port, matte_port)]
    assert (image_port.name, matte_port.name) == ("image", "matte")
    assert shapes == [[1, 3, 96, 128], [1, 1, 96, 128]]


def test_export_equals_torch(small_onnx, demo_source):
    reference = TorchReference(demo_source)
    np.testing.assert_allclose(matte_of(small_onnx, image()), reference.run(image()), atol=1e-4)


def test_export_says_nothing_about_the_machine_it_was_made_on(small_onnx):
    data = small_onnx.SerializeToString()
    for trace in (b"/work", b"site-packages", b".py", b"stack_trace"):
        assert trace not in data


def test_export_gives_the_same_bytes_again(small_onnx, modnet):
    again = finished(traced(modnet, SIZE))
    assert again.SerializeToString(deterministic=True) == small_onnx.SerializeToString(deterministic=True)


def written_out(graph):
    """Every node with all its attributes; a tensor is its producer's place, and a constant its values."""
    places = {item.name: (-1, index) for index, item in enumerate(graph.input)}
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    values = {name: (array.shape, array.dtype, array.tobytes()) for name, array in arrays.items()}
    found = []
    for place, item in enumerate(graph.node):
        attributes = {
            name: helper.get_attribute_value(attribute.default_value)
            for name, attribute in onnx.defs.get_schema(item.op_type, 18).attributes.items()
            if attribute.default_value.name
        } | {attribute.name: helper.get_attribute_value(attribute) for attribute in item.attribute}
        attributes.pop("nearest_mode", None)  # every resize here is linear
        inputs = [values.get(name, places.get(name)) for name in item.input]
        found.append((item.op_type, inputs, attributes))
        places |= {name: (place, index) for index, name in enumerate(item.output)}
    return [*found, [places[item.name] for item in graph.output]]


@pytest.fixture(params=["released", "pruned"])
def some_modnet(request, modnet, monkeypatch):
    if request.param == "released":
        return modnet
    monkeypatch.setattr(network, "HR_CHANNELS", 24)
    pruned = MODNet().eval()
    norm = pruned.hr_branch.conv_hr4x[0].layers[1]
    norm.split = [norm.split[0] - 4, norm.split[1] + 4]
    norm.bnorm, norm.inorm = torch.nn.BatchNorm2d(norm.split[0]).eval(), torch.nn.InstanceNorm2d(norm.split[1])
    for tensor in pruned.state_dict().values():  # a norm that has learnt nothing adds zero, which PyTorch leaves out
        if tensor.is_floating_point():
            torch.nn.init.uniform_(tensor, 0.5, 1)
    return pruned


@pytest.mark.long
def test_the_graph_is_the_one_that_pytorchs_own_exporter_gives(some_modnet):
    image_nchw = torch.zeros(1, 3, SIZE.height, SIZE.width)
    program = torch.onnx.export(
        network.ContractNetwork(some_modnet).eval(),
        (image_nchw,),
        dynamo=True,
        opset_version=18,
        input_names=["image"],
        output_names=["matte"],
        verbose=False,
    )
    ours, theirs = finished(traced(some_modnet, SIZE)), finished(program.model_proto)
    assert written_out(ours.graph) == written_out(theirs.graph)
    assert (ours.opset_import, ours.ir_version) == (theirs.opset_import, theirs.ir_version)


def test_nodes_are_named_after_their_layer(small_onnx):
    names = [item.name for item in small_onnx.graph.node if item.op_type == "Conv"]
    assert any(name.startswith("hr_branch.conv_hr4x.0.layers.0/") for name in names)
    assert len(set(names)) == len(names)


class ReleasedNames(torch.nn.Module):
    """As the released export: named ``input`` and ``output``, RGB in [-1, 1]."""

    def __init__(self, modnet: MODNet, training: bool) -> None:
        super().__init__()
        self.modnet, self.with_training = modnet, training

    def forward(self, x):
        return tuple(self.modnet.training_outputs(x)) if self.with_training else self.modnet(x)


@pytest.fixture(scope="module", params=["dynamic", "static", "three_outputs"])
def users_onnx(request, modnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("user") / "modnet.onnx"
    training = request.param == "three_outputs"
    dims = (
        ({2: torch.export.Dim("h", min=2, max=32) * 32, 3: torch.export.Dim("w", min=2, max=32) * 32},)
        if request.param == "dynamic"
        else None
    )
    torch.onnx.export(
        ReleasedNames(modnet, training).eval(),
        (torch.rand(1, 3, 96, 128),),
        str(path),
        dynamo=True,
        opset_version=18,
        input_names=["input"],
        output_names=["semantic", "detail", "output"] if training else ["output"],
        dynamic_shapes=dims,
        verbose=False,
        external_data=False,
    )
    return path


@pytest.mark.slow
def test_users_own_modnet_is_brought_to_the_contract(users_onnx, demo_source):
    source = checkpoint.resolve(str(users_onnx))
    assert source.kind == "onnx"
    found = from_onnx(source, SIZE)
    expected = TorchReference(demo_source).run(image())
    np.testing.assert_allclose(matte_of(found, image()), expected, atol=1e-4)
    np.testing.assert_allclose(open_reference(source).run(image()), expected, atol=1e-4)


def test_own_artefact_is_taken_as_it_is(dist, demo_source):
    found = from_onnx(source_of(dist / "modnet_fp32.onnx"), SIZE)
    np.testing.assert_allclose(matte_of(found, image()), TorchReference(demo_source).run(image()), atol=1e-4)


def test_older_opset_is_converted(tmp_path):
    """Opset 11 as the released .onnx has it: axes of ReduceMean as an attribute."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["input"], ["grey"], axes=[1], keepdims=1),
            helper.make_node("Sigmoid", ["grey"], ["output"]),
        ],
        "old",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, ["n", 1, "h", "w"])],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), tmp_path / "old.onnx"
    )
    found = from_onnx(source_of(tmp_path / "old.onnx"), SIZE)
    expected = 1 / (1 + np.exp(-(image() * 2 - 1).mean(axis=3, keepdims=True)))
    np.testing.assert_allclose(matte_of(found, image()), expected, atol=1e-5)


@pytest.mark.parametrize("size", [SIZE, Size(height=64, width=64)], ids=str)
def test_inner_values_named_like_the_contracts_do_not_collide(tmp_path, size):
    proto = model(
        [node("Relu", "x", "image"), node("ReduceMean", "image axes", "matte"), node("Sigmoid", "matte", "y")],
        inputs={"x": [1, 3, "h", "w"]},
        outputs=["y"],
        constants={"axes": np.array([1])},
    )
    onnx.save(proto, tmp_path / "names.onnx")
    found = from_onnx(source_of(tmp_path / "names.onnx"), size)
    assert [found.graph.input[0].name, found.graph.output[0].name] == ["image", "matte"]


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (model([node("Relu", "x", "y")], inputs={"x": [1, 3, 96, 128]}, outputs=["y"]), "expected: a matte of shape"),
        (model([node("Relu", "x", "y")], inputs={"x": [2, 5]}, outputs=["y"]), "one float32 input"),
        (
            model([node("Add", "a b", "y")], inputs={"a": [1, 3, 96, 128], "b": [1, 3, 96, 128]}, outputs=["y"]),
            "takes a (float",
        ),
        (None, "as ONNX"),
    ],
    ids=["three_channels", "rank_2", "two_inputs", "garbage"],
)
def test_another_onnx_model_is_refused(tmp_path, proto, message):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"garbage" if proto is None else proto.SerializeToString())
    with pytest.raises(ExportError) as error:
        from_onnx(source_of(path), SIZE)
    assert message in str(error.value)


def test_size_of_a_static_model_cannot_be_changed(dist):
    with pytest.raises(ExportError, match=r"takes images of 96x128 only[^$]*`size=96x128`"):
        from_onnx(source_of(dist / "modnet_fp32.onnx"), Size(height=64, width=64))


def test_a_users_onnx_is_read_without_pytorch():
    """It takes more than a second to load, beside the process that needs it for the reference."""
    code = (
        "import sys, modnet_export.exporting.run, modnet_export.exporting.onnx as onnx\n"
        "from modnet_export.model.checkpoint import layers\n"
        "layers()\n"
        "assert 'torch' not in sys.modules, 'PyTorch was loaded'\n"
        "import torch\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
