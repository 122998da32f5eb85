"""Latency inside an app: an activity is told what to measure when it is started, and leaves a JSON file.

What such an activity must do is in docs/benchmarks.md.
"""

from __future__ import annotations

import re
import time
import uuid

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat

from benchmarks.android.adb import Device
from benchmarks.android.settings import Activity
from benchmarks.plan import Subject
from converters.errors import ExportError
from modnet_export.record.files import read_validated, scratch_folder

_POLL_SECONDS = 0.5


class AppResult(BaseModel):
    """What the activity writes. Times in ms."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    samples_ms: tuple[PositiveFloat, ...] = ()
    warmup_ms: tuple[NonNegativeFloat, ...] = ()
    init_ms: NonNegativeFloat | None = None
    first_ms: NonNegativeFloat | None = None
    error: str | None = None


def drive(device: Device, activity: Activity, model: str, subject: Subject, runs: int, limit_s: float) -> AppResult:
    """Start the activity on a model (its path on the device) and wait for its file, at most ``limit_s`` seconds.

    Raises ExportError where the activity does not start, writes an error, or writes nothing in time.
    """
    name = f"bench-{uuid.uuid4().hex}.json"
    remote = f"/sdcard/Android/data/{activity.package}/files/{name}"
    extras = {"model": model, "delegate": subject.delegate, "output": name}
    numbers = {"threads": subject.threads, "runs": runs}
    answer = device.shell(
        [
            "am", "start", "-W", "-S", "-n", str(activity),
            *(part for key, value in extras.items() for part in ("--es", key, value)),
            *(part for key, value in numbers.items() for part in ("--ei", key, str(value))),
        ],
        seconds=60,
        check=False,
    )  # fmt: skip
    # am ends with 0 even where there is no such activity.
    if answer.code or re.search(r"^Error", f"{answer.out}\n{answer.err}", re.MULTILINE):
        raise ExportError(
            f"cannot start {activity} on {device.serial}: {answer.last_line}",
            next_step="install the app first: adb install -r APK",
        )
    deadline = time.monotonic() + limit_s
    try:
        while device.shell(["test", "-f", remote], check=False).code:
            if time.monotonic() > deadline:
                raise ExportError(
                    f"{activity} gave no result within {limit_s:.0f} s",
                    where=remote,
                    next_step="look at the app, or allow more seconds with `block_timeout`",
                )
            device.adb.pause(_POLL_SECONDS)
        with scratch_folder() as folder:
            local = folder / name
            device.pull(remote, local)
            result = read_validated(
                local, AppResult.model_validate_json, "the app's result", "the JSON of docs/benchmarks.md"
            )
    finally:
        device.shell(["rm", "-f", remote], check=False, heed_stop=False)
    if result.error or not result.samples_ms:
        raise ExportError(f"{activity} failed: {result.error or 'it measured nothing'}")
    return result
