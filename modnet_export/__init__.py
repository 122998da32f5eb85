"""MODNet on phones: export, verify and use its models. The command line is ``modnet-export``.

>>> from pathlib import Path
>>> from modnet_export import ExportRequest, Size, export
>>> manifest = export(ExportRequest(size=Size(height=256, width=256), out=Path("dist")))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modnet_export import collision

collision.refuse()

if TYPE_CHECKING:
    from modnet_export.exporting.request import ExportRequest
    from modnet_export.exporting.run import export
    from modnet_export.images.matting import MattingRequest, open_matting
    from modnet_export.record.contract import Size
    from modnet_export.record.manifest import Manifest
    from modnet_export.verifying.result import Verification
    from modnet_export.verifying.run import VerifyRequest, verify

__all__ = [
    "ExportRequest",
    "Manifest",
    "MattingRequest",
    "Size",
    "Verification",
    "VerifyRequest",
    "export",
    "open_matting",
    "verify",
]

_HOMES = {
    "ExportRequest": "exporting.request",
    "Manifest": "record.manifest",
    "MattingRequest": "images.matting",
    "Size": "record.contract",
    "Verification": "verifying.result",
    "VerifyRequest": "verifying.run",
    "export": "exporting.run",
    "open_matting": "images.matting",
    "verify": "verifying.run",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: most of them bring PyTorch along."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'modnet_export' has no attribute '{name}'")
    return getattr(import_module(f"modnet_export.{_HOMES[name]}"), name)
