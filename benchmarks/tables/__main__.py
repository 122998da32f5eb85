"""Measure the tables of README and ``docs/`` anew, and write each between its marks.

A table stands between ``<!-- measured: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.tables import flicker, gpu, int8, islands, others, runtimes, sizes
from benchmarks.tables.setting import COUNT, Setting
from converters.errors import ExportError
from modnet_export.record.files import write_bytes
from modnet_export.terminal.progress import stages

TABLES: Mapping[str, Callable[[Setting], str]] = {
    "demo": others.demo,
    "exactness": others.exactness,
    "int8": int8.models,
    "int8 of another checkpoint": int8.another_checkpoint,
    "int8, step by step": int8.steps,
    "int8 weights": int8.weights,
    "int8, islands": islands.islands,
    "runtimes": runtimes.runtimes,
    "coreml": others.coreml,
    "correlation": others.correlation,
    "flicker": flicker.flicker,
    "gpu": gpu.accelerators,
    "sizes": sizes.sizes,
}
DOCUMENTS = ("README.md", "docs")
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
    return [root / DOCUMENTS[0], *sorted((root / DOCUMENTS[1]).glob("*.md"))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(TABLES)}")
    parser.add_argument("--work", type=Path, default=Path("build/tables"), help="what is kept for the next run")
    parser.add_argument("--count", type=int, default=COUNT, help="framed judging portraits (default: %(default)s)")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in TABLES]
    if unknown:
        parser.error(f"there is no table '{unknown[0]}': {', '.join(TABLES)}")
    with stages() as progress:
        setting = Setting(options.work, count=options.count, progress=progress)
        for name in options.names or TABLES:
            progress(f"measuring {name}")
            table = TABLES[name](setting)
            print(f"{name}\n\n{table}\n", flush=True)
            for path in documents(Path()):
                text = path.read_text(encoding="utf-8")
                if name in marked(text):
                    write_bytes(path, replaced(text, {name: table}).encode())


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"error: {error}")
