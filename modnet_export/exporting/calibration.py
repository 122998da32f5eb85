"""The representative dataset of one export, loaded when the first artefact needs it and kept for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from converters.runtimes import Image
from modnet_export.images import representative
from modnet_export.images.representative import Matting
from modnet_export.record.contract import Size


class Calibration:
    """The images that quantization is calibrated with, each 1 x H x W x 3 in [0, 1].

    ``folder`` None: the built-in set. ``matting`` opens a float model, which tells whether a user's image shows
    anybody.
    """

    def __init__(self, folder: Path | None, size: Size, matting: Callable[[], Matting]) -> None:
        self._folder, self._size, self._matting = folder, size, matting
        self._loaded: Sequence[Image] | None = None

    @property
    def record(self) -> str | None:
        """What a manifest says of it: null where no artefact needed it."""
        if self._loaded is None:
            return None
        return representative.BUILT_IN if self._folder is None else str(self._folder.resolve())

    def images(self) -> Sequence[Image]:
        if self._loaded is None:
            self._loaded = representative.images(self._folder, self._size, self._matting())
        return self._loaded
