"""The phone at this machine, for ``modnet-export preview --phone`` and ``modnet-export doctor --device``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

from benchmarks.android.adb import Adb, Device
from benchmarks.android.preflight import preflight
from converters.errors import CheckFailedError, ExportError
from modnet_export.terminal.console import escape, say, say_json, show, table
from modnet_export.terminal.options import spelled


def chosen() -> Device:
    """The only phone; ``ANDROID_SERIAL`` chooses among several, as it does for adb. Raises ExportError."""
    adb = Adb()
    serial = os.environ.get("ANDROID_SERIAL")
    if serial is None and len(known := adb.devices()) > 1:
        raise ExportError(
            f"there are {len(known)} devices",
            where="adb devices",
            expected="the serial of one of them in ANDROID_SERIAL",
            next_step=f"for example: export ANDROID_SERIAL={known[0].serial}",
        )
    return adb.device(serial)


def say_preflight(*, as_json: bool) -> None:
    """Print what the phone says of itself before a benchmark; raises ExportError where ``bench`` would refuse it."""
    device = chosen()
    readings = preflight(device)
    if as_json:
        rows = [{**asdict(item), "to_do": spelled(item.to_do), "verdict": item.verdict} for item in readings]
        say_json(json.dumps(rows, indent=2))
    else:
        shown = table(("", "phone", "found"))
        shown.add_column("what to do")
        for item in readings:
            shown.add_row(_MARKS[item.verdict], item.name, escape(item.found or "-"), escape(spelled(item.to_do)))
        show(shown)
        say("docs/phones.md says how to go on. A dash means that the phone does not say.")
    if refused := [item for item in readings if item.verdict == "refused"]:
        raise CheckFailedError(
            f"bench would refuse to measure on {device.serial}: "
            f"{', '.join(f'{item.name} {item.found}' for item in refused)}",
            next_step="; ".join(item.to_do for item in refused),
        )


_MARKS = {"fine": "[green]fine[/]", "mind": "[yellow]mind[/]", "refused": "[red]refused[/]", "unknown": "unknown"}


@contextmanager
def opened_on_phone(port: int, address: str) -> Iterator[None]:
    """Show ``address``, which this machine serves on ``port``, in the phone's own browser; raises ExportError.

    The port is the phone's own for as long: a page of the loopback interface may use its camera.
    """
    device = chosen()
    device.reverse(port)
    try:
        device.shell(["am", "start", "-a", "android.intent.action.VIEW", "-d", address])
        yield
    finally:
        with suppress(ExportError, TimeoutError):  # a phone that was unplugged has forgotten it already
            device.reverse(port, remove=True)
