"""From an image to its matte, by any model: a checkpoint at the released sizes, or an artefact at its own size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from converters.choices import ComputeUnit
from converters.errors import ExportError
from converters.runtimes import Runtime, open_runtime
from modnet_export.images.imaging import Pixels, fit_image, released_size, restore_matte
from modnet_export.model import checkpoint
from modnet_export.record.choices import Fit

_ARTEFACTS = (".onnx", ".tflite", ".mlpackage")


@dataclass(frozen=True)
class MattingRequest:
    """What computes mattes: an artefact's path, or a checkpoint by its path or name.

    ``fit`` None: letterbox for an artefact, the released code's own sizes for a checkpoint. ``threads`` None: the
    engine's choice.
    """

    model: str
    fit: Fit | None = None
    threads: int | None = None
    compute_unit: ComputeUnit = "ALL"


class Matting:
    """One loaded model and the way images are fitted to it."""

    def __init__(self, model: Runtime, fit: Fit) -> None:
        self._model, self._fit = model, fit

    @property
    def engine(self) -> str:
        return self._model.engine

    def matte(self, image: Pixels) -> Pixels:
        """RGB in [0, 1], H x W x 3, to its matte in [0, 1], H x W."""
        image_nhwc, placement = fit_image(image, self._model.size, self._fit)
        return restore_matte(self._model.run(image_nhwc), placement, self._fit)


class CheckpointMatting:
    """The network in PyTorch, at the size that the released code chooses for each image."""

    def __init__(self, source: checkpoint.Source, threads: int | None) -> None:
        import torch

        from modnet_export.model.reference import TorchReference

        if threads is not None:
            torch.set_num_threads(threads)
        self._reference = TorchReference(source)
        self.engine = self._reference.engine

    def matte(self, image: Pixels) -> Pixels:
        """RGB in [0, 1], H x W x 3, to its matte in [0, 1], H x W."""
        image_nhwc, placement = fit_image(image, released_size(*image.shape[:2]), "released")
        return restore_matte(self._reference.run(image_nhwc), placement, "released")


def open_matting(request: MattingRequest) -> Matting | CheckpointMatting:
    """Load a model.

    Raises ExportError when it cannot be loaded, and where a checkpoint is asked for another fit than ``released``.
    """
    if Path(request.model).suffix in _ARTEFACTS:
        runtime = open_runtime(Path(request.model), threads=request.threads, compute_unit=request.compute_unit)
        return Matting(runtime, request.fit or "letterbox")
    if request.fit not in (None, "released"):
        raise ExportError(
            f"a checkpoint runs at each image's own size, so there is nothing to {request.fit}",
            where="`fit`",
            expected="released, or an exported model",
            next_step="leave `fit` out, or take an exported model",
        )
    return CheckpointMatting(checkpoint.resolve(request.model), request.threads)
