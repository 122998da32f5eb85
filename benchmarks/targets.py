"""The targets that words name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.android import app, tool
from benchmarks.android.emulator import EmulatorTarget
from benchmarks.android.target import AdbTarget, Settings
from benchmarks.host.target import HostTarget
from benchmarks.qemu import QemuTarget
from benchmarks.session import Target
from converters.errors import ExportError


def parse(words: Sequence[str], settings: Settings, tool_name: str | None, boot_seconds: float) -> list[Target]:
    """``host``, ``adb``, ``adb:SERIAL``, ``emulator:AVD``, ``qemu-arm64`` or ``qemu-arm64:CPU``; raises ExportError."""
    found: list[Target] = []
    for word in dict.fromkeys(words):
        kind, _, which = word.partition(":")
        if word == "host":
            found.append(HostTarget())
        elif kind == "qemu-arm64":
            found.append(QemuTarget(which or None))
        elif kind == "adb" or (kind == "emulator" and which):
            if settings.app is not None:
                app.component(settings.app)
            elif settings.tool is None:
                settings = replace(settings, tool=tool.find(tool_name))
            found.append(
                AdbTarget(which or None, settings) if kind == "adb" else EmulatorTarget(which, settings, boot_seconds)
            )
        else:
            raise ExportError(
                f"'{word}' is not a valid target",
                where="`targets`",
                expected="host, adb, adb:SERIAL, emulator:AVD, qemu-arm64 or qemu-arm64:CPU",
            )
    return found
