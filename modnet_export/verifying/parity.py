"""Parity: does an artefact give the reference's matte?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from converters.runtimes import Image
from modnet_export.images.imaging import Placement
from modnet_export.images.inputs import Input, builtin
from modnet_export.model import checkpoint
from modnet_export.model.reference import Reference, open_reference
from modnet_export.record.contract import Size
from modnet_export.record.manifest import Manifest
from modnet_export.record.measures import Measurement, Tolerance
from modnet_export.verifying import metrics


@dataclass(frozen=True)
class Sample:
    """One input, 1 x H x W x 3 in [0, 1], with the reference's matte for it, 1 x H x W x 1."""

    name: str
    image_nhwc: Image
    matte_nhwc: Image
    placement: Placement | None = None
    """Where the picture lies in it; None: everywhere."""
    rounded_nhwc: Image | None = None
    """The reference's matte in another arithmetic, which tells its noise; None: not known."""

    def shown(self, matte_nhwc: Image) -> Image:
        """The part of a 1 x H x W x 1 matte that shows the picture, which is all that is measured: h x w.

        No app shows the rest, and an error in the picture would look smaller for it.
        """
        return matte_nhwc[0, :, :, 0] if self.placement is None else self.placement.shown(matte_nhwc)

    @property
    def noise(self) -> float | None:
        """How far float32 arithmetic alone takes the reference's matte; None: not known."""
        if self.rounded_nhwc is None:
            return None
        return metrics.max_abs_difference(self.shown(self.rounded_nhwc), self.shown(self.matte_nhwc))


def samples(reference: Reference, size: Size, inputs: Sequence[Input] = ()) -> list[Sample]:
    """Every input (the built-in ones where none are given) with the reference's matte for it."""
    loaded = [(item.name, *item.load(size)) for item in inputs or builtin()]
    mattes = [reference.beside_rounded(image_nhwc) for _, image_nhwc, _ in loaded]
    return [
        Sample(name, image_nhwc, matte_nhwc, place, rounded_nhwc)
        for (name, image_nhwc, place), (matte_nhwc, rounded_nhwc) in zip(loaded, mattes, strict=True)
    ]


def referenced(recorded: Manifest, inputs: Sequence[Input] = ()) -> list[Sample]:
    """``samples`` by the checkpoint that a folder was exported from; raises ExportError where it is gone."""
    return samples(open_reference(checkpoint.recorded(recorded.source)), recorded.size, inputs)


def compare(sample: Sample, predicted_nhwc: Image, tolerance: Tolerance) -> Measurement:
    """Take every measure of one matte (1 x H x W x 1) against the reference's, within the picture, and judge it."""
    predicted, expected = map(sample.shown, (predicted_nhwc, sample.matte_nhwc))
    values = metrics.against_reference(predicted, expected, noise=sample.noise)
    return Measurement.judged(sample.name, values, tolerance)
