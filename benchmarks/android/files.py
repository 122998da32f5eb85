"""What is put on a device for a benchmark, and removed at its end."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from benchmarks.android.adb import Device
from converters.errors import ExportError

FOLDER = "/data/local/tmp/modnet-export"


class DeviceFiles:
    """Models and tool on the device, named by their hashes. All else lies in ``folder``, which goes at the end."""

    def __init__(self, device: Device, keep: bool) -> None:
        self._device, self._keep = device, keep
        self.folder = f"{FOLDER}/run-{uuid.uuid4().hex[:12]}"
        self._pushed: list[str] = []

    def __enter__(self) -> DeviceFiles:
        self._device.shell(["mkdir", "-p", self.folder])
        return self

    def __exit__(self, *_: object) -> None:
        # Also after Ctrl-C, or when the device was away for a while.
        with suppress(ExportError, TimeoutError):
            self._device.shell(["rm", "-rf", self.folder], heed_stop=False)
            if not self._keep:
                self._device.shell(["rm", "-f", *self._pushed], heed_stop=False)
                # Unless another benchmark has files there.
                self._device.shell(["rmdir", FOLDER], heed_stop=False, check=False)

    def push(self, local: Path, digest: str, mode: str = "644") -> str:
        """The path of a file on the device; it is sent unless the device has it. Raises ExportError."""
        remote = f"{FOLDER}/{digest}{local.suffix}"
        if remote not in self._pushed:
            self._pushed += [remote, f"{remote}.part"]  # before it is sent, so that half of a file is removed too
        found = self._device.text(["sha256sum", remote]).split(" ")[0]
        if found != digest:
            self._device.push(local, remote, mode)
            found = self._device.text(["sha256sum", remote]).split(" ")[0]
            if found and found != digest:
                raise ExportError(
                    f"{local.name} arrived damaged on {self._device.serial}",
                    expected=f"SHA-256 {digest}, found {found}",
                    next_step="try another cable or port",
                )
        return remote
