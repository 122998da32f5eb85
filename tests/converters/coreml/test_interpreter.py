"""The evaluator against packages that were not lowered here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from converters.coreml.interpreter import Evaluator
from converters.coreml.package import Package
from converters.coreml.quiet import ct, quiet
from converters.errors import ExportError
from converters.runtimes import open_runtime


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


def test_unknown_op_is_named(copy):
    package = Package(copy)
    next(item for item in package.operations if item.type == "sigmoid").type = "sigmoid_of_tomorrow"
    (copy / "Data/com.apple.CoreML/model.mlmodel").write_bytes(package.spec.SerializeToString())
    with pytest.raises(ExportError, match="1 sigmoid_of_tomorrow"):
        open_runtime(copy)


def test_evaluator_reads_palettes_with_scales(tmp_path):
    """As coremltools' palettizer writes them for iOS 18: one op scales the palette, the next looks weights up in it."""
    convolution, package = nn.Conv2d(32, 64, 3), tmp_path / "scaled.mlpackage"
    config = ct.optimize.coreml.OpPalettizerConfig(nbits=4, enable_per_channel_scale=True)
    x = torch.randn(1, 32, 8, 8)
    with quiet():
        converted = ct.convert(
            torch.jit.trace(convolution, x),
            inputs=[ct.TensorType(name="x", shape=x.shape)],
            minimum_deployment_target=ct.target.iOS18,
            skip_model_load=True,
        )
        ct.optimize.coreml.palettize_weights(
            converted, ct.optimize.coreml.OptimizationConfig(global_config=config)
        ).save(str(package))
    evaluator = Evaluator(Package(package))
    stored = [item.type for item in evaluator.package.operations if item.type.startswith("constexpr_")]
    assert sorted(stored) == ["constexpr_blockwise_shift_scale", "constexpr_lut_to_dense"]
    wanted = convolution.weight.detach()
    (found,) = (item.float() for item in evaluator.constants.values() if getattr(item, "shape", ()) == wanted.shape)
    scales = wanted.abs().amax(0, keepdim=True)
    assert ((found - wanted).abs() / scales).max() < 2 / 16
    entries = torch.unique(torch.round(found / scales * 500))  # fp16 products of an entry and a scale
    assert len(entries) <= 2 * 16
