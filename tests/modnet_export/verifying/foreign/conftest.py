from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from safetensors.torch import save_file

# Below 160 pixels, and of images that are none, the demo network sees hardly anybody: faults would have no effect.
BRIGHTER = 5.0
LAST_BIAS = "f_branch.conv_f.1.layers.0.bias"


@pytest.fixture(scope="session")
def brighter(modnet):
    """The demo network with a matte that is full of half-tones."""
    made = deepcopy(modnet)
    with torch.no_grad():
        made.get_parameter(LAST_BIAS).add_(BRIGHTER)
    return made


@pytest.fixture
def brighter_file(brighter, tmp_path):
    path = tmp_path / "brighter.safetensors"
    save_file({key: value.clone() for key, value in brighter.state_dict().items()}, path)
    return str(path)
