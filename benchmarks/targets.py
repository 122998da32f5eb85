"""From the words of the command line to targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.android import tool
from benchmarks.android.emulator import EmulatorTarget
from benchmarks.android.settings import AndroidSettings
from benchmarks.android.target import AdbTarget
from benchmarks.host.target import HostTarget
from benchmarks.qemu import QemuTarget
from benchmarks.session import Target
from converters.errors import ExportError

_EXPECTED = "host, adb, adb:SERIAL, emulator:AVD, qemu-arm64 or qemu-arm64:CPU"


def parse(
    words: Sequence[str], settings: AndroidSettings, benchmark_model: str | None, boot_timeout_s: float
) -> list[Target]:
    """The targets that words such as ``host`` or ``adb:SERIAL`` name, each once.

    ``benchmark_model`` is what ``tool.find`` takes; it is looked for where an Android device needs it. Raises
    ExportError for words that name no target, and for a benchmark_model that is needed and not found.
    """
    found: dict[str, Target] = {}
    for word in words:
        kind, _, which = word.partition(":")
        target: Target
        if word == "host":
            target = HostTarget()
        elif kind == "qemu-arm64":
            target = QemuTarget(which or None)
        elif kind == "adb" or (kind == "emulator" and which):
            if settings.app is None and settings.benchmark_model is None:
                settings = replace(settings, benchmark_model=tool.find_all(benchmark_model))
            if kind == "adb":
                target = AdbTarget(which or None, settings)
            else:
                target = EmulatorTarget(which, settings, boot_timeout_s)
        else:
            raise ExportError(f"'{word}' is not a valid target", where="`targets`", expected=_EXPECTED)
        found[target.name] = target
    if not found:
        raise ExportError("no target is named", where="`targets`", expected=_EXPECTED)
    return list(found.values())
