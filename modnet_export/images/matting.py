"""From an image to its matte, by any model: an artefact at its own size, a checkpoint or a user's ONNX model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converters.choices import ComputeUnit
from converters.errors import CheckFailedError, ExportError, ExportWarning
from converters.runtimes import Runtime, open_runtime
from modnet_export.images.imaging import (
    Pixels,
    Placement,
    as_pixels,
    demo_photo,
    fit_image,
    released_size,
    restore_matte,
)
from modnet_export.model import checkpoint
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import OnnxReference, Reference, TorchReference
from modnet_export.record import manifest
from modnet_export.record.choices import Fit, InputRange

_ARTEFACTS = (".tflite", ".mlpackage")
# Rounding to 8 or 16 bits, and resizing, leave a matte within this of [0, 1].
_BEYOND = 0.1
# Mattes of one portrait by two trained networks differ by less than this in the mean, and a third of it is usual.
_ALIKE = 0.1


@dataclass(frozen=True)
class MattingRequest:
    """What computes mattes: an artefact's path, or a checkpoint by its path or name.

    ``fit`` None: letterbox for a model of one size, the released code's own sizes for others. ``threads`` None: the
    engine's choice. ``input_range`` None: found out, see ``settled``. ``force``: also by an artefact that missed its
    limits.
    """

    model: str
    fit: Fit | None = None
    threads: int | None = None
    compute_unit: ComputeUnit = "ALL"
    input_range: InputRange | None = None
    force: bool = False


class Matting:
    """One loaded model and the way images are fitted to it; ``size`` None: to the size that the released code takes."""

    def __init__(self, model: Runtime | Reference, size: tuple[int, int] | None, fit: Fit) -> None:
        self._model, self._size, self._fit = model, size, fit

    @property
    def engine(self) -> str:
        return self._model.engine

    def matte(self, image: npt.NDArray[np.generic]) -> Pixels:
        """RGB, H x W x 3, floats in [0, 1] or bytes, to its matte in [0, 1], H x W.

        Raises ExportError for any other array, and for a model that gives anything else than a matte.
        """
        image_nhwc, placement = self.fitted(image)
        return self.restored(self.run(image_nhwc), placement)

    def fitted(self, image: npt.NDArray[np.generic]) -> tuple[Pixels, Placement]:
        """The first step of ``matte``: the image as the model takes it, and where it lies there."""
        pixels = as_pixels(image)
        return fit_image(pixels, self._size or released_size(*pixels.shape[:2]), self._fit)

    def run(self, image_nhwc: Pixels) -> Pixels:
        """The second step: the model's own matte, 1 x h x w x 1."""
        matte_nhwc = self._model.run(image_nhwc)
        require_matte(matte_nhwc, "the model")
        return matte_nhwc

    def restored(self, matte_nhwc: Pixels, placement: Placement) -> Pixels:
        """The last step: the matte of the image."""
        return restore_matte(matte_nhwc, placement, self._fit)


def require_matte(matte_nhwc: Pixels, name: str) -> None:
    """Raise ExportError where what a model gave is no matte."""
    low, high = float(matte_nhwc.min()), float(matte_nhwc.max())
    if not (low >= -_BEYOND and high <= 1 + _BEYOND):
        raise ExportError(
            f"{name} gives values from {low:.3g} to {high:.3g}",
            where="its output",
            expected="a matte in [0, 1]",
            next_step="check that it is a matting network with its last sigmoid, and what it takes: `input_range`",
        )


def open_matting(request: MattingRequest) -> Matting:
    """Load a model.

    Raises ExportError when it cannot be loaded, and where one that takes any size is asked for another fit than
    ``released``; CheckFailedError for an artefact that missed its limits.
    """
    path = Path(request.model)
    if not request.force:
        _require_passed(path)
    if path.suffix.lower() in _ARTEFACTS:
        _refuse_range(request.input_range, path.name)
        runtime = open_runtime(path, threads=request.threads, compute_unit=request.compute_unit)
        return Matting(runtime, runtime.size, request.fit or "letterbox")
    source = settled(checkpoint.resolve(request.model), request.input_range)
    model: Reference
    if source.kind == "onnx":
        model = OnnxReference(source.path, source.input_range, request.threads)
        if model.ports.size is not None:
            return Matting(model, model.ports.size, request.fit or "letterbox")
    else:
        model = TorchReference(source, request.threads)
    if request.fit not in (None, "released"):
        raise ExportError(
            f"{path.name} runs at each image's own size, so there is nothing to {request.fit}",
            where="`fit`",
            expected="released, or an exported model",
            next_step="leave `fit` out, or take an exported model",
        )
    return Matting(model, None, "released")


def _require_passed(path: Path) -> None:
    try:
        recorded = manifest.load(path.parent)
    except ExportError:  # a model that no export of ours wrote
        return
    if any(item.file == path.name and not item.passed for item in recorded.artefacts):
        raise CheckFailedError(
            f"{path.name} missed its limits when it was exported",
            where=path,
            expected="a model that gives the reference's matte",
            next_step="export it again, or take it as it is: `force`",
        )


def _refuse_range(asked: InputRange | None, name: str) -> None:
    if asked is not None:
        raise ExportError(
            f"what {name} takes is known already",
            where="`input_range`",
            expected="a model in ONNX",
            next_step="leave `input_range` out",
        )


def settled(source: Source, asked: InputRange | None) -> Source:
    """A source with the range of values that a user's ONNX model takes: as asked, or as found out.

    A graph that normalises its input takes 0..1. Any other one takes -1..1, as released, unless its matte of the
    built-in portrait is right for 0..1 only; a warning says so where that decides, and where neither matte is right.
    Raises ExportError for a file that is no such model, and where a range is asked for that is no ONNX model's.
    """
    if source.kind != "onnx":
        _refuse_range(asked, source.name)
        return source
    from modnet_export.model.onnx_ports import ports, read_onnx

    told = ports(read_onnx(source.path, checked=False), source.path, asked)
    if asked is not None or told.normalises:
        return replace(source, input_range=told.input_range)
    released, inside = _off(source, ("-1..1", "0..1"))
    found: InputRange = "0..1" if inside < min(_ALIKE, released / 2) else "-1..1"
    if found == "0..1" or _ALIKE < released < math.inf:
        warnings.warn(
            f"{source.path.name} is assumed to take an image of {found}: its graph does not normalise, and its matte "
            f"of the built-in portrait is off by {released:.2g} with -1..1 and by {inside:.2g} with 0..1. If this is "
            "wrong, set `input_range`",
            ExportWarning,
            stacklevel=2,
        )
    return replace(source, input_range=found)


def _off(source: Source, ranges: Sequence[InputRange]) -> list[float]:
    """The mean difference between a model's matte of the built-in portrait, if it takes each range, and our own."""
    known = TorchReference(checkpoint.resolve(checkpoint.EMBEDDED))
    reference = OnnxReference(source.path)
    size = reference.ports.size

    def matte(model: Reference) -> Pixels | None:
        try:
            return Matting(model, size, "released" if size is None else "letterbox").matte(demo_photo())
        except (ExportError, ValueError):  # no matte, or no size for MODNet: export says more
            return None

    expected = matte(known)
    found = [matte(reference.taking(item)) for item in ranges]
    return [math.inf if expected is None or one is None else float(np.abs(one - expected).mean()) for one in found]
