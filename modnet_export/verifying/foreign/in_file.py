"""Faults that lie in the file's own numbers: its arithmetic, its int8 ranges, and its weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from converters.diagnose.int8_ranges import PoorRange, poor_ranges
from converters.errors import few
from converters.runtimes.in_float import open_in_float
from modnet_export.model import checkpoint, hub
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import open_reference
from modnet_export.verifying.foreign.graphs import ReadGraph, first_not_finite
from modnet_export.verifying.foreign.probing import Fit, Probe, Subject
from modnet_export.verifying.foreign.reading import RANGES, ForeignModel, RangeName
from modnet_export.verifying.result import Diagnosis

_SHOWN = 3
_MUCH = 0.02


@dataclass(frozen=True)
class InFloat:
    """The same file with float32 activations."""

    model: ForeignModel
    fit: Fit


def in_float(subject: Subject, ranges: Sequence[RangeName]) -> InFloat | None:
    """A file of 16-bit or integer arithmetic in float32, given the image in the range that suits it best; None for any
    other file. (A broken input range hides what the file takes.)"""
    raw = open_in_float(subject.path, threads=1)
    if raw is None:
        return None
    found = []
    for input_range in dict.fromkeys((subject.model.reading.input_range, *ranges)):
        model = ForeignModel(raw, replace(subject.model.reading, input_range=input_range), subject.row.file)
        fit = Probe(replace(subject, model=model), subject.sample.image_nhwc).fit()
        if fit.off < _MUCH:  # read rightly
            return InFloat(model, fit)
        found.append(InFloat(model, fit))
    return min(found, key=lambda item: item.fit.off)


def by_its_arithmetic(subject: Subject, without: float, rerun: InFloat | None) -> Diagnosis | None:
    """Whether the same file gives the reference's matte when it computes in float32; None where it does not."""
    if rerun is None or not rerun.fit.explains(without, subject.limits):
        return None
    poor: list[PoorRange] = []
    if subject.path.suffix.lower() == ".tflite":
        poor = poor_ranges(subject.path, [rerun.model.given(subject.sample.image_nhwc)])
    return _of_range(subject, poor, rerun.fit, without) if poor else _of_fp16(subject, rerun.fit, without)


def _of_range(subject: Subject, poor: Sequence[PoorRange], fit: Fit, without: float) -> Diagnosis:
    first = poor[0]
    used = (first.greatest - first.least) / (first.high - first.low)
    what = (
        f"{first.clipped:.0%} of its values are clipped"
        if first.clipped > 0
        else f"its values take {used:.1%} of it, which leaves few of the 256 steps"
    )
    return subject.diagnosis(
        ("collapsed int8 range",),
        cause=f"its integers do not hold what they have to: {first.op} {first.tensor} holds {first.low:.3g} to "
        f"{first.high:.3g} for values from {first.least:.3g} to {first.greatest:.3g} ({what})"
        + (f", and {len(poor) - 1} tensors behind it are as poor" if len(poor) > 1 else "")
        + ". The same file computed in float is right",
        without=without,
        left=fit.off,
        mend="calibrate with portraits, given as the network takes them: def representative_dataset(): yield [x], "
        f"where x = {RANGES[subject.model.reading.input_range].code}",
    )


def _of_fp16(subject: Subject, fit: Fit, without: float) -> Diagnosis:
    op = first_not_finite(ReadGraph(subject.path, subject.model), subject.sample.image_nhwc)
    quantized = subject.row.precision != "fp16" and not op
    kind = "its integers round too coarsely" if quantized else "it computes in fp16, which is too coarse for it"
    return subject.diagnosis(
        ("collapsed int8 range" if quantized else "overflow in fp16",),
        cause=(f"{op} makes numbers beyond 65504, which fp16 cannot hold" if op else kind)
        + ". The same file computed in float32 is right",
        without=without,
        left=fit.off,
        mend="calibrate again, with portraits normalised as the network takes them"
        if quantized
        else "ct.convert(..., compute_precision=ct.transform.FP16ComputePrecision(op_selector=...)) keeps these ops in "
        "float32, or compute_precision=ct.precision.FLOAT32"
        if subject.row.format == "coreml"
        else "keep this op in float32: op_block_list of onnxconverter_common's convert_float_to_float16",
    )


def by_another_checkpoint(subject: Subject, without: float, ranges: Sequence[RangeName]) -> Diagnosis | None:
    """Whether most of the file's weights are not the reference's; None where they are."""
    found = subject.weights
    if not found.another:
        return None
    known = _known(subject, without, ranges)
    return subject.diagnosis(
        ("another checkpoint's weights",),
        cause=f"{found.changed} of {found.compared} convolutions hold other weights than '{subject.source.name}'"
        + (f": they are those of '{known[0]}'" if known else ""),
        without=without,
        left=known[1] if known else None,
        mend=f"verify it against the checkpoint that it was made from: `checkpoint={known[0] if known else 'PATH'}`; "
        f"or convert '{subject.source.name}'",
    )


def by_single_weights(subject: Subject, without: float) -> Diagnosis | None:
    """Whether a few of the file's weights are not the reference's; None where all are."""
    found = subject.weights
    if not found.wrong:
        return None
    return subject.diagnosis(
        cause=f"{len(found.wrong)} of {found.compared} convolutions hold other weights than the checkpoint, or hold "
        f"them in another order: {few(found.wrong, _SHOWN)}",
        without=without,
        mend="convert the checkpoint again; `bisect` names the op",
    )


def _known(subject: Subject, without: float, ranges: Sequence[RangeName]) -> tuple[str, float] | None:
    """The checkpoint of this machine that the file has the weights of, and the matte's difference from it."""
    for source in _at_hand():
        if source.sha256 == subject.source.sha256:
            continue
        reference = open_reference(source)
        for input_range in ranges:
            theirs = replace(subject.read_as(input_range), reference=reference, source=source)
            fit = Probe(theirs, subject.sample.image_nhwc).fit()
            if fit.explains(without, subject.limits):
                return source.name, fit.off
    return None


def _at_hand() -> Iterator[Source]:
    """The checkpoints that go by a name, but for those that would have to be downloaded first."""
    for name in checkpoint.names():
        if name not in hub.OFFICIAL or hub.cached(hub.OFFICIAL[name]).is_file():
            yield checkpoint.resolve(name)
