"""Each fault that users of other converters meet, seeded into a sound model, is named with its effect and its mend."""

from __future__ import annotations

from functools import partial

import onnx
import pytest

from modnet_export.verifying.foreign import hypotheses
from modnet_export.verifying.foreign.reading import IMAGENET_DEVIATION, IMAGENET_MEAN
from modnet_export.verifying.foreign.run import ForeignRequest, verify_foreign
from tests.modnet_export.verifying.foreign import faulty

_GIVEN = {  # what a network that normalises by itself is given: scale and shift of the image
    "never normalised": (0.5, 0.5),
    "normalised twice": (2, -1),
    "ImageNet's normalisation": (
        [0.5 / deviation for deviation in IMAGENET_DEVIATION],
        [0.5 - 0.5 * mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)],
    ),
    "never divided by 255": (127.5, 0.5),
    "divided by 255 too late": (255, 0),
    "divided by 255 twice": (1 / 255, 0),
}


def verified(model, tmp_path, checkpoint="demo", **asked):
    path = tmp_path / "theirs.onnx"
    onnx.save(model, path)
    return verify_foreign(ForeignRequest((path,), checkpoint, **asked))


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
    **{name: faulty.affine(*values) for name, values in _GIVEN.items()},
    "BGR": faulty.bgr,
    "NHWC read as NCHW": partial(faulty.nhwc, reshaped=True),
    "NCHW read as NHWC": faulty.nchw_reshaped,
    "upside down": faulty.upside_down,
    "resize: align corners": faulty.resizing("align_corners"),
    "resize: asymmetric": faulty.resizing("asymmetric"),
    "resize: asymmetric, enlarging": faulty.resizing("asymmetric", at_least=1),
    "resize: nearest": faulty.resizing("nearest"),
    "SAME padding": faulty.same_padding,
    "logits": faulty.logits,
    "sigmoid twice": faulty.sigmoid_twice,
    "inverted": faulty.elementwise("Sub", 1, first=True),
    "not scaled to 255": faulty.elementwise("Div", 255),
    "scaled to -1..1": faulty.from_minus_one,
    "squared": faulty.squared,
    "premultiplied": faulty.premultiplied,
    "premultiplied grey": faulty.premultiplied_grey,
    "mirrored": faulty.mirrored,
    "shifted: 1 down": faulty.shifted,
    "another checkpoint's weights": faulty.other_weights,
    "overflow in fp16": faulty.shows_overflow,
    "collapsed int8 range": faulty.clipped_in_integers,
}


# What the network is given here is no photograph any more.
UNLIKE_A_PHOTOGRAPH = ("divided by 255 twice", "NHWC read as NCHW", "NCHW read as NHWC")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_effect_and_its_mend(name, small_onnx, brighter_file, tmp_path):
    if name in UNLIKE_A_PHOTOGRAPH:
        spoils, asked = (faulty.brighter, FAULTS[name]), {"checkpoint": brighter_file}
    else:
        spoils, asked = (FAULTS[name],), {}
    found = diagnosis(small_onnx, tmp_path, *spoils, input_range="0..1", **asked)
    assert found.hypotheses == (name,)
    assert found.cause and found.mend
    assert found.without is None or found.without > 1e-4
    if name == "another checkpoint's weights":
        assert found.left is None
    else:
        assert found.left < 0.05 * (found.without or 1)


def test_the_table_of_hypotheses_is_seeded_as_a_whole():
    """But for directions of a shift, the parts of the network that a resize is wrong in, and what is read anyway."""
    families = {item.name.split(",")[0].split(":")[0] for item in hypotheses.FAULTS} - {"scaled by 255"}
    assert families <= {name.split(",")[0].split(":")[0] for name in FAULTS}


PAIRS = {
    ("never normalised", "BGR"): (faulty.affine(*_GIVEN["never normalised"]), faulty.bgr),
    ("BGR", "inverted"): (faulty.bgr, faulty.elementwise("Sub", 1, first=True)),
    ("SAME padding", "logits"): (faulty.same_padding, faulty.logits),
}


@pytest.mark.parametrize("names", PAIRS, ids=" and ".join)
def test_two_faults_are_named_together(names, small_onnx, tmp_path):
    found = diagnosis(small_onnx, tmp_path, *PAIRS[names], input_range="0..1")
    assert set(found.hypotheses) == set(names)
    assert found.left < 1e-3


def test_a_fault_is_found_in_a_file_whose_range_is_not_known(small_onnx, tmp_path):
    """The network without its normalisation, with BGR: which range it takes is not sure, and found by diagnosis."""
    found = diagnosis(small_onnx, tmp_path, faulty.bgr, faulty.affine(0.5, 0.5))
    assert found.hypotheses == ("BGR",)
    assert found.left < 1e-5


def test_what_nothing_explains_is_said_to_be_unexplained(small_onnx, tmp_path):
    found = diagnosis(small_onnx, tmp_path, faulty.twirled)
    assert not found.explained
    assert f"none of the {len(hypotheses.FAULTS)} faults" in found.cause
    assert "`bisect`" in found.mend


def test_a_convolution_with_wrong_weights_is_named(small_onnx, tmp_path, modnet):
    found = diagnosis(small_onnx, tmp_path, faulty.wrong_weights)
    assert not found.explained
    wrong = next(name for name, value in modnet.named_parameters() if value.ndim == 4 and value.shape[1] == 96)
    assert found.cause.startswith("1 of ") and wrong.removesuffix(".weight") in found.cause


def test_a_constant_matte_is_explained_by_nothing(small_onnx, tmp_path):
    """Many faults leave an empty matte; being as empty is no proof of any."""
    found = diagnosis(small_onnx, tmp_path, faulty.elementwise("Mul", 0))
    assert not found.explained


def test_another_checkpoint_at_hand_is_named(small_onnx, tmp_path, modnet):
    from safetensors.torch import save_file

    other = {key: value.clone() for key, value in modnet.state_dict().items()}
    for key, value in other.items():
        if value.ndim == 4:
            other[key] = value.flip(0)
    other |= {
        key.replace("backbone.", "lr_branch.backbone.", 1): other[key] for key in other if key.startswith("backb")
    }
    save_file({key: value.contiguous().clone() for key, value in other.items()}, tmp_path / "other.safetensors")
    path = tmp_path / "theirs.onnx"
    onnx.save(small_onnx, path)
    (found,) = verify_foreign(ForeignRequest((path,), str(tmp_path / "other.safetensors"))).diagnoses
    assert found.hypotheses == ("another checkpoint's weights",)
    assert "those of 'demo'" in found.cause and "`checkpoint=demo`" in found.mend
    assert found.left < 1e-5
