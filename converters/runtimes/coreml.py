"""Core ML packages: predicted by Core ML on a Mac, evaluated by ``converters.coreml.interpreter`` elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from converters.choices import ComputeUnit
from converters.eight_bit import from_bytes, to_bytes
from converters.runtimes.protocol import Image, one_port


def gives_half_image(port: Any) -> bool:
    """Whether an output is a grey image of fp16, which holds the matte as it is."""
    image = port.type.imageType
    return bool(port.type.WhichOneof("Type") == "imageType" and image.colorSpace == image.GRAYSCALE_FLOAT16)


class CoreMl:
    """A package with one image in and one matte out, as images or as NCHW multi-arrays.

    8-bit images are rounded as Core ML rounds them: to the nearest level from 0 to 255, both on the way in and on the
    way out. ``engine`` says ``evaluated`` or ``predicted``.
    """

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        *,
        compute_unit: ComputeUnit = "ALL",
        function: str | None = None,
    ) -> None:
        from converters.coreml.interpreter import Evaluator
        from converters.coreml.package import Package

        package = Package(path, function)
        description = package.description
        self._takes_image, (height, width) = self._port(path, "input", list(description.input), 3)
        gives_image, _ = self._port(path, "output", list(description.output), 1)
        self._gives_bytes = gives_image and not gives_half_image(description.output[0])
        self._input, self._output = description.input[0].name, description.output[0].name
        self._size = (height, width)
        self._evaluator: Any = None
        self._predictor: Any = None
        if sys.platform == "darwin":
            from converters.runtimes.predicting import Predictor

            self._predictor = Predictor(path, compute_unit, function)
            self._engine = f"predicted by Core ML, {compute_unit}"
        else:
            import torch

            if threads is not None:
                torch.set_num_threads(threads)
            self._evaluator = Evaluator(package)
            self._engine = "evaluated in PyTorch, not by Core ML"

    @staticmethod
    def _port(path: Path, kind: str, ports: list[Any], channels: int) -> tuple[bool, tuple[int, int]]:
        if len(ports) == 1 and ports[0].type.WhichOneof("Type") == "imageType":
            image = ports[0].type.imageType
            return True, (image.height, image.width)
        shapes = [(port.name, [int(size) for size in port.type.multiArrayType.shape]) for port in ports]
        _, _, height, width = one_port(path, kind, shapes, channels, 1)
        return False, (height, width)

    @property
    def engine(self) -> str:
        return self._engine

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def run(self, image_nhwc: Image) -> Image:
        rgb = to_bytes(image_nhwc).astype(np.float32) if self._takes_image else image_nhwc
        found = self._predict(rgb) if self._predictor is not None else self._evaluate(rgb)
        if self._gives_bytes:
            found = from_bytes(np.rint(found).clip(0, 255))
        return found.reshape(1, *self._size, 1)

    def _evaluate(self, image_nhwc: Image) -> Image:
        import torch

        image_nchw = torch.from_numpy(np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2)))
        result: Image = self._evaluator.run({self._input: image_nchw})[self._output].numpy()
        return result

    def _predict(self, image_nhwc: Image) -> Image:
        from PIL import Image as Picture

        value: Any = image_nhwc.transpose(0, 3, 1, 2)
        if self._takes_image:
            value = Picture.fromarray(image_nhwc[0].astype(np.uint8))
        return np.asarray(self._predictor.predict({self._input: value})[self._output], np.float32)
