"""Measured tables in README and ``docs/``: each stands between ``<!-- measured: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from modnet_export.record.files import write_bytes

_MARKED = re.compile(r"(<!-- measured: (?P<name>[^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)


def marked(text: str) -> list[str]:
    """The names of the tables that a document has."""
    return [found["name"] for found in _MARKED.finditer(text)]


def replaced(text: str, tables: Mapping[str, str]) -> str:
    """A document with these tables in the places that are marked for them."""

    def new(found: re.Match[str]) -> str:
        table = tables.get(found["name"])
        return found[0] if table is None else f"{found[1]}\n{table}\n\n{found[3]}"

    return _MARKED.sub(new, text)


def documents(root: Path) -> list[Path]:
    """README and the pages of docs."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def write(name: str, table: str, root: Path) -> None:
    """Write a table into every document that has a place for it."""
    for path in documents(root):
        text = path.read_text(encoding="utf-8")
        if name in marked(text):
            write_bytes(path, replaced(text, {name: table}).encode())
