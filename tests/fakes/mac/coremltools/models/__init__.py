import json
import os
import signal
from pathlib import Path

import numpy as np
from PIL import Image

from . import utils

__all__ = ["CompiledMLModel", "MLModel", "utils"]


class MLModel:  # coremltools/models/model.py
    """FAKE_ANSWERS is a folder with the image.npy that must come, as pixels or as a multi-array, and its matte.npy.

    FAKE_CRASH: "load UNIT" or "predict UNIT" ends the process, FAKE_ERROR is raised by ``predict``. FAKE_FUNCTION: the
    function that must be asked for.
    """

    def __init__(self, path, compute_units, function_name=None):
        from coremltools import ComputeUnit

        assert function_name == os.environ.get("FAKE_FUNCTION")
        assert Path(path, "Manifest.json").exists()
        self.unit, self.answers = ComputeUnit(compute_units).name, Path(os.environ["FAKE_ANSWERS"])
        print("Core ML talks on the standard output", flush=True)
        self._may_crash("load")

    def _may_crash(self, where):
        if os.environ.get("FAKE_CRASH") == f"{where} {self.unit}":
            os.kill(os.getpid(), signal.SIGSEGV)

    def predict(self, data):
        self._may_crash("predict")
        if "FAKE_ERROR" in os.environ:
            raise RuntimeError(os.environ["FAKE_ERROR"])
        (value,) = data.values()
        matte = np.load(self.answers / "matte.npy")
        np.testing.assert_array_equal(np.asarray(value), np.load(self.answers / "image.npy"))
        return {"matte": Image.fromarray(matte) if isinstance(value, Image.Image) else matte}


class CompiledMLModel:  # coremltools/models/_compiled_model.py
    def __init__(self, path, compute_units=None):
        from coremltools import ComputeUnit

        if not isinstance(path, str):
            raise TypeError('The "path" parameter must be of type "str".')
        if not isinstance(compute_units, ComputeUnit):
            raise TypeError('The "compute_units" parameter must be of type: "coremltools.ComputeUnit".')
        source = Path((Path(path) / "source").read_text())
        self.folder, self.file = source.parent, source.name
        if os.environ.get("FAKE_CRASH") == f"{self.file} {compute_units.name}":
            os.kill(os.getpid(), signal.SIGSEGV)
        self.bundle = json.loads((self.folder / "bundle.json").read_text())
        self.package = next(item for item in self.bundle["packages"] if item["file"] == self.file)

    def predict(self, data):
        value = data["image"]
        if self.package["images"]:
            if not isinstance(value, Image.Image):  # coremltools/models/model.py, _verify_pil_image_modes
                raise TypeError("Image input must be of type PIL.Image.Image")
            rgb = np.asarray(value)
        else:
            assert value.ndim == 4
            rgb = np.rint(value[0].transpose(1, 2, 0) * 255).astype(np.uint8)
        name = next(
            name
            for name in self.package["inputs"]
            if np.array_equal(np.load(self.folder / self.bundle["inputs"][name]["image"]), rgb)
        )
        scale = self.package["scale"]
        matte = np.load(self.folder / self.package["evaluated"][name]) + float(os.environ.get("FAKE_OFFSET", 0)) * scale
        if not self.package["images"]:
            return {"matte": matte[None, None].astype(np.float32)}
        if scale == 1:
            return {"matte": Image.fromarray(matte.astype(np.float32), "F")}
        rounded = np.floor(matte) if os.environ.get("FAKE_ROUNDING") == "down" else np.rint(matte)
        return {"matte": Image.fromarray(rounded.clip(0, 255).astype(np.uint8), "L")}
