"""Engines in processes of their own that take turns, and what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers import sessions
from benchmarks.peers.catalogue import PRODUCT, Peer
from converters.runtimes import open_runtime


@pytest.fixture
def work(dist, tmp_path):
    """A small export's photo, with ONNX Runtime's matte of it as the reference's."""
    image_nhwc = np.random.default_rng(0).random((1, 96, 128, 3), np.float32)
    np.save(tmp_path / sessions.IMAGE, image_nhwc)
    np.save(tmp_path / sessions.MATTE, open_runtime(dist / "modnet_fp32.onnx").run(image_nhwc))
    (tmp_path / "dist").symlink_to(dist)
    (tmp_path / "broken.tflite").write_bytes(b"no model")
    return tmp_path


def test_engines_take_turns_and_one_that_refuses_its_model_says_why(work, monkeypatch):
    monkeypatch.setattr(sessions, "PRODUCT_SIDE", 64)
    rows = [Peer("ours", "dist/modnet_fp32.tflite"), Peer("other", "broken.tflite")]
    found = sessions.hold(rows, work, threads=1, seconds=0.5)
    assert list(found.samples_ms) == ["ours", PRODUCT]
    assert len(set(map(len, found.samples_ms.values()))) == 1
    assert 0 < found.differences["ours"][0] < found.differences["ours"][1] < 1e-4
    assert list(found.differences) == ["ours"]
    assert "other ended with 1: " in found.refused["other"]
    assert "broken.tflite" in found.refused["other"]
    assert (found.threads, found.conditions["size"]) == (1, "96x128")

    sessions.keep(found, work)
    assert sessions.kept(work) == [found]
