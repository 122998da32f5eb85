"""What every engine is to its callers: one image in, one matte out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from converters.errors import ExportError

Image = npt.NDArray[np.float32]


class Runtime(Protocol):
    """A loaded model with one image input and one matte output."""

    @property
    def engine(self) -> str:
        """Name and version of the engine."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels that the model takes."""
        ...

    def run(self, image_nhwc: Image) -> Image:
        """RGB in [0, 1], 1 x H x W x 3, to a matte in [0, 1], 1 x H x W x 1."""
        ...


def one_port(path: Path, kind: str, found: list[tuple[str, list[Any]]], channels: int, axis: int) -> list[int]:
    """The static shape of a model's only input or output, which has ``channels`` at ``axis``.

    ``kind`` is ``input`` or ``output``, ``found`` the names and shapes of the model's ports of this kind. Raises
    ExportError for a model with other ports.
    """
    if len(found) == 1:
        shape = found[0][1]
        if len(shape) == 4 and all(isinstance(item, int) and item > 0 for item in shape) and shape[axis] == channels:
            return [int(item) for item in shape]
    listing = ", ".join(f"{name} {shape}" for name, shape in found) or "none"
    raise ExportError(
        f"{path.name} has the {kind}s: {listing}",
        where=path,
        expected=f"one {kind} of static shape with {channels} channel(s)",
        next_step="choose a matting model: one image in, one matte out",
    )
