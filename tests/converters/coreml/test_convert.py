from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch

from converters.coreml.convert import convert, stays_fp32
from converters.coreml.interpreter import Evaluator
from converters.coreml.package import Package
from converters.coreml.quiet import MIL_pb2, ct, mb, mil, quiet
from converters.errors import UnsupportedModelError
from converters.onnx.passes.instance_norm import WriteInstanceNorm
from converters.runtimes import open_runtime
from tests.converters.coreml.conftest import META
from tests.graphs import model, node, run


def test_fp32_package_gives_the_reference_matte(packages, photo, expected):
    np.testing.assert_allclose(open_runtime(packages()).run(photo), expected, atol=1e-4)


def test_fp16_package_is_within_its_tolerance(packages, photo, expected):
    assert (
        np.abs(open_runtime(packages("fp16")).run(photo) - expected).mean() <= 6e-3
    )  # at 96x128, where the demo network is unsure


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_image_ports_differ_by_8_bit_rounding_only(packages, photo, precision):
    tensors, images = (open_runtime(packages(precision, ports)).run(photo) for ports in ("multiarray", "image"))
    # Multi-arrays of an fp16 package are fp16 themselves: the image is rounded before the network.
    largest, mean = (1e-4, 1e-4) if precision == "fp32" else (8e-2, 2e-3)
    assert np.abs(tensors - images).max() <= 0.5 / 255 + largest
    assert np.abs(tensors - images).mean() <= 0.25 / 255 + mean
    np.testing.assert_allclose(images * 255, np.rint(images * 255), atol=1e-3)


def test_statistics_of_the_norms_stay_fp32(packages):
    kinds = {}
    for item in Package(packages("fp16")).operations:
        if item.type != "const":
            kind = MIL_pb2.DataType.Name(item.outputs[0].type.tensorType.dataType)
            kinds.setdefault(item.type, set()).add(kind)
    for name in ("reduce_mean", "sqrt", "inverse"):
        assert kinds[name] == {"FLOAT32"}
    assert kinds["conv"] == {"FLOAT16"}


def test_fp16_norm_of_large_activations_needs_its_fp32_statistics(tmp_path):
    """Activations of 300: their squares overflow fp16."""
    proto = model(
        [node("InstanceNormalization", "image gain shift", "n"), node("ReduceMean", "n axes", "matte")],
        inputs={"image": [1, 3, 64, 64]},
        outputs=["matte"],
        constants={"gain": np.ones(3, np.float32), "shift": np.zeros(3, np.float32), "axes": np.array([1])},
    )
    graph = ir.from_proto(proto)
    WriteInstanceNorm("fp32")(graph)
    ir.passes.common.ShapeInferencePass()(graph)
    image = (np.random.default_rng(0).standard_normal((1, 3, 64, 64)) * 300).astype(np.float32)
    (wanted,) = run(proto, {"image": image})
    convert(
        graph, precision="fp16", target="iOS16", ports="multiarray", metadata=META, package=tmp_path / "m.mlpackage"
    )
    found = Evaluator(Package(tmp_path / "m.mlpackage")).run({"image": torch.from_numpy(image)})["matte"]
    np.testing.assert_allclose(found.numpy(), wanted, atol=5e-3)


@pytest.mark.parametrize(("target", "version"), [("iOS16", 7), ("iOS17", 8), ("iOS18", 9), ("iOS26", 10)])
def test_deployment_target_decides_the_specification(packages, target, version):
    assert Package(packages(target=target)).spec.specificationVersion == version


@pytest.mark.parametrize("transform", ["half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("after", [(12, 16), (3, 4), (5, 7)], ids=str)
def test_linear_resize_samples_where_onnx_says(tmp_path, transform, after):
    proto = model(
        [node("Resize", "image - - sizes", "matte", mode="linear", coordinate_transformation_mode=transform)],
        inputs={"image": [1, 3, 6, 8]},
        outputs=["matte"],
        constants={"sizes": np.array([1, 3, *after])},
    )
    image = np.random.default_rng(0).random((1, 3, 6, 8), np.float32)
    (wanted,) = run(proto, {"image": image})
    graph = ir.from_proto(proto)
    ir.passes.common.ShapeInferencePass()(graph)
    convert(
        graph, precision="fp32", target="iOS16", ports="multiarray", metadata=META, package=tmp_path / "m.mlpackage"
    )
    found = Evaluator(Package(tmp_path / "m.mlpackage")).run({"image": torch.from_numpy(image)})["matte"]
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)


def test_unsupported_nodes_are_listed_at_once():
    proto = model(
        [
            node("Resize", "x - scales", "up", mode="cubic"),
            node("MaxPool", "up", "y", kernel_shape=[2, 2], dilations=[2, 2]),
        ],
        inputs={"x": [1, 1, 8, 8]},
        outputs=["y"],
        constants={"scales": np.array([1, 1, 2, 2], np.float32)},
    )
    with pytest.raises(UnsupportedModelError) as error:
        convert(
            ir.from_proto(proto),
            precision="fp32",
            target="iOS16",
            ports="multiarray",
            metadata=META,
            package=Path("x"),
        )
    assert [item.node for item in error.value.nodes] == ["up", "y"]


def test_only_statistics_are_selected_for_fp32():
    with quiet(), mil.Function({"x": mb.placeholder((1, 4, 8, 8))}, opset_version=ct.target.iOS16) as function:
        x = function.inputs["x"]
        square = mb.mul(x=x, y=x)
        mean = mb.reduce_mean(x=square, axes=[2, 3], keep_dims=True)
        offset = mb.add(x=mean, y=np.float32(1e-5))
        product = mb.mul(x=x, y=offset)
        function.set_outputs([product])
        mil.Program().add_function("main", function)
    assert [stays_fp32(value.op) for value in (square, mean, offset, product)] == [True, True, True, False]
