"""A device that is ready to measure: its files in place, its modes set, and put back as it was at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.android import facts
from benchmarks.android.adb import Answer, Device
from benchmarks.android.benchmark_model import arguments, parse
from benchmarks.android.files import FOLDER, DeviceFiles
from benchmarks.android.settings import AndroidSettings
from benchmarks.errors import DeviceGoneError
from benchmarks.plan import Subject
from benchmarks.record import TargetRecord
from benchmarks.results import FUNCTIONAL, Block
from converters.errors import ExportError
from converters.runtimes import Image
from modnet_export.record.files import scratch_folder, sha256

_FIXED_PERFORMANCE = ["cmd", "power", "set-fixed-performance-mode-enabled"]
_FIRST_SDK_WITH_FIXED_PERFORMANCE = 30

T = TypeVar("T")


@dataclass(frozen=True)
class DeviceSession:
    """What every measurement on one device needs. Made by ``opened``."""

    device: Device
    settings: AndroidSettings
    record: TargetRecord
    files: DeviceFiles
    conditions: Mapping[str, str | int]
    cores: Sequence[int]
    """What the tool is pinned to; empty: nothing."""
    tool: str | None
    """The path of benchmark_model on the device; None where an app measures."""
    _models: dict[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> tuple[str, ...]:
        """What every run on this device is marked with."""
        return (FUNCTIONAL,) if self.settings.functional else ()

    def model(self, subject: Subject) -> str:
        """The path of a model on the device; pushes it there the first time."""
        if subject.sha256 not in self._models:
            self._models[subject.sha256] = self.files.push(subject.path, subject.sha256)
        return self._models[subject.sha256]

    def block(self, subject: Subject, runs: int, *more: str) -> Block:
        """One process of benchmark_model; ``more`` are further arguments. Raises ExportError where it fails."""
        assert self.tool is not None
        model = self.model(subject)
        command = arguments(self.tool, model, threads=subject.threads, delegate=subject.delegate, runs=runs)
        answer = self._call([*command, *more])
        text = f"{answer.out}\n{answer.err}"
        if answer.code:
            lines = [line for line in text.splitlines() if "error" in line.lower()] or text.strip().splitlines()
            raise ExportError(
                f"benchmark_model ended with {answer.code}: {lines[-1][:300] if lines else 'it printed nothing'}",
                where=f"{subject.name} on {self.device.serial}",
            )
        return parse(text)

    def _call(self, command: Sequence[str]) -> Answer:
        """Run the tool and keep the number of its process, so that it can be ended; a hung one is ended here."""
        # "$@" hands the arguments on as they are.
        script = 'echo $$ > "$1"; shift; exec "$@"'
        pinned = ["taskset", f"{sum(1 << cpu for cpu in self.cores):x}"] if self.cores else []
        whole = ["sh", "-c", script, "sh", self.process_file, *pinned, *command]
        try:
            return self.device.shell(whole, seconds=self.settings.block_timeout_s, check=False)
        except TimeoutError as error:
            with suppress(ExportError, TimeoutError):
                self.end()
            raise ExportError(
                f"benchmark_model hung on {self.device.serial}: {error}",
                next_step="restart the device, or allow more seconds with `block_timeout`",
            ) from error

    @property
    def process_file(self) -> str:
        """The file on the device that holds the number of the tool's process."""
        return f"{self.files.folder}/pid"

    def end(self) -> None:
        """End what still runs on the device."""
        if self.settings.app is not None:
            self.device.shell(["am", "force-stop", self.settings.app.package], check=False, heed_stop=False)
            return
        # Only while the number is still that of our process: the system uses numbers again.
        script = 'p="$(cat "$1")" && grep -q "$2" "/proc/$p/cmdline" && kill -9 "$p"'
        self.device.shell(["sh", "-c", script, "sh", self.process_file, FOLDER], check=False, heed_stop=False)

    def retried(self, subject: Subject, part: str, work: Callable[[], T]) -> T | None:
        """Do a piece of work, and once more if it fails. If it fails again, record that and give None.

        ``part`` says in the record which part of measuring the subject failed; empty: its latency. A device that went
        away is waited for first; raises DeviceGoneError if it does not come back.
        """
        for attempt in (1, 2):
            try:
                return work()
            except DeviceGoneError:
                self.record.progress("waiting for the device")
                if attempt == 2 or not self.device.wait(self.settings.return_timeout_s):
                    raise
                with suppress(ExportError, TimeoutError):
                    self.end()
            except (ExportError, TimeoutError) as error:
                if attempt == 2:
                    self.record.fail(subject, str(error), part)
        return None

    def pushed(self, subject: Subject, image_nhwc: Image) -> str:
        """The path on the device of an image, 1 x H x W x 3 in [0, 1], as the subject's input takes it."""
        remote = f"{self.files.folder}/image"
        with scratch_folder() as folder:
            local = folder / "image"
            local.write_bytes(subject.contract.image.encoded(image_nhwc).tobytes())
            self.device.push(local, remote)
        return remote

    def pulled(self, remote: str) -> bytes:
        """The contents of a file on the device; raises ExportError."""
        with scratch_folder() as folder:
            local = folder / "pulled"
            self.device.pull(remote, local)
            return local.read_bytes()


@contextmanager
def opened(device: Device, settings: AndroidSettings, record: TargetRecord) -> Iterator[DeviceSession]:
    """Make a device ready, and put it back as it was afterwards, also on errors and Ctrl-C. Raises ExportError."""
    record.progress("reading the device's properties")
    properties = facts.properties(device)
    if not properties:
        raise DeviceGoneError(f"{device.serial} does not say which device it is", next_step="unlock it, then try again")
    cores = _pinned(device, settings)
    conditions: dict[str, str | int] = {
        "target": "emulator" if settings.functional else "adb",
        **facts.fingerprint(device, properties),
        "pinned to": f"{settings.cores} ({', '.join(f'cpu{cpu}' for cpu in cores)})" if cores else "all cores",
    }
    with DeviceFiles(device, settings.keep_files) as files:
        tool = None
        if settings.app is not None:
            conditions["tool"] = str(settings.app)
        elif settings.benchmark_model is not None:
            record.progress("pushing benchmark_model")
            digest = sha256(settings.benchmark_model)
            tool = files.push(settings.benchmark_model, digest, "755")
            conditions["tool"] = f"benchmark_model {digest[:12]}"
        else:
            raise ExportError(
                "measuring on Android needs benchmark_model, or an app that measures",
                where="`benchmark_model`",
                expected="a file, or an activity as `app`",
            )
        wanted = settings.fixed_performance and _has_fixed_performance(properties)
        with _fixed_performance(device) if wanted else nullcontext(False) as fixed:
            conditions["fixed performance"] = "on" if fixed else "off"
            session = DeviceSession(device, settings, record, files, conditions, cores, tool)
            try:
                yield session
            finally:
                with suppress(ExportError, TimeoutError):
                    session.end()


@contextmanager
def _fixed_performance(device: Device) -> Iterator[bool]:
    """Android's mode of steady clocks, switched off again at the end; gives whether the device has it."""
    try:
        yield device.shell([*_FIXED_PERFORMANCE, "true"], check=False).code == 0
    finally:
        with suppress(ExportError, TimeoutError):
            device.shell([*_FIXED_PERFORMANCE, "false"], heed_stop=False)


def _pinned(device: Device, settings: AndroidSettings) -> list[int]:
    """The CPUs that the tool is to run on; empty for all. Raises ExportError where the device does not tell them."""
    if settings.cores == "all":
        return []
    chosen = facts.clusters(device).chosen(settings.cores)
    if not chosen:
        raise ExportError(
            f"{device.serial} does not show the frequencies of its cores, so its {settings.cores} ones are unknown",
            where="`cores`",
            next_step="leave `cores` out",
        )
    return chosen


def _has_fixed_performance(properties: Mapping[str, str]) -> bool:
    sdk = properties.get("ro.build.version.sdk", "")
    return sdk.isdecimal() and int(sdk) >= _FIRST_SDK_WITH_FIXED_PERFORMANCE
