from __future__ import annotations

import numpy as np
import pytest

from converters.coreml.package import Package
from converters.diagnose.inspection import inspect
from converters.runtimes import open_runtime

_STORED = {"int8": "int8", "palettized8": "uint8", "palettized6": "uint6", "palettized4": "uint4"}


@pytest.mark.parametrize(
    ("target", "precision", "share", "mad"),
    [
        ("iOS16", "int8", 0.28, 0.03),
        pytest.param("iOS16", "palettized8", 0.28, 0.03, marks=pytest.mark.slow),
        pytest.param("iOS16", "palettized6", 0.24, 0.05, marks=pytest.mark.slow),
        pytest.param("iOS16", "palettized4", 0.17, 0.2, marks=pytest.mark.slow),
        pytest.param("iOS18", "int8", 0.28, 0.03, marks=pytest.mark.slow),
        pytest.param("iOS18", "palettized6", 0.24, 0.05, marks=pytest.mark.slow),
        ("iOS18", "palettized4", 0.17, 0.2),
    ],
)
def test_compressed_weights_are_small_and_evaluated(packages, photo, expected, precision, share, mad, target):
    package = packages(precision, target=target)
    sizes = [sum(item.stat().st_size for item in path.rglob("*") if item.is_file()) for path in (package, packages())]
    assert sizes[0] <= share * sizes[1]
    small, whole = inspect(package), inspect(packages())
    assert small.parameters == pytest.approx(whole.parameters, rel=0.001)
    assert small.weight_types[_STORED[precision]] > 0.9 * small.parameters
    stored = {item.type for item in Package(package).operations if item.type.startswith("constexpr_")}
    names = {
        ("int8", "iOS16"): "constexpr_affine_dequantize",
        ("int8", "iOS18"): "constexpr_blockwise_shift_scale",
    }
    assert stored == {names.get((precision, target), "constexpr_lut_to_dense")}
    assert np.abs(open_runtime(package).run(photo) - expected).mean() <= mad
