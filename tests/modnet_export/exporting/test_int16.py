"""int16x8 as its users get it: exported, judged on photographs that nothing was calibrated on, looked into."""

from __future__ import annotations

import numpy as np
import pytest

from modnet_export import Size
from modnet_export.cli import main
from modnet_export.images.matting import MattingRequest, open_matting
from modnet_export.record import manifest
from modnet_export.verifying import metrics
from modnet_export.verifying.tolerances import ToleranceChanges
from tests.modnet_export.images.test_representative import held_out


@pytest.fixture(scope="module")
def sixteen(exported):
    """Read only. At this small size 8-bit weights alone miss the usual limit on the built-in photo."""
    return exported(
        size=Size(height=96, width=128),
        formats=("tflite",),
        precisions=("fp32", "int16x8"),
        tolerances=ToleranceChanges.parse(["mad=0.012"]),
    )


def test_the_matte_of_held_out_photographs_stays(sixteen):
    ours, floats = (
        open_matting(MattingRequest(str(sixteen / name))) for name in ("modnet_int16x8.tflite", "modnet_fp32.tflite")
    )
    errors = [metrics.mad(ours.matte(photo), floats.matte(photo)) for photo in held_out()]
    assert np.mean(errors) < 0.004
    assert max(errors) < 0.01


def test_the_manifest_tells_where_it_runs_and_how_large_it_is(sixteen):
    floats, ours = manifest.load(sixteen).artefacts
    assert (ours.precision, ours.contract.image.dtype, ours.minimum_runtime) == ("int16x8", "float32", "2.15.0")
    assert ours.recipe.written_for(ours.tuning) == "npu"
    assert floats.recipe.written_for(floats.tuning) == "cpu"
    assert ours.bytes < 0.29 * floats.bytes
    taken = {item.accelerator: (item.possible == item.ops, item.partitions) for item in ours.placement}
    assert taken["Qualcomm's NPU"] == taken["MediaTek's NPU"] == (True, 1)
    assert not any(whole for name, (whole, _) in taken.items() if "NPU" not in name)


def test_explain_compares_it_with_the_float_model(sixteen, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explain", str(sixteen / "modnet_int16x8.tflite")])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "The matte has an SNR of" in shown
