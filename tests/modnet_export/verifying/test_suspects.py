"""Which op is to blame: here what it is told by; that faults are placed is in test_faults and test_mutations."""

from __future__ import annotations

import numpy as np
import pytest

from converters.diagnose.bisect import Divergence
from converters.diagnose.rerun import Node
from converters.diagnose.tracing import Step, tensor
from modnet_export import VerifyRequest, verify
from modnet_export.images.inputs import builtin
from modnet_export.record import manifest
from modnet_export.record.measures import Measurement
from modnet_export.verifying import suspects as room
from modnet_export.verifying.result import with_changes
from modnet_export.verifying.tolerances import ToleranceChanges

OP, READER = Node("x", "Conv", ("w",), ("x_out",)), Node("r", "Relu", ("x_out",), ("r_out",))
PARENT = Step("p", "Conv", "p", (), tensor(np.zeros(4)))


@pytest.mark.parametrize(
    ("kind", "channel", "beside", "words"),
    [
        ("leaves", None, (), "its result is wrong: it should be that of Conv p"),
        ("leaves", 3, (), "its result is wrong in channel 3: it should be that of Conv p"),
        ("leaves", None, (Node("q", "Pad", (), ("q",)),), "that of Conv p (together with Pad q)"),
        ("not finite", None, (), "which are finite, it makes NaN or infinity"),
        ("rounding", None, (), "The difference is rounding, and this op's moves the matte most (42 dB)"),
    ],
)
def test_explanation_says_where_to_look(dist, monkeypatch, kind, channel, beside, words):
    found = Divergence(OP, beside, READER, PARENT, 42.0, kind, channel)
    monkeypatch.setattr("converters.diagnose.bisect.diverge", lambda *_: found)
    one = room.suspect(manifest.load(dist).artefacts[0], None, "the parent", [], None)
    assert one is not None
    assert one.explanation.endswith(words)
    assert (one.op, one.tensor, one.reader, one.parent_op) == ("Conv x", "x_out", "Relu r", "Conv p")
    assert one.rounding == (kind == "rounding")


def test_nothing_is_loaded_where_nothing_failed(dist):
    links, recorded = verify(VerifyRequest(dist)).links, manifest.load(dist)
    fail = pytest.fail
    assert room.suspects(dist, recorded, links, lambda: fail("loaded"), lambda name: fail("an input")) == []


def test_only_artefacts_with_a_sound_parent_are_searched_and_rounding_is_called_so(dist):
    changes = ToleranceChanges.parse(["max_abs_difference=1e-12"])
    result = verify(VerifyRequest(dist, builtin()[:1], tolerances=changes, bisect=True))
    assert [(item.artefact, item.rounding) for item in result.suspects] == [("modnet_fp32.onnx", True)]


def test_the_input_that_failed_is_run(dist, monkeypatch):
    """Not the first one, on which the artefact may be sound."""
    recorded = manifest.load(dist)
    links = verify(VerifyRequest(dist)).links
    failed = [
        with_changes(
            link,
            verdict="failed",
            reason="too far",
            measurements=[
                Measurement.model_validate(
                    {**item.model_dump(), "passed": index > 0, "missed": () if index else ("mad",)}
                )
                for index, item in enumerate(reversed(link.measurements))
            ],
        )
        for link in links[:1]
    ]
    asked = []

    def image_of(name):
        asked.append(name)
        return np.zeros((1, recorded.size.height, recorded.size.width, 3), np.float32)

    monkeypatch.setattr(room, "suspect", lambda *_: None)
    reference = type("Reference", (), {"trace": lambda self, image: []})
    assert room.suspects(dist, recorded, failed, reference, image_of) == []
    assert asked == [links[0].measurements[-1].input]
    assert asked != [links[0].measurements[0].input]
