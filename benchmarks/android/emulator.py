"""An Android emulator, booted without a window for the measurements and shut down after them."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, ClassVar

from benchmarks.android.adb import Adb, Device
from benchmarks.android.sdk import android_sdk, own_group, sdk_program
from benchmarks.android.settings import AndroidSettings
from benchmarks.android.target import AdbTarget
from benchmarks.choices import Observation
from benchmarks.errors import DeviceGoneError
from benchmarks.plan import Plan
from benchmarks.record import TargetRecord
from converters.errors import ExportError
from modnet_export.record.choices import Format

_PORTS = range(5554, 5682, 2)


def find_emulator() -> Path:
    """The SDK's ``emulator`` program; raises ExportError where it is missing."""
    if program := sdk_program("emulator", "emulator"):
        return program
    found = shutil.which("emulator")
    if found:
        return Path(found)
    raise ExportError(
        "there is no Android emulator here",
        where=android_sdk() or "ANDROID_HOME is not set",
        expected="the Android SDK with its package 'emulator'",
        next_step="install Android Studio, or: sdkmanager emulator; then set ANDROID_HOME to the SDK's folder",
    )


def virtual_devices(emulator: Path) -> list[str]:
    """The names of all AVDs; raises ExportError where the emulator does not list them."""
    try:
        done = subprocess.run([str(emulator), "-list-avds"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ExportError(f"{emulator} -list-avds failed: {error}", next_step="reinstall the emulator") from error
    # Some versions print INFO lines between the names.
    return [line.strip() for line in done.stdout.splitlines() if line.strip() and " " not in line.strip()]


_RESERVED = set[int]()
_RESERVING = threading.Lock()


def _reserved_port(adb: Adb) -> int:
    """A port that no emulator has; two that are booted at once get two. It is free again when its emulator ends."""
    with _RESERVING:
        taken = {item.serial for item in adb.devices()}
        port = next((port for port in _PORTS if f"emulator-{port}" not in taken and port not in _RESERVED), None)
        if port is None:
            raise ExportError("all ports for emulators are taken", next_step="end an emulator: adb emu kill")
        _RESERVED.add(port)
        return port


def _require_acceleration(program: Path) -> None:
    """Raise ExportError where the emulator says that this machine cannot run it fast (KVM, HVF, WHPX)."""
    try:
        done = subprocess.run([str(program), "-accel-check"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return  # booting will tell
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip() not in ("", "accel:", "accel")]
    if done.returncode:
        said = next((line for line in lines if not line.isdecimal()), f"-accel-check ended with {done.returncode}")
        raise ExportError(
            f"this machine cannot run an emulator: {said}",
            where=f"{program} -accel-check",
            next_step="on Linux, become a member of the group kvm: sudo usermod -aG kvm $USER, then log in again",
        )


@contextmanager
def booted(avd: str, adb: Adb, seconds: float) -> Iterator[Device]:
    """A running AVD; it is shut down at the end, also on errors. Raises ExportError where it does not start."""
    program = find_emulator()
    known = virtual_devices(program)
    if avd not in known:
        raise ExportError(
            f"there is no virtual device '{avd}'",
            where=program,
            expected=", ".join(known) or "an AVD: none has been made yet",
            next_step="make one in Android Studio's Device Manager, or with avdmanager create avd",
        )
    _require_acceleration(program)
    port = _reserved_port(adb)
    options = ["-no-window", "-no-audio", "-no-boot-anim", "-no-snapshot", "-port", str(port)]
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(
                [str(program), "-avd", avd, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **own_group(),
            )
        except OSError as error:
            raise ExportError(f"cannot start {program}: {error}", next_step="reinstall the emulator") from error
        device = Device(adb, f"emulator-{port}")
        try:
            _wait(device, process, log, seconds)
            yield device
        finally:
            _RESERVED.discard(port)
            with suppress(ExportError, TimeoutError):
                adb.run(["-s", device.serial, "emu", "kill"], seconds=15, heed_stop=False)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(device: Device, process: subprocess.Popen[bytes], log: IO[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        if process.poll() is not None:
            raise ExportError(f"the emulator ended with {process.returncode}: {_tail(log)}", next_step=_BY_HAND)
        with suppress(DeviceGoneError):
            # The device answers before its services do.
            if device.text(["getprop", "sys.boot_completed"]) == "1":
                return
        if time.monotonic() > deadline:
            raise ExportError(
                f"{device.serial} did not boot within {seconds:.0f} s: {_tail(log)}",
                next_step=f"{_BY_HAND}; without KVM it takes many minutes: allow them with `boot_timeout`",
            )
        device.adb.pause(1)


_BY_HAND = "start it by hand to see what it prints: emulator -avd NAME"


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    bad = [line for line in lines if re.match(r"(ERROR|FATAL|PANIC)\b", line)]
    return " / ".join(bad or lines[-1:])[:600] or "it printed nothing"


@dataclass(frozen=True)
class EmulatorTarget:
    """An AVD. What it measures is marked, because its latencies say nothing about those of a phone."""

    avd: str
    settings: AndroidSettings = field(default_factory=AndroidSettings)
    boot_timeout_s: float = 300
    program: Path | None = None
    """adb; looked for where None."""

    formats: ClassVar[frozenset[Format]] = AdbTarget.formats

    @property
    def name(self) -> str:
        return f"emulator:{self.avd}"

    @property
    def run_suffix(self) -> str:
        return f" on {self.name}"

    @property
    def observations(self) -> frozenset[Observation]:
        return self._on("").observations

    def measure(self, plan: Plan, record: TargetRecord, stop: threading.Event) -> None:
        """See ``session.Target``."""
        plan.of_formats(self.formats, self.name)  # before it boots for nothing
        record.progress("booting")
        with booted(self.avd, Adb(self.program, stop), self.boot_timeout_s) as device:
            self._on(device.serial).measure(plan, record, stop)

    def _on(self, serial: str) -> AdbTarget:
        """The running emulator as a device. It has no heat and no clocks of its own."""
        settings = replace(self.settings, functional=True, fixed_performance=False, cool_timeout_s=0)
        return AdbTarget(serial, settings, self.name, self.program)
