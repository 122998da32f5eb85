"""The representative dataset of one export, loaded when the first artefact needs it and kept for the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from converters.runtimes import Image
from modnet_export.images import representative
from modnet_export.record.contract import Size


class Calibration:
    """The images that quantization is calibrated with, each 1 x H x W x 3 in [0, 1].

    ``folder`` None: the built-in set. The float model tells whether a user's image shows anybody.
    """

    def __init__(self, folder: Path | None, size: Size) -> None:
        self._folder, self._size = folder, size
        self._loaded: dict[int, Sequence[Image]] = {}

    @property
    def record(self) -> str | None:
        """What a manifest says of it: null where no artefact needed it."""
        if not self._loaded:
            return None
        return representative.BUILT_IN if self._folder is None else str(self._folder.resolve())

    def images(self, fp32: bytes) -> Sequence[Image]:
        """Those that ranges and rounding are taken from; ``fp32`` is the float TFLite model."""
        return self._images(fp32, representative.COUNT)

    def searched(self, fp32: bytes) -> Sequence[Image]:
        """Those that a search measures on: more of them."""
        return self._images(fp32, representative.SEARCHED)

    def _images(self, fp32: bytes, count: int) -> Sequence[Image]:
        from converters.tflite.interpreter import function

        if count not in self._loaded:
            self._loaded[count] = representative.images(self._folder, self._size, function(fp32), count)
        return self._loaded[count]
