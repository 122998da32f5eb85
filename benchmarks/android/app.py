"""Measuring inside an app: an activity is told what to measure when it is started, and leaves a JSON file and a matte.

What such an activity must do is in docs/benchmarks.md.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from math import ceil

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from benchmarks.android import facts
from benchmarks.android.flags import Timing
from benchmarks.android.session import DeviceSession
from benchmarks.plan import Subject
from benchmarks.results import Moment
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.files import read_validated, scratch_folder

_POLL_SECONDS = 0.5
_TROUBLE_SECONDS = 3.0
"""How often it is asked whether the app is well: the answers are work for the device while it is timed."""
_CRASH_LINES = "200"
"""A stack is long, and what happened stands before it."""
_WRITER = r"\( *(\d+)\): "
"""The number of the process that wrote a line, in logcat's format ``brief``."""


class AppResult(BaseModel):
    """What the activity writes. Times in ms; see ``Run`` for what each of them is."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    samples_ms: tuple[PositiveFloat, ...] = ()
    at_s: tuple[NonNegativeFloat, ...] = ()
    """When each of them began, since the first."""
    trace: tuple[Moment, ...] = ()
    warmup_ms: tuple[NonNegativeFloat, ...] = ()
    init_ms: NonNegativeFloat | None = None
    first_ms: NonNegativeFloat | None = None
    end_to_end_ms: tuple[PositiveFloat, ...] = ()
    cold_start_ms: PositiveFloat | None = None
    pss_bytes: PositiveInt | None = None
    before: Mapping[str, int | float | str] = {}
    after: Mapping[str, int | float | str] = {}
    """What the app could read of the device before and after it measured."""
    matte: str | None = None
    """The name of the file with its matte."""
    error: str | None = None

    @model_validator(mode="after")
    def _one_time_for_each(self) -> AppResult:
        if self.at_s and len(self.at_s) != len(self.samples_ms):
            raise ValueError(f"{len(self.at_s)} values of at_s for {len(self.samples_ms)} of samples_ms")
        return self


def drive(
    session: DeviceSession, subject: Subject, image_nhwc: Image, timing: Timing
) -> tuple[AppResult, bytes | None]:
    """What the activity measured of a model on an image, 1 x H x W x 3 in [0, 1], and its matte as raw values.

    ``timing``: how many runs, and for how many seconds, in one process; an app warms up by itself.
    Raises ExportError where the activity does not start, writes an error, or writes nothing in time.
    """
    device, activity = session.device, session.settings.app
    assert activity is not None
    name = f"bench-{uuid.uuid4().hex}"
    folder = f"/sdcard/Android/data/{activity.package}/files"
    remote = f"{folder}/{name}.json"
    extras = {"model": session.model(subject), "delegate": subject.delegate, "output": f"{name}.json"}
    extras |= _ports(subject) | {"image": session.pushed(subject, image_nhwc)}
    height, width = subject.contract.image.shape[1:3]
    numbers = {"threads": subject.threads, "runs": timing.runs, "seconds": ceil(timing.seconds)}
    numbers |= {"height": height, "width": width}
    _require_unlocked(session)
    anrs = _anrs(session)
    answer = device.shell(
        [
            "am", "start", "-W", "-S", "-n", str(activity),
            *(part for key, value in extras.items() for part in ("--es", key, value)),
            *(part for key, value in numbers.items() for part in ("--ei", key, str(value))),
        ],
        seconds=60,
        check=False,
    )  # fmt: skip
    # am ends with 0 even where there is no such activity, and where it did not come up.
    if answer.code or re.search(r"^(Error|Status: (?!ok))", f"{answer.out}\n{answer.err}", re.MULTILINE):
        raise ExportError(
            f"cannot start {activity} on {device.serial}: {answer.last_line}",
            next_step="install the app first: adb install -r APK",
        )
    process = device.text(["pidof", activity.package]).split(" ")[0]
    limit_s = session.settings.block_timeout_s + timing.seconds
    deadline, due = time.monotonic() + limit_s, 0.0
    try:
        while device.shell(["test", "-f", remote], check=False).code:
            trouble = None
            if time.monotonic() >= due:
                trouble, due = _trouble(session, process, anrs), time.monotonic() + _TROUBLE_SECONDS
            # It may have ended because it is done.
            if trouble and device.shell(["test", "-f", remote], check=False).code:
                raise ExportError(
                    f"{activity} {trouble}", where=device.serial, next_step="look at the app's log: logcat"
                )
            if time.monotonic() > deadline:
                raise ExportError(
                    f"{activity} gave no result within {limit_s:.0f} s",
                    where=remote,
                    next_step="look at the app, or allow more seconds with `block_timeout`",
                )
            device.adb.pause(_POLL_SECONDS)
        with scratch_folder() as scratch:
            local = scratch / f"{name}.json"
            device.pull(remote, local)
            result = read_validated(
                local, AppResult.model_validate_json, "the app's result", "the JSON of docs/benchmarks.md"
            )
        if result.error or not result.samples_ms:
            raise ExportError(f"{activity} failed: {result.error or 'it measured nothing'}")
        return result, session.pulled(f"{folder}/{name}.matte") if result.matte else None
    finally:
        device.shell(["rm", "-f", remote, f"{folder}/{name}.matte"], check=False, heed_stop=False)
        if process and session.settings.logs is not None:
            session.keep(subject, f"{answer.out}\n{device.text(['logcat', '-d', '-v', 'brief', '--pid', process])}")


def _require_unlocked(session: DeviceSession) -> None:
    if reason := facts.locked(session.device):
        raise ExportError(
            f"{session.device.serial} cannot show an app: {reason}",
            next_step="unlock it, and let its screen stay on while it charges (developer options)",
        )


def _trouble(session: DeviceSession, process: str, anrs: int) -> str | None:
    """Why the activity will give no result: seen within seconds, and not after ``block_timeout``; None: it may yet."""
    device, activity = session.device, session.settings.app
    assert activity is not None
    if not device.text(["pidof", activity.package]):
        crash = device.text(["logcat", "-b", "crash", "-d", "-v", "brief", "-t", _CRASH_LINES])
        lines = _own(crash, activity.package, process)
        found = [line for line in lines if re.search(r"FATAL EXCEPTION|Error|Exception|signal \d|Abort message", line)]
        return f"ended without a result{': ' + ' / '.join(found[:3])[:400] if found else ''}"
    if _anrs(session) > anrs:
        return "does not respond (ANR)"
    if reason := facts.locked(device):
        return f"was put aside: {reason}"
    resumed = device.text(["sh", "-c", "dumpsys activity activities | grep ResumedActivity; true"])
    if resumed and activity.package not in resumed:
        return "is not in front any more: the system slows it down there"
    return None


def _own(crash: str, package: str, process: str) -> list[str]:
    """The lines of an app's last crash: Android's log of crashes keeps those of all apps, of days.

    One line names the app and its process (empty: it ended before it was seen); all lines of a crash are written by one
    process, the app's or ``crash_dump``'s.
    """
    written = [(found[1], line) for line in crash.splitlines() if (found := re.search(_WRITER, line))]
    named, number = rf"(Process: |>>> ){re.escape(package)}\b", rf"\b(pid|PID): {process or '[0-9]+'}\b"
    writers = [writer for writer, line in written if re.search(named, line) and re.search(number, line)]
    return [line for writer, line in written if writers and writer == writers[-1]]


def _anrs(session: DeviceSession) -> int:
    """How often Android's log of events says so far that the app did not respond."""
    assert session.settings.app is not None
    events = session.device.text(["logcat", "-b", "events", "-d", "-s", "am_anr"])
    return events.count(f",{session.settings.app.package},")


def _ports(subject: Subject) -> dict[str, str]:
    """What an app must be told of a model's ports: its runtime cannot tell the types."""
    image, matte = subject.contract.image, subject.contract.matte
    if (image.layout, matte.layout) != ("NHWC", "NHWC") or image.dtype != matte.dtype:
        raise ExportError(
            f"an app cannot run {subject.file}",
            expected="an image and a matte with channels last, both float32 or both uint8",
            next_step="measure it with `benchmark_model`",
        )
    return {"ports": image.dtype}
