"""Parity on the device: its matte against the reference's."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from benchmarks.android import app
from benchmarks.android.benchmark_model import require_delegated
from benchmarks.android.flags import Timing, parity_arguments, run_model_arguments, run_model_npu_arguments
from benchmarks.android.session import DeviceSession
from benchmarks.plan import Plan, Subject
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.measures import Tolerance
from modnet_export.record.recipes import recipe

# Lines such as "I0000 00:00:1732000000.000000 4711 tensor_utils.h:164]     7: 0.998": of the output's, number and value
# go to a file; all else is printed.
_SPLIT = (
    r"""sed -n '/Output buffer 0:/,$ s/^.*\] *\([0-9][0-9]*: [^ ]*\)$/\1/p' "$0" > "$1"; """
    r"""grep -v '\] *[0-9][0-9]*: [^ ]*$' "$0" """
)


def check(session: DeviceSession, plan: Plan, subject: Subject) -> None:
    """Judge the mattes that a device computes for the plan's samples; runs are marked where it cannot."""
    for sample in plan.samples if session.takes_image(subject) else ():
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


def _by_run_model(session: DeviceSession, tool: str, subject: Subject, image: str) -> bytes:
    """The matte's raw values by LiteRT's ``run_model``, which writes no file: it logs values, here all of them.

    It logs as many as it is asked for of a tensor's beginning, middle and end, with six digits, and those of the image
    as well: a third of the matte's each is the least that shows all of it.
    """
    matte = subject.contract.matte
    count = int(np.prod(matte.shape))
    log, folder = f"{session.files.folder}/run_model.log", image.rpartition("/")[0]
    command = run_model_arguments(tool, session.model(subject), subject.delegate, folder, session.settings.gpu)
    command.append(f"--sample_size={count // 3 + 2}")
    if subject.delegate == "npu":
        command += run_model_npu_arguments(session.files.folder)
    # In place of the shell, so that its number is the tool's.
    answer = session.call(
        subject, ["sh", "-c", 'exec "$@" > "$0" 2>&1', log, *command], session.settings.block_timeout_s
    )
    values = f"{log}.values"
    said = session.device.shell(["sh", "-c", _SPLIT, log, values], check=False, seconds=120).out
    session.keep(subject, said)
    if answer.code:
        lines = [line for line in said.splitlines() if line.startswith("E")] or said.strip().splitlines() or ["nothing"]
        raise ExportError(f"run_model ended with {answer.code}; it printed: {lines[-1][:300]}", where=subject.name)
    require_delegated(said, subject.delegate)
    found, told = np.zeros(count), np.zeros(count, bool)  # a value may be "nan", as fp16 makes them
    for index, value in re.findall(r"^(\d+): (\S+)$", session.pulled(values).decode(errors="replace"), re.MULTILINE):
        if int(index) < count:
            found[int(index)], told[int(index)] = float(value), True
    if not told.all():
        raise ExportError(
            f"run_model told {told.sum()} of the matte's {count} values",
            where=subject.name,
            next_step="take a newer run_model",
        )
    return found.astype(matte.dtype).tobytes()


def _matte(session: DeviceSession, subject: Subject, image_nhwc: Image) -> Image:
    """The matte of an image, both as 1 x H x W x C in [0, 1]. Raises ExportError for a matte of another size."""
    image, matte = subject.contract.image, subject.contract.matte
    if session.settings.app is not None:
        _, found = app.drive(session, subject, image_nhwc, Timing(1))
        raw, tool = found or b"", "app"
    elif session.tool is not None and session.tool.run_model is not None:
        sent, tool = session.pushed(subject, image_nhwc), "run_model"
        raw = _by_run_model(session, session.tool.run_model, subject, sent)
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
