from __future__ import annotations

from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.record import manifest
from modnet_export.record.contract import Size
from modnet_export.verifying.fp16_safety import examine
from modnet_export.verifying.parity import Sample


def test_gpu_tuned_model_survives(dist):
    (found,) = verify(VerifyRequest(dist, fp16_safety=True)).fp16_safety
    assert found.passed
    assert found.overflows == ()
    assert found.mad is not None
    assert found.worst_mad is not None
    assert found.mad < found.worst_mad < 1e-3
    assert found.worst_input == "noise"
    assert found.largest[0].largest >= found.largest[-1].largest > 0


def test_cpu_tuned_sums_are_named_as_overflowing(dist):
    artefact = manifest.load(dist).artefacts[2]
    image_nhwc, place = inputs.builtin()[0].load(Size(height=96, width=128))
    sample = Sample("photo", image_nhwc, image_nhwc[..., :1], place)
    found = examine(dist / artefact.file, artefact, [sample])
    assert not found.passed
    assert {item.op for item in found.overflows} == {"MEAN"}
    assert all(item.what == "sum" and item.largest > 65504 for item in found.overflows)
