"""A kernel is found in a file whatever its layout, its scale and its rounding, and another one is not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.diagnose.weights import alikeness, kernels

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(16, 8, 3, 3)).astype(np.float32)


def file_of(tmp_path, *arrays):
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(np.ascontiguousarray(item), f"w{index}") for index, item in enumerate(arrays)],
    )
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (2, 3, 1, 0)], ids=["OIHW", "OHWI", "HWIO"])
def test_a_kernel_is_found_in_every_layout(order, tmp_path):
    assert alikeness(KERNEL, kernels(file_of(tmp_path, KERNEL.transpose(order)))) == pytest.approx(1)


def test_folding_a_norm_and_rounding_to_8_bits_change_little(tmp_path):
    folded = KERNEL * RNG.uniform(-3, 3, (16, 1, 1, 1)).astype(np.float32)
    step = np.abs(folded).max((1, 2, 3), keepdims=True) / 127
    assert alikeness(KERNEL, kernels(file_of(tmp_path, np.rint(folded / step) * step))) > 0.999


def test_another_kernel_and_swapped_channels_are_not_it(tmp_path):
    other = RNG.normal(size=KERNEL.shape).astype(np.float32)
    assert alikeness(KERNEL, kernels(file_of(tmp_path, other, KERNEL[:, ::-1]))) < 0.6


def test_without_a_kernel_of_the_shape_nothing_is_said(tmp_path):
    assert alikeness(KERNEL, kernels(file_of(tmp_path, KERNEL[:8]))) is None


def test_matrices_are_kernels_of_one_pixel_either_way(tmp_path):
    found = kernels(file_of(tmp_path, KERNEL[:, :, 0, 0].T))
    assert alikeness(KERNEL[:, :, :1, :1], found) == pytest.approx(1)
