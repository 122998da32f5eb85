"""Parity on the device: its matte against the reference's."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.android import app
from benchmarks.android.flags import Timing, parity_arguments
from benchmarks.android.session import DeviceSession
from benchmarks.plan import Plan, Subject
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.measures import Tolerance
from modnet_export.record.recipes import recipe


def check(session: DeviceSession, plan: Plan, subject: Subject) -> None:
    """Judge the mattes that a device computes for the plan's samples; runs are marked where it cannot."""
    for sample in plan.samples if session.takes_images else ():
        if session.record.judged(subject, sample):
            continue
        session.record.progress(f"checking {subject.name}")
        matte_nhwc = session.retried(subject, "parity", partial(_matte, session, subject, sample.image_nhwc))
        if matte_nhwc is not None:
            session.record.judge(subject, sample, matte_nhwc, _tolerance(subject))


def _tolerance(subject: Subject) -> Tolerance:
    """GPU, NPU and NNAPI may compute in fp16, and are held to fp16's tolerance where that is the wider one."""
    own, fp16 = subject.tolerance, recipe("tflite", "fp16").tolerance
    if subject.delegate in ("gpu", "npu", "nnapi") and (own.mad or 0) < (fp16.mad or 0):
        return fp16
    return own


def _matte(session: DeviceSession, subject: Subject, image_nhwc: Image) -> Image:
    """The matte of an image, both as 1 x H x W x C in [0, 1]. Raises ExportError for a matte of another size."""
    image, matte = subject.contract.image, subject.contract.matte
    if session.settings.app is not None:
        _, found = app.drive(session, subject, image_nhwc, Timing(1))
        raw, tool = found or b"", "app"
    else:
        got = f"{session.files.folder}/matte"
        sent = session.pushed(subject, image_nhwc)
        session.block(subject, Timing(1), *parity_arguments(image.name, image.shape, sent, got))
        raw, tool = session.pulled(got), "benchmark_model"
    dtype = np.dtype(matte.dtype)
    expected = int(np.prod(matte.shape)) * dtype.itemsize
    if len(raw) != expected:
        raise ExportError(
            f"{subject.name} gave {len(raw)} bytes on {session.device.serial}",
            expected=f"{expected} bytes, for a matte of {'x'.join(map(str, matte.shape))}",
            next_step=f"take a newer {tool}: old ones do not write outputs",
        )
    return matte.decoded(np.frombuffer(raw, dtype).reshape(matte.shape))
