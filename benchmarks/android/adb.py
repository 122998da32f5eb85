"""Android devices through the real ``adb``: every call is quoted, bounded in time, and answered or refused clearly.

The program is called, not its server's protocol: it is what users have, it keeps exit codes and the two output streams
apart (shell protocol v2), and it can be ended when a device hangs.
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

from benchmarks.android.sdk import android_sdk
from converters.errors import ExportError

_SECONDS = 30.0
"""What an answer may take where nothing longer is expected."""
_PUSH_BYTES_PER_SECOND = 500_000
"""Of the slowest connection that is waited for."""
_GONE = re.compile(
    r"device .*not found|device offline|device still authorizing|device unauthorized|no devices|closed$|"
    r"protocol fault|connection reset|failed to read|cannot connect|EOF",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left on device|ENOSPC|disk quota|couldn't write|remote write failed", re.IGNORECASE)


class DeviceGoneError(ExportError):
    """The device does not answer any more: unplugged, asleep, rebooting."""


class DeviceFullError(ExportError):
    """The device has no room for what it was sent."""


class StoppedError(Exception):
    """The user asked to stop."""


@dataclass(frozen=True)
class Listed:
    """One line of ``adb devices``."""

    serial: str
    state: str
    """``device``, ``offline``, ``unauthorized``, ``no permissions``, ..."""


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
    sdk = android_sdk()
    if sdk is not None and (sdk / "platform-tools" / "adb").is_file():
        return sdk / "platform-tools" / "adb"
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
    """The ``adb`` of this machine. ``stop``, once set, ends every call that is under way with ``StoppedError``."""

    def __init__(self, program: Path | None = None, stop: threading.Event | None = None) -> None:
        self.program = program or find_adb()
        self.stop = stop or threading.Event()

    def run(self, arguments: Sequence[str], *, seconds: float = _SECONDS, heed_stop: bool = True) -> Answer:
        """Raises TimeoutError when it takes longer than ``seconds``."""
        try:
            process = subprocess.Popen(
                [str(self.program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us: we end it, then put the device in order
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
                process.communicate()
                if stopped:
                    raise StoppedError from None
                raise TimeoutError(f"no answer within {seconds:.0f} s") from None

    def devices(self) -> list[Listed]:
        """Every device that adb knows of, in whatever state."""
        try:
            answer = self.run(["devices"])
        except TimeoutError as error:
            raise ExportError(
                f"`adb devices` gave {error}", next_step="restart its server: adb kill-server, then adb start-server"
            ) from error
        if answer.code:
            raise ExportError(f"`adb devices` failed: {answer.last_line}", next_step="adb kill-server, then try again")
        lines = [line.split("\t", 1) for line in answer.out.splitlines() if "\t" in line]
        return [Listed(serial, state.split(";")[0].strip().removeprefix("(")) for serial, state in lines]

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
                next_step="connect it and accept the dialogue on its screen, or `adb connect HOST:PORT`",
            )
        if len(chosen) > 1:
            raise ExportError(
                f"there are {len(chosen)} devices",
                where="adb devices",
                expected="the serial of one of them, or several targets separated by commas",
                next_step=" or ".join(f"--target adb:{item.serial}" for item in chosen),
            )
        (one,) = chosen
        if one.state != "device":
            raise ExportError(
                f"{one.serial} is {one.state}",
                where="adb devices",
                expected="a device that is ready",
                next_step={
                    "authorizing": "unlock it and accept 'Allow USB debugging?' on its screen",
                    "unauthorized": "unlock it and accept 'Allow USB debugging?' on its screen",
                    "offline": "unplug it and plug it in again, or: adb reconnect offline",
                    "no permissions": "add a udev rule for it: developer.android.com/studio/run/device",
                }.get(one.state, "wait until it has started"),
            )
        return Device(self, one.serial)


class Device:
    """One ready device. All methods raise DeviceGoneError when it does not answer any more."""

    def __init__(self, adb: Adb, serial: str) -> None:
        self.adb, self.serial = adb, serial

    def shell(
        self, arguments: Sequence[str], *, seconds: float = _SECONDS, check: bool = True, heed_stop: bool = True
    ) -> Answer:
        """Run one program; its arguments reach it as they are, whatever they contain.

        Raises ExportError for an exit code other than 0 where ``check`` is set, TimeoutError after ``seconds``.
        """
        answer = self._run(["shell", "-n", "-T", shlex.join(arguments)], seconds, heed_stop)
        if check and answer.code:
            raise ExportError(
                f"`{arguments[0]}` on {self.serial} ended with {answer.code}: {answer.last_line}",
                where=shlex.join(arguments)[:300],
            )
        return answer

    def text(self, arguments: Sequence[str]) -> str:
        """What a command prints, without white space around it; empty where it fails, hangs or is not there."""
        try:
            answer = self.shell(arguments, seconds=15, check=False)
        except TimeoutError:
            return ""
        return "" if answer.code else answer.out.strip()

    def push(self, local: Path, remote: str, mode: str = "644") -> None:
        """Send a file whole: under another name first. Raises DeviceFullError, DeviceGoneError or ExportError."""
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
        """Fetch a file. Raises DeviceGoneError or ExportError."""
        try:
            answer = self._run(["pull", remote, str(local)], 120)
        except TimeoutError as error:
            raise DeviceGoneError(f"{self.serial} gave {error} to a pull of {remote}") from error
        if answer.code:
            self._refuse(answer, f"cannot fetch {remote}")

    def wait(self, seconds: float) -> bool:
        """Until the device answers again, at most so long; whether it does."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if self._run(["shell", "-n", "-T", "echo ready"], 5).out.strip() == "ready":
                    return True
            except (DeviceGoneError, TimeoutError):
                pass
            if self.adb.stop.wait(0.5):
                raise StoppedError
        return False

    def _run(self, arguments: Sequence[str], seconds: float, heed_stop: bool = True) -> Answer:
        answer = self.adb.run(["-s", self.serial, *arguments], seconds=seconds, heed_stop=heed_stop)
        # adb's own failures are 1 or 255 with a line of its own; a program's line may only look like one.
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


_FREE = "free some of its storage: the models and benchmark_model need about 100 MB in /data/local/tmp"


def _gone(serial: str, reason: str) -> DeviceGoneError:
    return DeviceGoneError(
        f"{serial} does not answer any more: {reason}",
        expected="a device that stays connected",
        next_step="connect it again, then run the same command with --resume",
    )
