"""What artefacts are compared with does not depend on the machine that it runs on."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import onnx
import pytest
import torch

from modnet_export.images.inputs import builtin
from modnet_export.model.checkpoint import TELLING, Source
from modnet_export.model.onnx_weights import network_of
from modnet_export.model.reference import open_reference
from modnet_export.record.contract import Size
from tests.official import NAMES, official


@pytest.fixture
def on_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def image_nhwc():
    return builtin()[1].load(Size(height=96, width=128))[0]


def test_reference_is_the_same_on_any_number_of_threads(demo_source, image_nhwc, on_threads):
    mattes = []
    for threads in (1, 2, 3):
        on_threads(threads)
        mattes.append(open_reference(demo_source).run(image_nhwc))
        assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(mattes[0], mattes[1])
    np.testing.assert_array_equal(mattes[0], mattes[2])


def test_users_onnx_model_runs_on_one_thread(small_onnx, tmp_path):
    onnx.save(small_onnx, tmp_path / "mine.onnx")
    reference = open_reference(Source("mine.onnx", tmp_path / "mine.onnx", "0" * 64, "onnx"))
    assert reference._session.get_session_options().intra_op_num_threads == 1


def test_reference_is_exact_and_float32_is_told_beside_it(demo_source, modnet, image_nhwc):
    from modnet_export.model.network import ContractNetwork

    reference = open_reference(demo_source)
    with torch.inference_mode():
        image = torch.from_numpy(image_nhwc.transpose(0, 3, 1, 2).astype(np.float64))
        exact = deepcopy(ContractNetwork(modnet)).eval().double()(image).numpy().transpose(0, 2, 3, 1)
    assert np.abs(reference.run(image_nhwc) - exact).max() <= 2**-25  # float32's rounding of the matte itself
    off = np.abs(reference.rounded(image_nhwc) - exact).max()
    assert 2**-25 < off < 1e-4
    assert "float64" in reference.engine


# Asymmetric resizes, and a norm of another shape: another network has these weights.
OTHERS = ("opset10", "opset9", "opset11_norm_over_all")


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_an_onnx_model_that_fit_the_network_tell_its_noise(name, modnet, tmp_path):
    onnx.save(official(name, modnet), tmp_path / "mine.onnx")
    reference = open_reference(Source("mine.onnx", tmp_path / "mine.onnx", "0" * 64, "onnx"))
    image_nhwc = builtin()[0].load(Size(height=64, width=96))[0]
    matte_nhwc, rounded = reference.beside_rounded(image_nhwc)
    assert np.array_equal(matte_nhwc, reference.run(image_nhwc))
    if name in OTHERS:
        assert rounded is None
    else:
        assert rounded is not None
        assert 0 < np.abs(rounded - matte_nhwc).max() < 1e-4


def test_weights_that_fit_no_network_tell_nothing(small_onnx, tmp_path):
    assert network_of(small_onnx) is not None
    (weight,) = (item for item in small_onnx.graph.initializer if item.name.endswith(TELLING))
    other = onnx.ModelProto.FromString(small_onnx.SerializeToString())
    next(item for item in other.graph.initializer if item.name == weight.name).name = "renamed"
    assert network_of(other) is None
