"""Stands in for ``adb`` where a real one cannot be brought into a state: a USB device that it may not open.

The wordings are those of AOSP's adb: ``to_string(ConnectionState)`` in adb.cpp prints the short help text of
``UsbNoPermissionsShortHelpText`` in client/diagnose_usb.cpp (packages/modules/adb; before 2020 system/core/adb).
"""

from __future__ import annotations

from pathlib import Path

_SEE = "; see [http://developer.android.com/tools/device.html]"
NO_RULE = {
    "2016, a user in plugdev": f"no permissions (verify udev rules){_SEE}",
    "2018, a user in plugdev": f"no permissions (user in plugdev group; are your udev rules wrong?){_SEE}",
    "2020, a user in plugdev": f"no permissions (missing udev rules? user is in the plugdev group){_SEE}",
    "no group plugdev": f"no permissions{_SEE}",
    "before 2016": "no permissions",
}
NO_GROUP = {
    "2016": f"no permissions (udev requires plugdev group membership){_SEE}",
    "2018": f"no permissions (user phil is not in the plugdev group){_SEE}",
}


def program(path: Path, *listed: str) -> Path:
    """Write an ``adb`` that lists devices, each as ``SERIAL<tab>STATE``."""
    lines = "\n".join(["List of devices attached", *listed, "", ""])
    path.write_text(f"#!/bin/sh\n[ \"$1\" = devices ] && cat <<'END'\n{lines}\nEND\n", encoding="utf-8")
    path.chmod(0o755)
    return path
