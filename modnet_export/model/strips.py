"""Convolutions in strips of rows, for float64.

PyTorch has no convolution of its own for float64: it writes every pixel's neighbourhood out and multiplies matrices. At
512x512 that is 0.7 GB for one layer of MODNet, which leaves the caches and comes back. In strips it stays there.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

_ROWS = 8
"""Of the output, in a strip."""


def in_strips(network: nn.Module) -> None:
    """Let every convolution of a network go strip by strip; its values are the same, but for the order of sums."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and child.padding_mode == "zeros":
                setattr(module, name, _InStrips(child))


class _InStrips(nn.Module):
    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, image_nchw: Tensor) -> Tensor:
        conv = self.conv
        (above, beside), stride = cast("tuple[int, int]", conv.padding), conv.stride[0]  # MODNet's are numbers
        padded = pad(image_nchw, (beside, beside, above, above))
        reach = conv.dilation[0] * (conv.kernel_size[0] - 1) + 1
        tops = range(0, padded.shape[2] - reach + 1, _ROWS * stride)
        strips = [padded[:, :, top : top + (_ROWS - 1) * stride + reach] for top in tops]
        return torch.cat(
            [conv2d(strip, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups) for strip in strips],
            dim=2,
        )
