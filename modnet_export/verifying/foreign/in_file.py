"""Faults that lie in the file's own numbers: its arithmetic, its int8 ranges, and its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from converters.errors import few
from converters.runtimes.in_float import PoorRange, open_in_float, poorest_range
from modnet_export.model import checkpoint, hub
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import open_reference
from modnet_export.verifying.foreign.graphs import ReadGraph, first_not_finite
from modnet_export.verifying.foreign.probing import Fit, Probe, Subject
from modnet_export.verifying.foreign.reading import ForeignModel
from modnet_export.verifying.result import Diagnosis

_SHOWN = 3


def by_its_arithmetic(subject: Subject, without: float) -> Diagnosis | None:
    """Whether the same file gives the reference's matte when it computes in float32; None where it does not."""
    path = subject.path
    raw = open_in_float(path, threads=1)
    if raw is None:
        return None
    reading = subject.model.reading
    in_float = ForeignModel(raw, reading, subject.row.file)
    fit = Probe(replace(subject, model=in_float), subject.sample.image_nhwc).fit()
    if not fit.explains(without, subject.tolerance):
        return None
    poor = None
    if path.suffix.lower() == ".tflite":
        poor = poorest_range(path, [in_float.given(subject.sample.image_nhwc)])
    return _of_range(subject, poor, fit, without) if poor is not None else _of_fp16(subject, fit, without)


def _of_range(subject: Subject, poor: PoorRange, fit: Fit, without: float) -> Diagnosis:
    if poor.clipped > 0:
        what = f"{poor.clipped:.0%} of its values are clipped"
    else:
        used = (poor.greatest - poor.least) / (poor.high - poor.low)
        what = f"its values take {used:.0%} of it, so that few of the 256 steps are left"
    return subject.diagnosis(
        ("collapsed int8 range",),
        cause=f"its int8 ranges do not fit: the worst is {poor.op} {poor.tensor}'s, {poor.low:.3g} to {poor.high:.3g} for "
        f"values from {poor.least:.3g} to {poor.greatest:.3g} ({what}; {poor.snr_db:.0f} dB are left). The same file "
        "computed in float is right",
        without=without,
        left=fit.off,
        mend="calibrate with portraits that are normalised as the network takes them (representative_dataset), one "
        "scale per channel, or keep this op in float",
    )


def _of_fp16(subject: Subject, fit: Fit, without: float) -> Diagnosis:
    op = first_not_finite(ReadGraph(subject.path, subject.model), subject.sample.image_nhwc)
    quantized = subject.row.precision not in ("fp16",) and op is None
    kind = "its integers round too coarsely" if quantized else "it computes in fp16, which is too coarse for it"
    return subject.diagnosis(
        ("collapsed int8 range" if quantized else "overflow in fp16",),
        cause=(f"{op} makes numbers beyond 65504, which fp16 cannot hold" if op else kind)
        + ". The same file computed in float32 is right",
        without=without,
        left=fit.off,
        mend="calibrate anew, with portraits normalised as the network takes them"
        if quantized
        else "ct.convert(..., compute_precision=ct.transform.FP16ComputePrecision(op_selector=...)) keeps these ops in "
        "float32, or compute_precision=ct.precision.FLOAT32"
        if subject.row.format == "coreml"
        else "keep this op in float32: op_block_list of onnxconverter_common's convert_float_to_float16",
    )


def by_another_checkpoint(subject: Subject, without: float) -> Diagnosis | None:
    """Whether most of the file's weights are not the reference's; None where they are."""
    found = subject.weights
    if not found.another:
        return None
    known = _known(subject, without)
    return subject.diagnosis(
        ("another checkpoint's weights",),
        cause=f"{found.changed} of {found.compared} convolutions hold other weights than '{subject.source.name}'"
        + (f": they are those of '{known[0]}'" if known else ""),
        without=without,
        left=known[1] if known else None,
        mend=f"verify it against the checkpoint that it was made from: `checkpoint={known[0] if known else 'PATH'}`; or "
        f"convert '{subject.source.name}'",
    )


def by_single_weights(subject: Subject, without: float) -> Diagnosis | None:
    """Whether a few of the file's weights are not the reference's; None where all are."""
    found = subject.weights
    if not found.wrong:
        return None
    return subject.diagnosis(
        cause=f"{len(found.wrong)} of {found.compared} convolutions hold other weights than the checkpoint, or hold them "
        f"in another order: {few(found.wrong, _SHOWN)}",
        without=without,
        left=None,
        mend="convert the checkpoint again; `bisect` names the op",
    )


def _known(subject: Subject, without: float) -> tuple[str, float] | None:
    """The checkpoint of this machine that the file has the weights of, and the matte's difference from it."""
    for source in _at_hand():
        if source.sha256 == subject.source.sha256:
            continue
        fit = Probe(replace(subject, reference=open_reference(source), source=source), subject.sample.image_nhwc).fit()
        if fit.explains(without, subject.tolerance):
            return source.name, fit.off
    return None


def _at_hand() -> Iterator[Source]:
    """The checkpoints that go by a name, but for those that would have to be downloaded first."""
    for name in checkpoint.names():
        if name not in hub.OFFICIAL or hub.cached(hub.OFFICIAL[name]).is_file():
            yield checkpoint.resolve(name)
