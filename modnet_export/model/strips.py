"""Convolutions in strips of rows, for float64.

PyTorch has no convolution of its own for float64: it writes every pixel's neighbourhood out and multiplies matrices. At
512x512 that is 0.7 GB for one layer of MODNet, which leaves the caches and comes back. In strips it stays there.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

_ROWS, _FURTHER_ROWS = 4, 16
"""Of the output, in a strip: where neighbourhoods of all channels are written out, and elsewhere."""


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
        padding = cast("tuple[int, int]", conv.padding)  # MODNet's are numbers
        reach = [every * (side - 1) + 1 for every, side in zip(conv.dilation, conv.kernel_size, strict=True)]
        rows, columns = (
            (size + 2 * more - window) // stride + 1
            for size, more, window, stride in zip(image_nchw.shape[2:], padding, reach, conv.stride, strict=True)
        )
        found = image_nchw.new_empty(len(image_nchw), conv.out_channels, rows, columns)
        height = image_nchw.shape[2]
        step = _ROWS if conv.groups == 1 and max(conv.kernel_size) > 1 else _FURTHER_ROWS
        for top in range(0, rows, step):
            bottom = min(top + step, rows)
            first = top * conv.stride[0] - padding[0]
            last = (bottom - 1) * conv.stride[0] - padding[0] + reach[0]
            strip = image_nchw[:, :, min(max(first, 0), height) : min(max(last, 0), height)]
            below = max(last - max(first, height), 0)
            above = last - first - strip.shape[2] - below
            strip = pad(strip, (padding[1], padding[1], above, below))
            found[:, :, top:bottom] = conv2d(strip, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups)
        return found
