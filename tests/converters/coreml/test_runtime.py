from __future__ import annotations

import numpy as np
import pytest
import torch

from converters.coreml.interpreter import Evaluator
from converters.coreml.package import Package
from converters.coreml.quiet import ct
from converters.runtimes import open_runtime


@pytest.mark.parametrize("ports", ["image", "multiarray"])
def test_on_a_mac_core_ml_itself_predicts_with_the_chosen_compute_unit(packages, photo, expected, monkeypatch, ports):
    """A stand-in for MLModel that checks what Core ML's Python interface would be given."""
    from PIL import Image

    package, asked = packages("fp32", ports), {}
    evaluator = Evaluator(Package(package))

    class MLModel:
        def __init__(self, path, compute_units):
            asked["path"], asked["unit"] = path, compute_units

        def predict(self, inputs):
            value = inputs["image"]
            if ports == "image":
                assert isinstance(value, Image.Image)
                rgb = np.asarray(value, np.float32).transpose(2, 0, 1)[None]
                grey = evaluator.run({"image": torch.from_numpy(rgb)})["matte"].numpy()[0, 0]
                return {"matte": Image.fromarray(np.rint(grey).astype(np.uint8))}
            return {"matte": evaluator.run({"image": torch.from_numpy(np.array(value))})["matte"].numpy()}

    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(ct.models, "MLModel", MLModel)
    runtime = open_runtime(package, compute_unit="CPU_AND_NE")
    assert runtime.engine == "predicted by Core ML, CPU_AND_NE"
    assert asked == {"path": str(package), "unit": ct.ComputeUnit.CPU_AND_NE}
    np.testing.assert_allclose(runtime.run(photo), expected, atol=1e-4 + (0.5 / 255 if ports == "image" else 0))
