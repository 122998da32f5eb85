"""Android devices through the real ``adb``: every call is quoted and bounded in time, and every failure has its error.

The program is called instead of speaking its server's protocol: users have it, it keeps exit codes and the two output
streams apart (shell protocol v2), and it can be ended when a device hangs.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.android.sdk import own_group, sdk_program
from benchmarks.errors import DeviceGoneError, StoppedError
from converters.errors import ExportError

_SECONDS = 30.0
"""How long to wait for an answer that should come at once."""
_PUSH_BYTES_PER_SECOND = 500_000
"""The slowest connection that is still waited for."""
_GONE = re.compile(
    r"device .*not found|device offline|device still authorizing|device unauthorized|no devices|closed$|"
    r"protocol fault|connection reset|failed to read|cannot connect|EOF",
    re.IGNORECASE,
)
_NO_PERMISSIONS = "no permissions"
_FULL = re.compile(r"no space left on device|ENOSPC|disk quota|couldn't write|remote write failed", re.IGNORECASE)


class NoAnswerError(TimeoutError):
    """A call of adb took too long; ``out`` is what it had printed until then, both streams."""

    def __init__(self, message: str, out: str) -> None:
        super().__init__(message)
        self.out = out


class DeviceFullError(ExportError):
    """The device has no room for what it was sent."""


@dataclass(frozen=True)
class Listed:
    """One line of ``adb devices``."""

    serial: str
    state: str
    """``device``, ``offline``, ``unauthorized``, ``no permissions``, ..."""
    reason: str = ""
    """What adb says about the state, in brackets after it."""

    @classmethod
    def parse(cls, line: str) -> Listed:
        """A line with a tab between serial and state, such as ``SERIAL<tab>no permissions (WHY); see [URL]``."""
        serial, text = line.split("\t", 1)
        found = re.fullmatch(r"([^(;]*?)\s*(?:\((.*)\))?(?:; see \[.*\])?\s*", text)
        return cls(serial, text.strip()) if found is None else cls(serial, found[1], found[2] or "")

    @property
    def advice(self) -> str:
        """What makes a device of this state ready."""
        if self.state == _NO_PERMISSIONS:
            if re.search("not in the plugdev|requires plugdev", self.reason):
                return "become a member of the group plugdev (sudo usermod -aG plugdev $USER), then log in again"
            return (
                "add a udev rule for it (on Debian or Ubuntu: sudo apt install android-sdk-platform-tools-common), "
                "then unplug it and plug it in again: developer.android.com/studio/run/device"
            )
        return _ADVICE.get(self.state, "wait until it has started")


_ACCEPT = "unlock it and accept 'Allow USB debugging?' on its screen"
_RESTART = "restart it into Android: adb reboot"
_ADVICE = {
    "authorizing": _ACCEPT,
    "unauthorized": _ACCEPT,
    "offline": "unplug it and plug it in again, or: adb reconnect offline",
    "bootloader": "restart it into Android: fastboot reboot",
    "recovery": _RESTART,
    "rescue": _RESTART,
    "sideload": _RESTART,
}


@dataclass(frozen=True)
class Answer:
    """What a command on the device printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1][:300] if lines else ""


def find_adb() -> Path:
    """The ``adb`` program: on the path, in the Android SDK, or the one that comes with adbutils.

    Raises ExportError where there is none.
    """
    found = shutil.which("adb")
    if found:
        return Path(found)
    if program := sdk_program("platform-tools", "adb"):
        return program
    try:
        from adbutils import adb_path

        return Path(adb_path())
    except Exception as error:  # its own, where the wheel has no program for this system
        raise ExportError(
            "there is no adb here",
            expected="Android platform-tools",
            next_step="install them (developer.android.com/tools/releases/platform-tools), "
            "or: pip install 'modnet-export[android]'",
        ) from error


class Adb:
    """The ``adb`` of this machine. Once ``stop`` is set, every call and pause ends with StoppedError."""

    def __init__(self, program: Path | None = None, stop: threading.Event | None = None) -> None:
        self.program = program or find_adb()
        self.stop = stop or threading.Event()

    def raise_if_stopped(self) -> None:
        """Raise StoppedError once ``stop`` is set."""
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Wait; raises StoppedError as soon as ``stop`` is set."""
        if self.stop.wait(seconds):
            raise StoppedError

    def run(self, arguments: Sequence[str], *, seconds: float = _SECONDS, heed_stop: bool = True) -> Answer:
        """Call adb. Raises NoAnswerError after ``seconds``, ExportError when it does not start."""
        try:
            process = subprocess.Popen(
                [str(self.program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **own_group(),
            )
        except OSError as error:
            raise ExportError(f"cannot start {self.program}: {error}", next_step="check its path") from error
        deadline = time.monotonic() + seconds
        while True:
            try:
                out, err = process.communicate(timeout=min(0.2, max(deadline - time.monotonic(), 0.01)))
                return Answer(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
            except subprocess.TimeoutExpired:
                stopped = heed_stop and self.stop.is_set()
                if not stopped and time.monotonic() < deadline:
                    continue
                process.kill()
                printed = b"\n".join(process.communicate()).decode(errors="replace")
                if stopped:
                    raise StoppedError from None
                raise NoAnswerError(f"no answer within {seconds:.0f} s", printed) from None

    def devices(self) -> list[Listed]:
        """Every device that adb knows of, in whatever state. Raises ExportError where adb does not tell."""
        try:
            answer = self.run(["devices"])
        except TimeoutError as error:
            raise ExportError(
                f"adb devices: {error}", next_step="restart its server: adb kill-server, then adb start-server"
            ) from error
        if answer.code:
            raise ExportError(
                f"adb devices failed: {answer.last_line}", next_step="run adb kill-server, then try again"
            )
        return [Listed.parse(line) for line in answer.out.splitlines() if "\t" in line]

    def device(self, serial: str | None = None) -> Device:
        """The named device, or the only one; raises ExportError where there is none, or several, or it is not ready."""
        known = self.devices()
        chosen = [item for item in known if item.serial == serial] if serial else known
        listing = ", ".join(f"{item.serial} ({item.state})" for item in known) or "none"
        if not chosen:
            raise ExportError(
                f"there is no device {serial}" if serial else "there is no Android device",
                where="adb devices",
                expected="a phone with USB debugging switched on" if not known else f"one of: {listing}",
                next_step="connect it and accept the dialogue on its screen, or run adb connect HOST:PORT",
            )
        if len(chosen) > 1:
            raise ExportError(
                f"there are {len(chosen)} devices",
                where="adb devices",
                expected="the serial of one of them, or several targets",
                next_step=f"choose {' or '.join(f'`targets=adb:{item.serial}`' for item in chosen)}",
            )
        (one,) = chosen
        if one.state != "device":
            raise ExportError(
                f"adb may not use {one.serial}: {one.reason or one.state}"
                if one.state == _NO_PERMISSIONS
                else f"{one.serial} is {one.state}",
                where="adb devices",
                expected="a device that is ready",
                next_step=one.advice,
            )
        return Device(self, one.serial)


class Device:
    """One device that is ready. All methods raise DeviceGoneError when it does not answer any more."""

    def __init__(self, adb: Adb, serial: str) -> None:
        self.adb, self.serial = adb, serial

    @property
    def transport(self) -> str:
        """``network`` for HOST:PORT and wireless debugging, ``emulator``, or ``usb``."""
        if self.serial.startswith("emulator-"):
            return "emulator"
        return "network" if re.search(r":\d+$|\._tcp\b", self.serial) else "usb"

    def shell(
        self, arguments: Sequence[str], *, seconds: float = _SECONDS, check: bool = True, heed_stop: bool = True
    ) -> Answer:
        """Run one program. Its arguments reach it unchanged, whatever they contain.

        Raises ExportError for an exit code other than 0 where ``check`` is set, TimeoutError after ``seconds``.
        """
        answer = self._run(["shell", "-n", "-T", shlex.join(arguments)], seconds, heed_stop)
        if check and answer.code:
            raise ExportError(
                f"{arguments[0]} on {self.serial} ended with {answer.code}: {answer.last_line}",
                where=shlex.join(arguments)[:300],
            )
        return answer

    def text(self, arguments: Sequence[str]) -> str:
        """What a command prints, without white space around it; empty where it fails, hangs or does not exist."""
        try:
            answer = self.shell(arguments, seconds=15, check=False)
        except TimeoutError:
            return ""
        return "" if answer.code else answer.out.strip()

    def push(self, local: Path, remote: str, mode: str = "644") -> None:
        """Send a file under another name first, so that ``remote`` is never half a file. ``mode`` is octal.

        Raises DeviceFullError or ExportError.
        """
        partial = f"{remote}.part"
        size = local.stat().st_size
        answer = self._run(["push", str(local), partial], _SECONDS + size / _PUSH_BYTES_PER_SECOND)
        if answer.code:
            self._refuse(answer, f"cannot send {local.name}")
        found = self.text(["stat", "-c", "%s", partial])
        if found and found != str(size):
            raise DeviceFullError(f"{self.serial} kept {found} of the {size} bytes of {local.name}", next_step=_FREE)
        self.shell(["chmod", mode, partial])
        self.shell(["mv", partial, remote])

    def pull(self, remote: str, local: Path) -> None:
        """Fetch a file. Raises ExportError."""
        try:
            answer = self._run(["pull", remote, str(local)], 120)
        except TimeoutError as error:
            raise DeviceGoneError(f"{self.serial} did not send {remote}: {error}") from error
        if answer.code:
            self._refuse(answer, f"cannot fetch {remote}")

    def reverse(self, port: int, *, remove: bool = False) -> None:
        """Make a TCP port of this machine the device's own, or no longer. Raises ExportError."""
        ports = ["--remove", f"tcp:{port}"] if remove else [f"tcp:{port}", f"tcp:{port}"]
        answer = self._run(["reverse", *ports], _SECONDS)
        if answer.code:
            self._refuse(answer, f"cannot forward port {port} to this machine")

    def wait(self, seconds: float) -> bool:
        """Wait until the device answers again, at most for ``seconds``; whether it does."""
        deadline, tried = time.monotonic() + seconds, False
        while time.monotonic() < deadline:
            try:
                if re.search(r":\d+$", self.serial):
                    if tried:  # adb takes a connection that was never answered for one, and would not connect again
                        self.adb.run(["disconnect", self.serial], seconds=5)
                    tried = True
                    self.adb.run(["connect", self.serial], seconds=5)  # adb does not do that by itself
                if self._run(["shell", "-n", "-T", "echo ready"], 5).out.strip() == "ready":
                    return True
            except (DeviceGoneError, TimeoutError):
                pass
            self.adb.pause(0.5)
        return False

    def _run(self, arguments: Sequence[str], seconds: float, heed_stop: bool = True) -> Answer:
        answer = self.adb.run(["-s", self.serial, *arguments], seconds=seconds, heed_stop=heed_stop)
        # adb's own failures end with 1 or 255 and print such a line; a program on the device may print one like it.
        if answer.code in (1, 255) and re.search(r"^(adb: |error: )", answer.err, re.MULTILINE):
            if _FULL.search(answer.err):
                self._refuse(answer, "no room")
            if _GONE.search(answer.err):
                raise _gone(self.serial, answer.last_line)
        if arguments[0] == "shell" and answer.code == 255 and not answer.out and not answer.err:
            raise _gone(self.serial, "the connection ended")
        return answer

    def _refuse(self, answer: Answer, what: str) -> None:
        text = f"{answer.err}\n{answer.out}"
        if _FULL.search(text):
            raise DeviceFullError(f"{self.serial} is full: {answer.last_line}", next_step=_FREE)
        if _GONE.search(text):
            raise _gone(self.serial, answer.last_line)
        raise ExportError(f"{what} on {self.serial}: {answer.last_line}")


_FREE = "free some of its storage: models and benchmark_model need about 100 MB in /data/local/tmp"


def _gone(serial: str, reason: str) -> DeviceGoneError:
    return DeviceGoneError(
        f"{serial} does not answer any more: {reason}",
        expected="a device that stays connected",
        next_step="connect it again, then go on with `resume`",
    )
