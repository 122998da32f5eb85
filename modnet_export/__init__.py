"""MODNet on phones: export, verify, inspect, use. The command line is ``modnet-export``.

>>> from pathlib import Path
>>> from modnet_export import Request, Size, export
>>> manifest = export(Request(size=Size(height=256, width=256), out=Path("dist")))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modnet_export.contract import Size
    from modnet_export.manifest import Manifest
    from modnet_export.matting import open_matting
    from modnet_export.pipeline import Request, export, verify

__all__ = ["Manifest", "Request", "Size", "export", "open_matting", "verify"]

_HOMES = {
    "Manifest": "manifest",
    "Request": "pipeline",
    "Size": "contract",
    "export": "pipeline",
    "open_matting": "matting",
    "verify": "pipeline",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used: most of them bring PyTorch along."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'modnet_export' has no attribute '{name}'")
    return getattr(import_module(f"modnet_export.{_HOMES[name]}"), name)
