from __future__ import annotations

import subprocess
import sys

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from modnet_export.model.network import MODNet
from modnet_export.model.strips import in_strips


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.integers(1, 2),
    depthwise=st.booleans(),
    bias=st.booleans(),
    height=st.integers(9, 40),
)
def test_strips_are_torchs_own_convolution(kernel, stride, padding, dilation, depthwise, bias, height):
    conv = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups=4 if depthwise else 1, bias=bias).double()
    image = torch.rand(2, 4, height, 21, dtype=torch.float64)
    network = nn.Sequential(conv)
    with torch.inference_mode():
        expected = network(image)
        in_strips(network)
        assert network[0] is not conv
        torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-12)


def test_every_convolution_of_modnet_goes_in_strips_and_its_matte_is_the_same():
    torch.manual_seed(0)
    network = MODNet().eval().double()
    convolutions = sum(isinstance(item, nn.Conv2d) for item in network.modules())
    image = torch.rand(1, 3, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        expected = network(image)
        in_strips(network)
        torch.testing.assert_close(network(image), expected, rtol=0, atol=1e-12)
    assert sum(type(item).__name__ == "_InStrips" for item in network.modules()) == convolutions


def test_a_layer_takes_little_more_memory_than_its_image():
    """As MODNet's last branch at 512x512: written out, the neighbourhoods are 4.5 times as large as both ends."""
    code = """
import resource, torch
from torch import nn
from modnet_export.model.strips import in_strips
network = nn.Sequential(nn.Conv2d(35, 32, 3, padding=1)).double()
in_strips(network)
with torch.inference_mode():
    network(torch.zeros(1, 35, 32, 32, dtype=torch.float64))
    image = torch.zeros(1, 35, 512, 512, dtype=torch.float64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    matte = network(image)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(taken * 1024 / (image.nbytes + matte.nbytes))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 3
