"""A page of this machine on a phone, for ``modnet-export preview --phone``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.android.adb import Adb
from converters.errors import ExportError


@contextmanager
def opened_on_phone(port: int, address: str) -> Iterator[None]:
    """Show ``address``, which this machine serves on ``port``, in the phone's own browser; raises ExportError.

    The port is the phone's own for as long: a page of the loopback interface may use its camera. ``ANDROID_SERIAL``
    chooses among several phones, as it does for adb.
    """
    adb = Adb()
    serial = os.environ.get("ANDROID_SERIAL")
    if serial is None and len(known := adb.devices()) > 1:
        raise ExportError(
            f"there are {len(known)} devices",
            where="adb devices",
            expected="the serial of one of them in ANDROID_SERIAL",
            next_step=f"for example: export ANDROID_SERIAL={known[0].serial}",
        )
    device = adb.device(serial)
    device.reverse(port)
    try:
        device.shell(["am", "start", "-a", "android.intent.action.VIEW", "-d", address])
        yield
    finally:
        with suppress(ExportError, TimeoutError):  # a phone that was unplugged has forgotten it already
            device.reverse(port, remove=True)
