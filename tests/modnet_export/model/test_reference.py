"""What artefacts are compared with does not depend on the machine that it runs on."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from modnet_export.images.inputs import builtin
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import open_reference
from modnet_export.record.contract import Size


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
