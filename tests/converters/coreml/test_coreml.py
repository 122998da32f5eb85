"""Core ML packages: what is saved, and the evaluator against packages that this project did not lower."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

from converters.coreml.convert import Metadata, convert, ct, quiet, stays_fp32
from converters.coreml.interpreter import NEWEST_SPECIFICATION, Evaluator, Package
from converters.errors import ExportError, UnsupportedModelError
from converters.onnx.passes import optimise
from converters.runtimes import open_runtime
from tests.graphs import model, node, run

META = Metadata("an author", "a licence", "1.2", "a description", {"image": "a photo", "matte": "its matte"})


@pytest.fixture(scope="module")
def graph(small_onnx):
    return optimise(ir.from_proto(small_onnx), "cpu")


@pytest.fixture(scope="module")
def packages(graph, tmp_path_factory):
    """A package by precision, ports and target, made once."""
    folder, made = tmp_path_factory.mktemp("packages"), {}

    def get(precision="fp32", ports="multiarray", target="iOS16") -> Path:
        key = f"{precision}_{ports}_{target}"
        if key not in made:
            made[key] = folder / f"{key}.mlpackage"
            convert(graph, precision=precision, target=target, ports=ports, metadata=META, package=made[key])
        return made[key]

    return get


@pytest.fixture(scope="module")
def photo():
    from modnet_export.images.imaging import demo_photo, fit_image

    image, _ = fit_image(demo_photo(), (96, 128), "letterbox")
    return (np.rint(image * 255) / 255).astype(np.float32)


@pytest.fixture(scope="module")
def expected(small_onnx, photo):
    (matte,) = run(small_onnx, {"image": photo.transpose(0, 3, 1, 2)})
    return matte.transpose(0, 2, 3, 1)


class TestSavedPackage:
    def test_fp32_package_gives_the_reference_matte(self, packages, photo, expected):
        np.testing.assert_allclose(open_runtime(packages()).run(photo), expected, atol=1e-4)

    def test_fp16_package_is_within_its_tolerance(self, packages, photo, expected):
        assert np.abs(open_runtime(packages("fp16")).run(photo) - expected).mean() <= 1e-3

    @pytest.mark.parametrize("precision", ["fp32", "fp16"])
    def test_image_ports_differ_by_8_bit_rounding_only(self, packages, photo, precision):
        tensors, images = (open_runtime(packages(precision, ports)).run(photo) for ports in ("multiarray", "image"))
        assert np.abs(tensors - images).max() <= 0.5 / 255 + (1e-4 if precision == "fp32" else 2e-2)
        np.testing.assert_allclose(images * 255, np.rint(images * 255), atol=1e-3)

    @pytest.mark.parametrize(
        ("precision", "share", "mad"), [("int8", 0.28, 0.01), ("palettized6", 0.24, 0.05), ("palettized4", 0.17, 0.2)]
    )
    @pytest.mark.parametrize("target", ["iOS16", "iOS18"])
    def test_compressed_weights_are_small_and_evaluated(self, packages, photo, expected, precision, share, mad, target):
        package = packages(precision, target=target)
        sizes = [
            sum(item.stat().st_size for item in path.rglob("*") if item.is_file()) for path in (package, packages())
        ]
        assert sizes[0] <= share * sizes[1]
        stored = {item.type for item in Package(package).operations if item.type.startswith("constexpr_")}
        names = {
            ("int8", "iOS16"): "constexpr_affine_dequantize",
            ("int8", "iOS18"): "constexpr_blockwise_shift_scale",
        }
        assert stored == {names.get((precision, target), "constexpr_lut_to_dense")}
        assert np.abs(open_runtime(package).run(photo) - expected).mean() <= mad

    def test_statistics_of_the_norms_stay_fp32(self, packages):
        from coremltools.proto import MIL_pb2

        kinds = {}
        for item in Package(packages("fp16")).operations:
            if item.type != "const":
                kind = MIL_pb2.DataType.Name(item.outputs[0].type.tensorType.dataType)
                kinds.setdefault(item.type, set()).add(kind)
        for name in ("reduce_mean", "sqrt", "inverse"):
            assert kinds[name] == {"FLOAT32"}
        assert kinds["conv"] == {"FLOAT16"}

    def test_fp16_norm_of_large_activations_needs_its_fp32_statistics(self, tmp_path):
        """Activations of 300: their squares overflow fp16."""
        proto = model(
            [node("InstanceNormalization", "image gain shift", "n"), node("ReduceMean", "n axes", "matte")],
            inputs={"image": [1, 3, 64, 64]},
            outputs=["matte"],
            constants={"gain": np.ones(3, np.float32), "shift": np.zeros(3, np.float32), "axes": np.array([1])},
        )
        from converters.onnx.passes.instance_norm import WriteInstanceNorm

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

    @pytest.mark.parametrize(("target", "version"), [("iOS16", 7), ("iOS17", 8), ("iOS18", 9)])
    def test_deployment_target_decides_the_specification(self, packages, target, version):
        assert Package(packages(target=target)).spec.specificationVersion == version

    def test_metadata_and_ports_are_documented(self, packages):
        description = Package(packages("fp16", "image")).spec.description
        metadata = description.metadata
        assert (metadata.author, metadata.license, metadata.versionString) == ("an author", "a licence", "1.2")
        assert metadata.userDefined["com.apple.coreml.model.preview.type"] == "imageSegmenter"
        assert [port.shortDescription for port in (*description.input, *description.output)] == ["a photo", "its matte"]
        (image,), (matte,) = description.input, description.output
        assert image.type.imageType.ColorSpace.Name(image.type.imageType.colorSpace) == "RGB"
        assert matte.type.imageType.ColorSpace.Name(matte.type.imageType.colorSpace) == "GRAYSCALE"
        assert (matte.type.imageType.height, matte.type.imageType.width) == (96, 128)

    @pytest.mark.parametrize("precision", ["fp16", "int8", "palettized6"])
    def test_same_model_gives_the_same_bytes(self, packages, graph, tmp_path, precision):
        convert(
            graph,
            precision=precision,
            target="iOS16",
            ports="image",
            metadata=META,
            package=tmp_path / "again.mlpackage",
        )
        first = packages(precision, "image")
        for item in (item for item in first.rglob("*") if item.is_file()):
            assert item.read_bytes() == (tmp_path / "again.mlpackage" / item.relative_to(first)).read_bytes(), item.name

    def test_coremltools_reads_the_package(self, packages):
        with quiet():
            loaded = ct.models.MLModel(str(packages("fp16", "image")), skip_model_load=True)
        assert loaded.get_spec().description.output[0].name == "matte"

    def test_unsupported_nodes_are_listed_at_once(self):
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
    from converters.coreml.convert import Function, Program, mb

    with quiet(), Function({"x": mb.placeholder((1, 4, 8, 8))}, opset_version=ct.target.iOS16) as function:
        x = function.inputs["x"]
        square = mb.mul(x=x, y=x)
        mean = mb.reduce_mean(x=square, axes=[2, 3], keep_dims=True)
        offset = mb.add(x=mean, y=np.float32(1e-5))
        product = mb.mul(x=x, y=offset)
        function.set_outputs([product])
        Program().add_function("main", function)
    assert [stays_fp32(value.op) for value in (square, mean, offset, product)] == [True, True, True, False]


class Functional(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


F = nn.functional
MODULES = {
    "conv_same": nn.Conv2d(3, 5, 3, padding="same"),
    "conv_strided": nn.Conv2d(3, 6, (3, 5), stride=2, padding=(2, 1), groups=3, dilation=(2, 1)),
    "conv_transpose": nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1),
    "batch_norm": nn.BatchNorm2d(3),
    "instance_norm": nn.InstanceNorm2d(3, affine=True),
    "layer_norm": nn.LayerNorm([12, 16]),
    "linear": nn.Linear(16, 7),
    "activations": nn.Sequential(nn.ReLU6(), nn.LeakyReLU(0.2), nn.SiLU(), nn.GELU(), nn.Tanh(), nn.ELU(0.5)),
    "prelu": nn.PReLU(3),
    "softmax": nn.Softmax(dim=1),
    "average_pool": nn.AvgPool2d(3, stride=2, padding=1),
    "average_pool_excluding": nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
    "max_pool": nn.MaxPool2d(3, stride=2, padding=1),
    "bilinear_half_pixel": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
    "bilinear_corners": nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
    "bilinear_down": Functional(lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)),
    "nearest": nn.Upsample(scale_factor=3, mode="nearest"),
    "reflection_pad": nn.ReflectionPad2d((1, 2, 3, 1)),
    "constant_pad": nn.ConstantPad2d((1, 2, 0, 3), 0.5),
    "pixel_shuffle": nn.Sequential(nn.Conv2d(3, 8, 1), nn.PixelShuffle(2)),
    "squeeze_excitation": Functional(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()),
    "split_concat": Functional(lambda x: torch.cat([x[:, 1:], x[:, :1] * 2, x[:, :, :, ::1]], dim=1)),
    "shapes": Functional(lambda x: x.flatten(2).permute(0, 2, 1).reshape(1, 12, 16, 3).squeeze(0).unsqueeze(0)),
    "matmul": Functional(lambda x: x @ x.transpose(2, 3)),
}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("target", ["iOS16", "iOS18"])
def test_evaluator_agrees_with_torch_on_coremltools_own_conversions(tmp_path, name, target):
    torch.manual_seed(0)
    module = MODULES[name].eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    x = torch.randn(1, 3, 12, 16)
    package = tmp_path / "module.mlpackage"
    with quiet():
        ct.convert(
            torch.jit.trace(module, x),
            inputs=[ct.TensorType(name="x", shape=x.shape)],
            outputs=[ct.TensorType(name="y")],
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        ).save(str(package))
    found = Evaluator(Package(package)).run({"x": x})["y"]
    with torch.inference_mode():
        np.testing.assert_allclose(found.numpy(), module(x).numpy(), atol=2e-5, rtol=1e-4)


def test_evaluator_agrees_with_torch_on_coremltools_own_modnet(tmp_path, modnet):
    x = torch.rand(1, 3, 64, 96) * 2 - 1
    package = tmp_path / "modnet.mlpackage"
    with quiet():
        ct.convert(
            torch.jit.trace(modnet, x, check_trace=False),
            inputs=[ct.TensorType(name="x", shape=x.shape)],
            outputs=[ct.TensorType(name="y")],
            minimum_deployment_target=ct.target.iOS16,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
        ).save(str(package))
    found = Evaluator(Package(package)).run({"x": x})["y"]
    with torch.inference_mode():
        np.testing.assert_allclose(found.numpy(), modnet(x).numpy(), atol=1e-4)


class TestBrokenPackage:
    @pytest.fixture
    def copy(self, packages, tmp_path):
        target = tmp_path / "broken.mlpackage"
        shutil.copytree(packages(), target)
        return target

    @pytest.mark.parametrize(
        ("part", "message"),
        [
            ("Manifest.json", "cannot read broken.mlpackage"),
            ("Data/com.apple.CoreML/model.mlmodel", "cannot read broken.mlpackage"),
            ("Data/com.apple.CoreML/weights/weight.bin", "weight.bin cannot be read"),
        ],
    )
    def test_missing_part_is_named(self, copy, part, message):
        (copy / part).unlink()
        with pytest.raises(ExportError, match=message):
            open_runtime(copy)

    @pytest.mark.parametrize("damage", ["truncated", "overwritten"])
    def test_damaged_weights_are_found(self, copy, damage):
        weights = copy / "Data/com.apple.CoreML/weights/weight.bin"
        data = weights.read_bytes()
        weights.write_bytes(data[: len(data) // 2] if damage == "truncated" else b"\xff" * len(data))
        with pytest.raises(ExportError, match="weight file is damaged at byte"):
            open_runtime(copy)

    def test_garbage_specification_is_one_clear_error(self, copy):
        (copy / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"not a specification" * 50)
        with pytest.raises(ExportError, match=r"broken\.mlpackage"):
            open_runtime(copy)

    def test_newer_specification_is_refused_by_number(self, copy):
        path = copy / "Data/com.apple.CoreML/model.mlmodel"
        spec = Package(copy).spec
        spec.specificationVersion = NEWEST_SPECIFICATION + 1
        path.write_bytes(spec.SerializeToString())
        with pytest.raises(ExportError, match=f"specification version {NEWEST_SPECIFICATION + 1}"):
            open_runtime(copy)

    def test_unknown_op_is_named(self, copy):
        package = Package(copy)
        next(item for item in package.operations if item.type == "sigmoid").type = "sigmoid_of_tomorrow"
        (copy / "Data/com.apple.CoreML/model.mlmodel").write_bytes(package.spec.SerializeToString())
        with pytest.raises(ExportError, match="1 sigmoid_of_tomorrow"):
            open_runtime(copy)

    def test_weight_file_outside_the_package_is_refused(self, copy):
        package = Package(copy)
        for item in package.operations:
            value = item.attributes["val"]
            if value.WhichOneof("value") == "blobFileValue":
                value.blobFileValue.fileName = "@model_path/../../../../../etc/passwd"
        (copy / "Data/com.apple.CoreML/model.mlmodel").write_bytes(package.spec.SerializeToString())
        with pytest.raises(ExportError, match="outside the package"):
            open_runtime(copy)

    def test_manifest_of_something_else_is_refused(self, copy):
        (copy / "Manifest.json").write_text(json.dumps({"itemInfoEntries": []}))
        with pytest.raises(ExportError, match=r"cannot read broken\.mlpackage"):
            open_runtime(copy)


@pytest.mark.parametrize("ports", ["image", "multiarray"])
def test_on_a_mac_core_ml_itself_predicts_with_the_chosen_compute_unit(packages, photo, expected, monkeypatch, ports):
    """A stand-in for MLModel that checks what Core ML's Python interface would be given."""
    from PIL import Image

    package, asked = packages("fp32", ports), {}
    evaluator = Evaluator(Package(package))

    class MLModel:
        def __init__(self, path, compute_units):
            asked["path"], asked["unit"] = path, compute_units

        def predict(self, inputs):
            value = inputs["image"]
            if ports == "image":
                assert isinstance(value, Image.Image)
                rgb = np.asarray(value, np.float32).transpose(2, 0, 1)[None]
                grey = evaluator.run({"image": torch.from_numpy(rgb)})["matte"].numpy()[0, 0]
                return {"matte": Image.fromarray(np.rint(grey).astype(np.uint8))}
            return {"matte": evaluator.run({"image": torch.from_numpy(np.array(value))})["matte"].numpy()}

    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(ct.models, "MLModel", MLModel)
    runtime = open_runtime(package, compute_unit="CPU_AND_NE")
    assert runtime.engine == "predicted by Core ML, CPU_AND_NE"
    assert asked == {"path": str(package), "unit": ct.ComputeUnit.CPU_AND_NE}
    np.testing.assert_allclose(runtime.run(photo), expected, atol=1e-4 + (0.5 / 255 if ports == "image" else 0))
