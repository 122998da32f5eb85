"""How a measurement ends early; known to what drives the targets and to the targets alike."""

from __future__ import annotations

from converters.errors import ExportError


class DeviceGoneError(ExportError):
    """The device does not answer any more: it was unplugged, fell asleep or restarts."""


class StoppedError(Exception):
    """The user asked to stop."""
