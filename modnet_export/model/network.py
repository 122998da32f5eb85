"""MODNet in PyTorch, key for key the released network.

Source: Ke et al., "MODNet: Real-Time Trimap-Free Portrait Matting via Objective
Decomposition", AAAI 2022 (arXiv 2011.11961), and the interface of the released
checkpoints (751 ``state_dict`` keys; the backbone is listed under ``backbone.`` and again
under ``lr_branch.backbone.``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.functional import interpolate

from modnet_export.record.contract import SIZE_MULTIPLE

HR_CHANNELS = 32

# MobileNetV2 (arXiv 1801.04381, table 2): expansion, output channels, repeats, first stride.
_INVERTED_RESIDUALS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_LAST_CHANNELS = 1280
# The feature after which the backbone's output at 1/2, 1/4, 1/8, 1/16 and 1/32 is taken.
_TAPS = (1, 3, 6, 13, 18)


@fx.wrap
def _require_size(image_nchw: Tensor) -> None:
    height, width = image_nchw.shape[-2:]
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise ValueError(f"MODNet: height and width must be multiples of {SIZE_MULTIPLE}, got {height}x{width}")


def _resize(image_nchw: Tensor, scale: float) -> Tensor:
    return interpolate(image_nchw, scale_factor=scale, mode="bilinear", align_corners=False)


def _conv_bn_relu6(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.ReLU6()]


class _InvertedResidual(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        expand = _conv_bn_relu6(in_channels, hidden, 1) if expansion > 1 else []
        depthwise = _conv_bn_relu6(hidden, hidden, 3, stride, groups=hidden)
        project = [nn.Conv2d(hidden, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)]
        self.conv = nn.Sequential(*expand, *depthwise, *project)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = cast(Tensor, self.conv(x))
        return x + y if self.residual else y


class _MobileNetV2(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Sequential(*_conv_bn_relu6(3, 32, 3, stride=2))]
        channels = 32
        for expansion, out_channels, repeats, first_stride in _INVERTED_RESIDUALS:
            for repeat in range(repeats):
                stride = first_stride if repeat == 0 else 1
                layers.append(_InvertedResidual(channels, out_channels, stride, expansion))
                channels = out_channels
        layers.append(nn.Sequential(*_conv_bn_relu6(channels, _LAST_CHANNELS, 1)))
        self.features = nn.Sequential(*layers)


class _Backbone(nn.Module):
    """MobileNetV2 without its classifier; returns the features at 1/2 to 1/32."""

    def __init__(self) -> None:
        super().__init__()
        self.model = _MobileNetV2()

    def forward(self, x: Tensor) -> list[Tensor]:
        taps: list[Tensor] = []
        for index, layer in enumerate(self.model.features):
            x = layer(x)
            if index in _TAPS:
                taps.append(x)
        return taps


class _IBNorm(nn.Module):
    """BatchNorm on the first half of the channels, InstanceNorm (no affine) on the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = [channels // 2, channels - channels // 2]
        self.bnorm = nn.BatchNorm2d(self.split[0])
        self.inorm = nn.InstanceNorm2d(self.split[1], affine=False)

    def forward(self, x: Tensor) -> Tensor:
        batch_half, instance_half = x.split(self.split, dim=1)
        return torch.cat([self.bnorm(batch_half), self.inorm(instance_half)], dim=1)


class _ConvIBNormRelu(nn.Module):
    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, normalised: bool = True
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2)]
        if normalised:
            layers += [_IBNorm(out_channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layers(x))


class _SqueezeExcitation(nn.Module):
    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        weight = cast(Tensor, self.fc(x.mean(dim=(2, 3))))
        return x * weight[:, :, None, None]


class _LowResolutionBranch(nn.Module):
    def __init__(self, backbone: _Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.se_block = _SqueezeExcitation(_LAST_CHANNELS)
        self.conv_lr16x = _ConvIBNormRelu(_LAST_CHANNELS, 96, 5)
        self.conv_lr8x = _ConvIBNormRelu(96, HR_CHANNELS, 5)
        self.conv_lr = _ConvIBNormRelu(HR_CHANNELS, 1, 3, stride=2, normalised=False)

    def forward(self, enc32x: Tensor) -> Tensor:
        lr16x = self.conv_lr16x(_resize(self.se_block(enc32x), 2))
        return cast(Tensor, self.conv_lr8x(_resize(lr16x, 2)))

    def semantic(self, lr8x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv_lr(lr8x))


class _HighResolutionBranch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        hr = HR_CHANNELS
        self.tohr_enc2x = _ConvIBNormRelu(16, hr, 1)
        self.conv_enc2x = _ConvIBNormRelu(hr + 3, hr, 3, stride=2)
        self.tohr_enc4x = _ConvIBNormRelu(24, hr, 1)
        self.conv_enc4x = _ConvIBNormRelu(2 * hr, 2 * hr, 3)
        self.conv_hr4x = nn.Sequential(
            _ConvIBNormRelu(3 * hr + 3, 2 * hr, 3), _ConvIBNormRelu(2 * hr, 2 * hr, 3), _ConvIBNormRelu(2 * hr, hr, 3)
        )
        self.conv_hr2x = nn.Sequential(
            _ConvIBNormRelu(2 * hr, 2 * hr, 3),
            _ConvIBNormRelu(2 * hr, hr, 3),
            _ConvIBNormRelu(hr, hr, 3),
            _ConvIBNormRelu(hr, hr, 3),
        )
        self.conv_hr = nn.Sequential(_ConvIBNormRelu(hr + 3, hr, 3), _ConvIBNormRelu(hr, 1, 1, normalised=False))

    def forward(self, image: Tensor, enc2x: Tensor, enc4x: Tensor, lr8x: Tensor) -> Tensor:
        enc2x = self.tohr_enc2x(enc2x)
        hr4x = self.conv_enc2x(torch.cat([_resize(image, 1 / 2), enc2x], dim=1))
        hr4x = self.conv_enc4x(torch.cat([hr4x, self.tohr_enc4x(enc4x)], dim=1))
        hr4x = self.conv_hr4x(torch.cat([hr4x, _resize(lr8x, 2), _resize(image, 1 / 4)], dim=1))
        return cast(Tensor, self.conv_hr2x(torch.cat([_resize(hr4x, 2), enc2x], dim=1)))

    def detail(self, image: Tensor, hr2x: Tensor) -> Tensor:
        return torch.sigmoid(self.conv_hr(torch.cat([_resize(hr2x, 2), image], dim=1)))


class _FusionBranch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        hr = HR_CHANNELS
        self.conv_lr4x = _ConvIBNormRelu(hr, hr, 5)
        self.conv_f2x = _ConvIBNormRelu(2 * hr, hr, 3)
        self.conv_f = nn.Sequential(
            _ConvIBNormRelu(hr + 3, hr // 2, 3), _ConvIBNormRelu(hr // 2, 1, 1, normalised=False)
        )

    def forward(self, image: Tensor, lr8x: Tensor, hr2x: Tensor) -> Tensor:
        lr4x = self.conv_lr4x(_resize(lr8x, 2))
        f2x = self.conv_f2x(torch.cat([_resize(lr4x, 2), hr2x], dim=1))
        return torch.sigmoid(self.conv_f(torch.cat([_resize(f2x, 2), image], dim=1)))


class TrainingOutputs(NamedTuple):
    """What the released network returns in training; every tensor is in [0, 1].

    semantic: N x 1 x H/16 x W/16; detail and matte: N x 1 x H x W.
    """

    semantic: Tensor
    detail: Tensor
    matte: Tensor


class MODNet(nn.Module):
    """The released MODNet: RGB in [-1, 1], N x 3 x H x W, to a matte in [0, 1], N x 1 x H x W."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.lr_branch = _LowResolutionBranch(self.backbone)
        self.hr_branch = _HighResolutionBranch()
        self.f_branch = _FusionBranch()

    def _features(self, image_nchw: Tensor) -> tuple[Tensor, Tensor]:
        _require_size(image_nchw)
        enc2x, enc4x, _, _, enc32x = self.backbone(image_nchw)
        lr8x = self.lr_branch(enc32x)
        return lr8x, self.hr_branch(image_nchw, enc2x, enc4x, lr8x)

    def forward(self, image_nchw: Tensor) -> Tensor:
        """The matte alone: all that inference needs.

        Raises ValueError when a side is not a multiple of 32.
        """
        lr8x, hr2x = self._features(image_nchw)
        return cast(Tensor, self.f_branch(image_nchw, lr8x, hr2x))

    def training_outputs(self, image_nchw: Tensor) -> TrainingOutputs:
        """All three outputs that the released network is trained on."""
        lr8x, hr2x = self._features(image_nchw)
        return TrainingOutputs(
            semantic=self.lr_branch.semantic(lr8x),
            detail=self.hr_branch.detail(image_nchw, hr2x),
            matte=self.f_branch(image_nchw, lr8x, hr2x),
        )


def take_channels(modnet: MODNet, state: Mapping[str, Tensor]) -> None:
    """Give every layer as many channels as its weights in a state dict have, as in a pruned network.

    Raises KeyError for a layer without weights; ValueError, with its name, for weights that are not of the same kind of
    layer, and where the layers do not fit each other.
    """
    for name, module in modnet.named_modules():
        own = dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
        for key, value in own.items():
            if not value.ndim:  # how many batches a BatchNorm has seen
                continue
            shape = state[f"{name}.{key}"].shape
            if len(shape) != value.ndim or shape[2:] != value.shape[2:]:
                raise ValueError(f"{name}.{key} is {tuple(shape)}, of a layer that has {tuple(value.shape)}")
            value.data = value.new_empty(shape)
        if isinstance(module, nn.Conv2d):
            module.out_channels = module.weight.shape[0]
            module.groups = module.out_channels if module.groups > 1 else 1
            module.in_channels = module.weight.shape[1] * module.groups
    for name, module in modnet.named_modules():
        if isinstance(module, _ConvIBNormRelu) and len(module.layers) > 1:
            convolution, norm = cast(nn.Conv2d, module.layers[0]), cast(_IBNorm, module.layers[1])
            batch = len(norm.bnorm.weight)
            norm.split = [batch, convolution.out_channels - batch]
            norm.inorm.num_features = norm.split[1]
            if norm.inorm.num_features <= 0:
                raise ValueError(f"{name} has {convolution.out_channels} channels, and its BatchNorm {batch}")
    try:
        with torch.inference_mode():
            outputs = modnet.training_outputs(torch.zeros(1, 3, SIZE_MULTIPLE, 2 * SIZE_MULTIPLE))
    except RuntimeError as error:
        raise ValueError(f"its layers do not fit each other: {error}") from error
    if any(output.shape[1] != 1 for output in outputs):
        raise ValueError("its outputs have several channels")


class ContractNetwork(nn.Module):
    """MODNet behind the artefact contract: RGB in [0, 1] in, matte in [0, 1] out.

    The normalisation is written as (image - 0.5) * 2, the order in which the scale can be
    folded exactly into every convolution that reads the image (zero padding commutes with a
    scale, not with a shift).
    """

    def __init__(self, modnet: MODNet) -> None:
        super().__init__()
        self.modnet = modnet

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, self.modnet((image - 0.5) * 2))
