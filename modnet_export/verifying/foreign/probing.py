"""How well a hypothesis fits: the file's matte beside the one that a file with this fault would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from converters.runtimes import Image
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import Reference
from modnet_export.record.measures import LEAST_NOISE
from modnet_export.record.recipes import Recipe
from modnet_export.verifying import metrics
from modnet_export.verifying.foreign.hypotheses import AS_IT_IS, Hypothesis
from modnet_export.verifying.foreign.networks import mattes
from modnet_export.verifying.foreign.reading import ForeignModel, RangeName
from modnet_export.verifying.foreign.weights import Held, held
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Diagnosis

# A fault that leaves a tenth of the difference or less is its cause; what is left is the file's rounding. The second
# share is for two faults together.
_LEFT = (0.1, 0.02)
_ALIKE, _FLAT = 0.9, 0.05


class Limits(NamedTuple):
    """Of the mean and of the largest difference; infinite where there is none."""

    mean: float
    largest: float


@dataclass(frozen=True)
class Subject:
    """The file that is wrong, the reference, and the input on which it is."""

    path: Path
    model: ForeignModel
    row: Recipe
    reference: Reference
    source: Source
    sample: Sample

    @cached_property
    def weights(self) -> Held:
        """Which of the reference's weights the file has."""
        return held(self.path, self.reference, self.source)

    @property
    def limits(self) -> Limits:
        """What a matte of the input is held to."""
        limits, noise = self.row.tolerance.limits, self.sample.noise
        of_noise = limits.get("noise_ratio", np.inf) * max(noise or 0.0, LEAST_NOISE)
        return Limits(limits.get("mad", np.inf), min(limits.get("max_abs_difference", np.inf), of_noise))

    def diagnosis(
        self, hypotheses: tuple[str, ...] = (), *, cause: str, without: float, left: float | None = None, mend: str
    ) -> Diagnosis:
        """What is wrong with the file; ``hypotheses`` empty where that explains nothing."""
        return Diagnosis(
            artefact=self.row.file,
            input=self.sample.name,
            hypotheses=hypotheses,
            cause=cause,
            without=without if np.isfinite(without) else None,
            left=left if left is not None and np.isfinite(left) else None,
            mend=mend,
        )

    def read_as(self, input_range: RangeName) -> Subject:
        """The same file, read as if it took another range."""
        reading = replace(self.model.reading, input_range=input_range)
        return replace(self, model=ForeignModel(self.model.raw, reading, self.row.file))


@dataclass(frozen=True)
class Fit:
    """How far a hypothesis, or two, are from what the file gives, on one image."""

    hypotheses: tuple[Hypothesis, ...]
    off: float
    """The mean difference; infinite where something is not finite."""
    largest: float
    alike: bool
    """Whether the two mattes correlate. Two that are all but empty are near to each other, whatever is wrong."""

    def explains(self, without: float, limits: Limits, *, sure: bool = False) -> bool:
        """Whether what is left is within the file's limits, or a small share of the whole difference.

        ``sure``: less of it, as of two faults: of so many pairs, one fits by chance.
        """
        return self.alike and (self.within(limits) or self.off <= _LEFT[sure or len(self.hypotheses) > 1] * without)

    def within(self, limits: Limits) -> bool:
        """Whether it holds the file's limits of the mean and the largest difference, one of which there has to be."""
        return self.off <= limits.mean and self.largest <= limits.largest and min(limits) < np.inf


class Probe:
    """One image, with what the file gives for it and what the reference would."""

    def __init__(self, subject: Subject, image_nhwc: Image) -> None:
        self._subject, self._image = subject, image_nhwc
        self._mattes: dict[tuple[str, ...], Image] = {}

    @cached_property
    def planes(self) -> Image:
        return self._subject.model.planes(self._image)

    def _shown(self, values_nhwc: Image) -> Image:
        """The part that shows the picture."""
        place = self._subject.sample.placement
        if place is None:
            return values_nhwc
        rows, columns = (
            slice(place.top, place.top + place.inner_height),
            slice(place.left, place.left + place.inner_width),
        )
        return values_nhwc[:, rows, columns]

    def fit(self, *hypotheses: Hypothesis) -> Fit:
        """Compare the file with the network that has these faults: at most one of them is done to the matte."""
        outputs = [item for item in hypotheses if item.where == "output"]
        output = outputs[0] if outputs else AS_IT_IS
        shown = self._shown
        image_nhwc = shown(self._image)
        matte = shown(self._matte([item for item in hypotheses if item.where != "output"]))
        with np.errstate(all="ignore"):
            given, expected = output.given(shown(self.planes), image_nhwc), output.expected(matte, image_nhwc)
            if given.shape != expected.shape:
                return Fit(hypotheses, np.inf, np.inf, alike=False)
            difference = np.abs(given.astype(np.float64) - expected)
        if not np.isfinite(difference).all():
            return Fit(hypotheses, np.inf, np.inf, alike=False)
        alike = np.ptp(expected) > _FLAT and metrics.correlation(given.reshape(1, -1), expected.reshape(1, -1)) > _ALIKE
        return Fit(hypotheses, float(difference.mean()), float(difference.max()), bool(alike))

    def _matte(self, faults: Sequence[Hypothesis]) -> Image:
        """The reference's matte, of another image or by another network."""
        key = tuple(item.name for item in faults)
        if key not in self._mattes:
            image_nhwc, subject = self._image, self._subject
            for item in reversed(faults):
                image_nhwc = item.image(image_nhwc)
            change = next((item.change for item in faults if item.change is not None), None)
            image_nhwc = np.asarray(image_nhwc, np.float32)
            self._mattes[key] = mattes(subject.source, subject.reference, change, image_nhwc)
        return self._mattes[key]
