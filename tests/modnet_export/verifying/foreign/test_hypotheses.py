"""Each fault that users of other converters meet, seeded into a sound model, is named with its effect and its mend."""

from __future__ import annotations

from functools import partial

import onnx
import pytest

from modnet_export.verifying.foreign.reading import IMAGENET_DEVIATION, IMAGENET_MEAN
from modnet_export.verifying.foreign.run import ForeignRequest, verify_foreign
from tests.modnet_export.verifying.foreign import faulty

_NORMALISED = {  # what a network that normalises by itself is given
    "never normalised": (0.5, 0.5),
    "normalised twice": (2, -1),
    "ImageNet's normalisation": (
        [0.5 / deviation for deviation in IMAGENET_DEVIATION],
        [0.5 - 0.5 * mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)],
    ),
    "divided by 255 twice": (1 / 255, 0),
}


def verified(model, tmp_path, **asked):
    path = tmp_path / "theirs.onnx"
    onnx.save(model, path)
    return verify_foreign(ForeignRequest((path,), "demo", **asked))


def spoiled(small_onnx, *spoils):
    model = onnx.ModelProto()
    model.CopyFrom(small_onnx)
    for spoil in spoils:
        spoil(model)
    return model


def diagnosis(small_onnx, tmp_path, *spoils, **asked):
    result = verified(spoiled(small_onnx, *spoils), tmp_path, **asked)
    assert not result.passed
    (found,) = result.diagnoses
    return found


FAULTS = {
    **{name: faulty.affine(*values) for name, values in _NORMALISED.items()},
    "BGR": faulty.bgr,
    "NHWC read as NCHW": partial(faulty.nhwc, reshaped=True),
    "resize: align corners": faulty.resizing("align_corners"),
    "resize: asymmetric": faulty.resizing("asymmetric"),
    "resize: nearest": faulty.resizing("nearest"),
    "SAME padding": faulty.same_padding,
    "logits": faulty.logits,
    "sigmoid twice": faulty.sigmoid_twice,
    "inverted": faulty.elementwise("Sub", 1, first=True),
    "scaled to -1..1": faulty.from_minus_one,
    "squared": faulty.squared,
    "premultiplied": faulty.premultiplied,
    "shifted: 1 down": faulty.shifted,
    "another checkpoint's weights": faulty.other_weights,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_effect_and_its_mend(name, small_onnx, tmp_path):
    found = diagnosis(small_onnx, tmp_path, FAULTS[name], input_range="0..1")
    print(found.model_dump_json(indent=1))
    assert found.hypotheses == (name,)
    assert found.mend
