"""Measure the tables of README and ``docs/`` anew, and write each between its marks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.measured import write
from benchmarks.tables import flicker, gpu, int8, islands, others, runtimes, sizes
from benchmarks.tables.setting import COUNT, Setting
from converters.errors import ExportError
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
            write(name, table, Path())


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"error: {error}")
