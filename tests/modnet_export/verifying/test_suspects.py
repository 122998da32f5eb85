"""Which op is to blame: here what it is told by; that defects are located is in test_mutations."""

from __future__ import annotations

import numpy as np
import pytest

from converters.diagnose.bisect import Divergence
from converters.diagnose.tracing import Step, Tensor
from modnet_export import VerifyRequest, verify
from modnet_export.images.inputs import builtin
from modnet_export.record import manifest
from modnet_export.verifying import suspects as room
from modnet_export.verifying.tolerances import ToleranceChanges


def step(name, *inputs):
    return Step(name, "Conv", name, inputs, Tensor((4,), np.zeros(4, np.float32)))


@pytest.mark.parametrize(
    ("kind", "reader", "parent_op", "words"),
    [
        ("leaves", None, None, "but its result equals no tensor there"),
        ("leaves", "r", "p", "does not: compare it with Conv p, or look at Conv r, which reads it"),
        ("scales", "r", None, "but its result is a multiple of what it should be"),
        ("drops", None, None, "the largest loss of precision is in this op"),
    ],
)
def test_explanation_says_where_to_look(dist, monkeypatch, kind, reader, parent_op, words):
    found = Divergence(step("x"), reader and step(reader), parent_op and step(parent_op), -np.inf, 120.0, kind)
    monkeypatch.setattr("converters.diagnose.bisect.diverge", lambda *_: found)
    one = room.suspect(manifest.load(dist).artefacts[0], [], "the parent", [])
    assert one is not None
    assert one.explanation.endswith(words)
    assert (one.op, one.reader, one.parent_op) == (
        "Conv x",
        (reader and "Conv r") or "",
        (parent_op and "Conv p") or "",
    )
    assert (one.snr_db, one.inputs_snr_db) == (None, 120.0)


def test_nothing_is_loaded_where_nothing_failed(dist):
    links, recorded = verify(VerifyRequest(dist)).links, manifest.load(dist)
    image_nhwc, _ = builtin()[0].load(recorded.size)
    assert room.suspects(dist, recorded, links, lambda: pytest.fail("loaded"), image_nhwc) == []


def test_only_artefacts_with_a_sound_parent_are_searched(dist):
    changes = ToleranceChanges.parse(["max_abs_difference=1e-12"])
    result = verify(VerifyRequest(dist, builtin()[:1], tolerances=changes, bisect=True))
    assert {item.artefact for item in result.suspects} <= {"modnet_fp32.onnx"}
