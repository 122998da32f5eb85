"""Whether an artefact survives fp16, by its largest numbers and by its worst image."""

from __future__ import annotations

import math

import numpy as np
import pytest

from converters.tflite.fp16_safety import Magnitude, Numbers
from converters.tflite.fp16_sums import SumError
from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.record import manifest
from modnet_export.record.contract import Size
from modnet_export.record.recipes import recipe
from modnet_export.verifying.fp16_safety import examine
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Fp16Safety
from tests.modnet_export.verifying import made


def test_gpu_tuned_model_survives(exported):
    # In a smaller picture the demo network is too unsure for fp16's limit.
    folder = exported(size=Size(height=160, width=192), formats=("tflite",), precisions=("fp16",))
    (found,) = verify(VerifyRequest(folder, fp16_safety=True)).fp16_safety
    assert found.passed
    assert found.overflows == ()
    assert found.mad is not None
    assert found.worst_mad is not None
    assert found.mad < found.worst_mad < 1e-3
    assert found.worst_input == "photo"
    assert 0 < found.sums[0].relative_error < 0.01
    assert not any(item.terms > 3000 for item in found.sums)
    assert found.largest[0].largest >= found.largest[-1].largest > 0


def test_squares_beyond_fp16_are_named(dist):
    """Of an image a thousand times as bright as white: the norms of the cpu tuning do not prescale."""
    artefact = manifest.load(dist).artefacts[2]
    image_nhwc, place = inputs.builtin()[0].load(Size(height=96, width=128))
    sample = Sample("photo", 1000 * image_nhwc, image_nhwc[..., :1], place)
    found = examine(dist / artefact.file, artefact, [sample])
    assert not found.passed
    assert "MUL" in {item.op for item in found.overflows}
    assert all(item.largest > 65504 for item in found.overflows)


class _Rounded:
    """An interpreter whose matte is the image's first channel: a white image stands for one that fp16 moves."""

    def get_input_details(self):
        return [{"index": 0}]

    def get_output_details(self):
        return [{"index": 1}]

    def set_tensor(self, index, image_nhwc):
        self.image_nhwc = image_nhwc

    def invoke(self):
        pass

    def get_tensor(self, index):
        return self.image_nhwc[..., :1]


class _Exact:
    def run(self, image_nhwc):
        return np.zeros((1, 32, 32, 1), np.float32)


@pytest.mark.parametrize(
    ("off", "lost", "passed"),
    [(1e-5, 1e-3, True), (0.04, 1e-3, False), (math.nan, 1e-3, False), (1e-5, 0.018, False), (1e-5, math.inf, False)],
)
def test_one_bad_image_in_many_fails_and_one_convolution(tmp_path, monkeypatch, off, lost, passed):
    path = tmp_path / "modnet_fp16.tflite"
    path.write_bytes(b"")
    monkeypatch.setattr("converters.tflite.fp16_safety.round_activations", bytes)
    monkeypatch.setattr(
        "converters.tflite.fp16_safety.numbers",
        lambda _, images: Numbers(
            [Magnitude("ADD", "x", len(list(images)), "sum")], [SumError("CONV_2D", "y", 9, lost, 1)]
        ),
    )
    monkeypatch.setattr("converters.tflite.interpreter.interpreter", lambda *_, **__: (_Rounded(), "engine"))
    monkeypatch.setattr("modnet_export.verifying.fp16_safety.open_runtime", lambda _: _Exact())
    moved = [1e-5] * 24 + [off] + [1e-5] * 25
    samples = [
        Sample(str(at), np.full((1, 32, 32, 3), value, np.float32), np.zeros((1, 32, 32, 1), np.float32))
        for at, value in enumerate(moved)
    ]
    found = examine(path, made.artefact(recipe("tflite", "fp16"), {}), samples)
    assert (found.passed, found.images) == (passed, 50)
    assert passed or found.loses or found.worst_input == "24"
    assert found.loses == (lost > 0.01)
    assert Fp16Safety.model_validate_json(found.model_dump_json()) == found
