from __future__ import annotations

import numpy as np

from converters.tflite import builder as fb
from converters.tflite.int8.ranges import Parameters
from converters.tflite.int8.sensitivity import sensitivities, with_rounding
from tests.converters.tflite.networks import operators, run


def test_sensitivity_is_that_of_rounding_one_group(small):
    errors = sensitivities(small.data, small.groups, small.scales, small.images[:2])
    assert len(errors) == len(small.groups)
    assert all(error > 0 for error in errors)
    coarse = {tensor: Parameters(16 * p.scale, p.zero_point) for tensor, p in small.scales.items()}
    worse = sensitivities(small.data, small.groups, coarse, small.images[:2])
    assert sum(worse) > 4 * sum(errors)


def test_what_is_known_is_not_measured_again(small):
    kept = {}
    first = sensitivities(small.data, small.groups, small.scales, small.images[:1], keep=kept.update)
    known = {name: value + 1 for name, value in kept.items()}
    again = sensitivities(small.data, small.groups, small.scales, small.images[:1], known=known)
    assert again == [value + 1 for value in first]


def test_rounding_the_input_is_rounding_the_image(small):
    model = fb.read(small.data)
    (port,) = map(int, model.subgraphs[0].inputs)
    scale, image = small.scales[port], small.images[0]
    np.testing.assert_allclose(
        run(with_rounding(model, {port: scale}), image), run(small.data, scale.rounded(image)), atol=1e-5
    )


def test_the_model_is_left_as_it_was(small):
    model = fb.read(small.data)
    before = fb.write(model)
    assert operators(with_rounding(model, small.scales)).count("QUANTIZE") == len(small.scales)
    assert fb.write(model) == before
