"""PyTorch to TFLite with litert-torch, in its own environment: ``convert_litert_torch.py WEIGHTS OUT HEIGHT WIDTH``.

With ``released`` behind these, the squeeze-and-excitation block stays as it was released.
"""

# mypy: ignore-errors
import sys

import litert_torch
import torch
from safetensors.torch import load_file
from torch import nn

from modnet_export.model.network import ContractNetwork, MODNet


class ConvSqueezeExcitation(nn.Module):
    """litert-torch 0.10.0 fails on the Linear and view of the released block; as convolutions it converts."""

    def __init__(self, fc: nn.Sequential) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(1280, 320, 1, bias=False), nn.Conv2d(320, 1280, 1, bias=False)])
        for layer, linear in zip(self.layers, (fc[0], fc[2]), strict=True):
            layer.weight.data = linear.weight.data[:, :, None, None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        squeezed = torch.relu(self.layers[0](x.mean(dim=(2, 3), keepdim=True)))
        return x * torch.sigmoid(self.layers[1](squeezed))


weights, target, height, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
modnet = MODNet().eval()
modnet.load_state_dict(load_file(weights))
if "released" not in sys.argv[5:]:
    modnet.lr_branch.se_block = ConvSqueezeExcitation(modnet.lr_branch.se_block.fc)
network = litert_torch.to_channel_last_io(ContractNetwork(modnet).eval(), args=[0], outputs=[0])
litert_torch.convert(network, (torch.rand(1, height, width, 3),)).export(target)
