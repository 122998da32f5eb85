"""Latency inside an app: a benchmark activity is started with what to do, and leaves a JSON file.

The contract with the activity is in docs/benchmarks.md.
"""

from __future__ import annotations

import re
import tempfile
import time
import uuid
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.android.adb import Device, StoppedError
from benchmarks.session import Candidate
from converters.errors import ExportError
from modnet_export.record.files import read_validated

_COMPONENT = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)+/\.?[A-Za-z]\w*(\.[A-Za-z]\w*)*")
_POLL_SECONDS = 0.5


class AppResult(BaseModel):
    """What the activity writes. Times in ms."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    samples_ms: tuple[float, ...] = Field(default=())
    warmup_ms: tuple[float, ...] = ()
    init_ms: float | None = None
    first_ms: float | None = None
    error: str | None = None


def component(text: str) -> str:
    """PACKAGE/ACTIVITY, checked; raises ExportError."""
    if not _COMPONENT.fullmatch(text):
        raise ExportError(
            f"'{text}' is no activity", where="--app", expected="PACKAGE/ACTIVITY, for example com.example.app/.Bench"
        )
    return text


def drive(device: Device, activity: str, model: str, candidate: Candidate, runs: int, seconds: float) -> AppResult:
    """Start the activity and wait for its file; raises ExportError where it says an error or nothing in time."""
    package = activity.split("/")[0]
    name = f"bench-{uuid.uuid4().hex}.json"
    remote = f"/sdcard/Android/data/{package}/files/{name}"
    extras = {"model": model, "delegate": candidate.delegate, "output": name}
    numbers = {"threads": candidate.threads, "runs": runs}
    answer = device.shell(
        [
            "am", "start", "-W", "-S", "-n", activity,
            *(part for key, value in extras.items() for part in ("--es", key, value)),
            *(part for key, value in numbers.items() for part in ("--ei", key, str(value))),
        ],
        seconds=60,
        check=False,
    )  # fmt: skip
    # am ends with 0 for an activity that is not there.
    if answer.code or re.search(r"^Error", f"{answer.out}\n{answer.err}", re.MULTILINE):
        raise ExportError(
            f"cannot start {activity} on {device.serial}: {answer.last_line}",
            next_step="install the app first: adb install -r APK",
        )
    deadline = time.monotonic() + seconds
    try:
        while device.shell(["test", "-f", remote], check=False).code:
            if time.monotonic() > deadline:
                raise ExportError(f"{activity} gave no result within {seconds:.0f} s", where=remote)
            if device.adb.stop.wait(_POLL_SECONDS):
                raise StoppedError
        with tempfile.TemporaryDirectory(prefix="modnet_export_") as folder:
            local = Path(folder) / name
            device.pull(remote, local)
            result = read_validated(local, AppResult.model_validate_json, "the app's result", "see docs/benchmarks.md")
    finally:
        device.shell(["rm", "-f", remote], check=False, heed_stop=False)
    if result.error or not result.samples_ms:
        raise ExportError(f"{activity} failed: {result.error or 'it measured nothing'}")
    return result
