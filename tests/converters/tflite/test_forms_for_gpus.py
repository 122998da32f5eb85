"""The forms in which ``--tune gpu`` writes norms and long sums are the cheapest by the estimate that users are shown.

Of those that are exact enough in fp16: a norm's plain form squares values beyond what fp16 holds, and a 5x5 convolution
of 1280 channels left whole adds 32,000 terms (docs/gpu.md).
"""

from __future__ import annotations

from itertools import product

import onnx_ir as ir
import pytest

from converters.onnx import passes
from converters.onnx.passes.instance_norm import FoldPartialInstanceNorm, WriteInstanceNorm
from converters.onnx.passes.resize import ConvBeforeResize
from converters.tflite.convert import convert
from converters.tflite.placement import ML_DRIFT, estimate

NORMS, SUMS = ("fp16, means in fp32", "fp16"), ("convolutions", "slices")


def written_with(norms, sums):
    """The passes for GPUs with other forms."""
    forms = {
        FoldPartialInstanceNorm: lambda: FoldPartialInstanceNorm(norms),
        WriteInstanceNorm: lambda: WriteInstanceNorm(norms),
        ConvBeforeResize: lambda: ConvBeforeResize(sums),
    }
    return [forms.get(type(item), lambda item=item: item)() for item in passes.passes("gpu")]


@pytest.fixture(scope="module")
def estimates(small_onnx):
    found = {}
    for form in product(NORMS, SUMS):
        chosen = written_with(*form)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(passes, "passes", lambda tuning, chosen=chosen: chosen)
            found[form] = estimate(convert(passes.optimise(ir.from_proto(small_onnx), "gpu"), for_gpu=True), ML_DRIFT)
    return found


@pytest.mark.parametrize("cost", ["launches", "bytes_moved"])
def test_the_forms_for_gpus_are_the_cheapest_of_those_that_are_exact_enough(estimates, cost):
    written = estimates[NORMS[0], SUMS[0]]
    others = [getattr(item, cost) for form, item in estimates.items() if form != (NORMS[0], SUMS[0])]
    assert len(others) == 3
    assert getattr(written, cost) < min(others)


def test_the_first_forms_are_those_that_are_written(estimates, small_onnx):
    data = convert(passes.optimise(ir.from_proto(small_onnx), "gpu"), for_gpu=True)
    assert estimate(data, ML_DRIFT) == estimates[NORMS[0], SUMS[0]]
