"""The resizes of wrong networks, against engines that nobody here wrote."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch.nn.functional import interpolate

from modnet_export.verifying.foreign.networks import Change, mattes, weights

IMAGE = np.random.default_rng(0).normal(size=(1, 2, 8, 12)).astype(np.float32)


def resized(scale, mode):
    rows, columns = (weights(size, int(size * scale), mode) for size in IMAGE.shape[2:])
    return np.einsum("ih,nchw,jw->ncij", rows, IMAGE, columns)


@pytest.mark.parametrize("scale", [2, 0.5])
def test_align_corners_is_torchs(scale):
    expected = interpolate(torch.from_numpy(IMAGE), scale_factor=scale, mode="bilinear", align_corners=True)
    np.testing.assert_allclose(resized(scale, "align_corners"), expected, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 0.5, 0.25])
@pytest.mark.parametrize("mode", ["asymmetric", "nearest"])
def test_the_others_are_onnx_runtimes(scale, mode):
    node = helper.make_node(
        "Resize",
        ["x", "", "scales"],
        ["y"],
        mode="nearest" if mode == "nearest" else "linear",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, IMAGE.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, scale, scale])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(resized(scale, mode), session.run(None, {"x": IMAGE})[0], atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [Change(resize="asymmetric"), Change(resize="align_corners", which="enlarging"), Change(same_padding=True)],
    ids=["asymmetric", "align corners, enlarging", "SAME"],
)
def test_a_changed_network_is_the_same_from_a_checkpoint_and_from_its_onnx(change, small_onnx, demo_source, tmp_path):
    from modnet_export.images.matting import settled
    from modnet_export.model import checkpoint
    from modnet_export.model.reference import open_reference

    onnx.save(small_onnx, tmp_path / "mine.onnx")
    image_nhwc = np.random.default_rng(1).uniform(size=(1, 96, 128, 3)).astype(np.float32)
    found = []
    for source in (demo_source, settled(checkpoint.resolve(str(tmp_path / "mine.onnx")), None)):
        reference = open_reference(source)
        found.append(mattes(source, reference, change, image_nhwc))
        assert np.abs(found[-1] - reference.run(image_nhwc)).max() > 1e-3
    np.testing.assert_allclose(*found, atol=1e-4)
