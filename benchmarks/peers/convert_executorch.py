"""PyTorch to ExecuTorch with XNNPACK, in its own environment: ``convert_executorch.py WEIGHTS OUT HEIGHT WIDTH``."""

# mypy: ignore-errors
import sys
from pathlib import Path

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from safetensors.torch import load_file

from modnet_export.model.network import ContractNetwork, MODNet

weights, target, height, width = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
modnet = MODNet().eval()
modnet.load_state_dict(load_file(weights))
program = torch.export.export(ContractNetwork(modnet).eval(), (torch.rand(1, 3, height, width),))
lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
Path(target).write_bytes(lowered.to_executorch().buffer)
