"""MODNet's weights, read back from an ONNX model: in float64 they tell how far float32 takes the model's own matte.

Exporters fold the backbone's BatchNorm into its convolutions and name these anew; every other weight keeps its name in
the network, or the shape that only it has.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import numpy_helper
from torch import nn

from modnet_export.model.checkpoint import TELLING, fitted
from modnet_export.model.network import MODNet

_TRAINING_ONLY = ("lr_branch.conv_lr.", "hr_branch.conv_hr.")
"""What makes the semantic and the detail output, which an exporter of the matte alone leaves out."""


def network_of(model: onnx.ModelProto) -> MODNet | None:
    """The network with a model's weights, in evaluation mode; None where one of them is not found or does not fit."""
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    found = next((name for name in constants if name.endswith(TELLING)), None)
    if found is None:
        return None
    prefix = found.removesuffix(TELLING)
    plain = MODNet()
    own = {key: value.numpy() for key, value in plain.state_dict().items() if key.startswith(_TRAINING_ONLY)}
    named = own | {key: constants[prefix + key] for key in plain.state_dict() if prefix + key in constants}
    apart = {prefix + key for key in named if "backbone" not in key}
    folded = [
        [constants[name] for name in node.input[1:]]
        for node in model.graph.node
        if node.op_type == "Conv" and node.input[1] not in apart and all(name in constants for name in node.input[1:])
    ]
    pairs = _convolutions(plain.backbone)
    if len(folded) != len(pairs) or any(len(arrays) != 2 for arrays in folded):
        return None
    for (convolution, norm, epsilon), (weight, bias) in zip(pairs, folded, strict=True):
        # A norm that adds the bias and does nothing else.
        ones = np.ones_like(bias)
        values = {"weight": ones * math.sqrt(1 + epsilon), "bias": bias, "running_mean": 0 * bias, "running_var": ones}
        named |= {f"backbone.{convolution}.weight": weight, **{f"backbone.{norm}.{k}": v for k, v in values.items()}}
    for name, module in plain.named_modules():
        if isinstance(module, nn.Linear) and f"{name}.weight" not in named:
            shape = tuple(module.weight.shape)[::-1]
            named |= {f"{name}.weight": item.T for item in constants.values() if item.shape == shape}
    return fitted({key: value for key, value in named.items() if not key.startswith("lr_branch.backbone.")})


def _convolutions(backbone: nn.Module) -> list[tuple[str, str, float]]:
    """The backbone's convolutions in the order in which they run, each with its BatchNorm and that one's epsilon."""
    modules = list(backbone.named_modules())
    norms = [(name, module.eps) for name, module in modules if isinstance(module, nn.BatchNorm2d)]
    convolutions = [name for name, module in modules if isinstance(module, nn.Conv2d)]
    return [(name, norm, epsilon) for name, (norm, epsilon) in zip(convolutions, norms, strict=True)]
