"""Why a file that somebody else converted gives another matte: the hypothesis that explains the difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from modnet_export.verifying.foreign.hypotheses import FAULTS, INPUTS, NETWORKS, OUTPUTS, Hypothesis
from modnet_export.verifying.foreign.in_file import (
    InFloat,
    by_another_checkpoint,
    by_its_arithmetic,
    by_single_weights,
    in_float,
)
from modnet_export.verifying.foreign.probing import Fit, Probe, Subject
from modnet_export.verifying.foreign.reading import RANGES, RangeName
from modnet_export.verifying.result import Diagnosis

# A second fault beside the first is believed where it takes away nine tenths of what the first leaves.
_WORTH = 0.1
# How many of the hypotheses that fit one image best are tried on another.
_LIKELY = 8
_DIM = np.float32(0.7)
_NEARER = 0.7
_CONSTANT = 1e-6
_BISECT = "`bisect` names the op at which it leaves the reference"


@dataclass(frozen=True)
class _Forward:
    """What the hypotheses come to."""

    explains: Fit | None
    nearest: Fit
    """Of one fault alone."""
    read: Subject
    """The file, read in the range in which this was found."""


def _forward(subject: Subject, ranges: Sequence[RangeName], without: float) -> _Forward:
    """Try every hypothesis on a file: read in the range that it was found to take and, where nothing explains it so, in
    the others that its input may take."""
    own = subject.model.reading.input_range
    found: list[_Forward] = []
    for input_range in dict.fromkeys((own, *ranges)):
        found.append(_tried(subject.read_as(input_range), without, sure=input_range != own))
        if found[-1].explains is not None:
            return found[-1]
    return found[0]


def _tried(subject: Subject, without: float, *, sure: bool) -> _Forward:
    """Every hypothesis, then pairs where none alone leaves no more than the file's limits.

    What explains one image has to explain another one too.
    """
    image_nhwc = subject.sample.image_nhwc
    probes = [Probe(subject, image_nhwc), Probe(subject, np.ascontiguousarray(image_nhwc[:, :, ::-1]) * _DIM)]
    most = [min(without, probe.fit().off) for probe in probes]

    def first(faults: Iterable[tuple[Hypothesis, ...]], least: float) -> tuple[Fit | None, Fit]:
        fits = sorted((probes[0].fit(*item) for item in faults), key=lambda fit: fit.off)
        for fit in fits[:_LIKELY]:
            on_both = (fit, probes[1].fit(*fit.hypotheses))
            if fit.off < least and all(
                one.explains(off, subject.limits, sure=sure) for one, off in zip(on_both, most, strict=True)
            ):
                return fit, fits[0]
        return None, fits[0]

    single, nearest = first(((item,) for item in FAULTS), np.inf)
    if single is None or not single.within(subject.limits):
        pair, _ = first(_pairs(), np.inf if single is None else _WORTH * single.off)
        single = pair or single
    return _Forward(single, nearest, subject)


def _pairs() -> Iterator[tuple[Hypothesis, ...]]:
    """Two faults that may well come together."""
    ranges = [item for item in INPUTS if "normal" in item.name or "255" in item.name]
    bgr = next(item for item in INPUTS if item.name == "BGR")
    yield from ((item, bgr) for item in ranges)
    yield from product(INPUTS, OUTPUTS)
    yield from product(NETWORKS, OUTPUTS)


def diagnose(subject: Subject, ranges: Sequence[RangeName]) -> Diagnosis:
    """Name what explains a file's difference from the reference; where nothing does, say so, with the nearest.

    ``ranges``: all that its input may take.
    """
    without = Probe(subject, subject.sample.image_nhwc).fit().off
    # Whether it is another file at all, whether only its numbers are too coarse, and only then what it computes.
    rerun = in_float(subject, ranges)
    found = by_another_checkpoint(subject, without, ranges) or by_its_arithmetic(subject, without, rerun)
    if found is not None:
        return found
    matte = subject.model.run(subject.sample.image_nhwc)
    if np.ptp(matte) < _CONSTANT:
        return subject.diagnosis(cause=f"its matte is {matte.mean():.3g} everywhere", without=without, mend=_BISECT)
    forward = _forward(subject, ranges, without)
    if forward.explains is not None and (forward.explains.within(subject.limits) or not subject.weights.wrong):
        return _explained(subject, forward, forward.explains, without)
    return by_single_weights(subject, without) or _unexplained(subject, forward.nearest, without, rerun)


def _unexplained(subject: Subject, nearest: Fit, without: float, rerun: InFloat | None) -> Diagnosis:
    near = nearest.off < _NEARER * without and nearest.alike
    text = f"none of the {len(FAULTS)} faults that are looked for explains it, and its weights are the reference's"
    if near:
        text += f". The nearest is '{nearest.hypotheses[0].name}', which would leave {nearest.off:.2g}"
    if rerun is not None and rerun.fit.off < without:
        text += f". With its activations in float32, it would be off by {rerun.fit.off:.2g}"
    if subject.row.precision != "fp32":
        text += f". If nothing else is wrong, it is the rounding of {subject.row.precision}"
    return subject.diagnosis(cause=text, without=without, mend=_BISECT)


def _explained(subject: Subject, found: _Forward, fit: Fit, without: float) -> Diagnosis:
    read = found.read.model.reading
    taken = "" if read == subject.model.reading else f"given RGB from {RANGES[read.input_range].words}, "
    return subject.diagnosis(
        tuple(item.name for item in fit.hypotheses),
        cause=taken + ", and ".join(item.sentence for item in fit.hypotheses),
        without=without,
        left=fit.off,
        mend="; ".join(item.mend_of(subject.row.format) for item in fit.hypotheses),
    )
