"""Ours beside other converters and engines: what conversions cost, how exact the models are, and how fast.

Steps: ``prepare`` exports the demo checkpoint, ``convert`` makes every peer's environment and model, ``time`` holds one
session for each number of threads, and ``table`` writes the table of all sessions into ``docs/``. Each step keeps what
it finds in the work folder for the next; ``time`` may be repeated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from benchmarks import measured
from benchmarks.peers import sessions
from benchmarks.peers.catalogue import PLAIN, WEIGHTS, Peer, peers
from benchmarks.peers.converting import Conversion, converted
from benchmarks.peers.table import table
from converters.diagnose.inspection import inspect
from converters.errors import ExportError
from modnet_export.record.contract import Size
from modnet_export.record.files import write_bytes

MARK = "peers"
STEPS = ("prepare", "convert", "time", "table")
_CONVERSIONS = "conversions.json"
_JSON = TypeAdapter(dict[str, Conversion])


def prepare(work: Path, size: Size) -> None:
    """What everything is converted from, and the reference's matte of the built-in photo."""
    from safetensors.torch import save_file

    from modnet_export import ExportRequest, export
    from modnet_export.images.inputs import builtin
    from modnet_export.model.checkpoint import resolve
    from modnet_export.model.reference import TorchReference
    from modnet_export.verifying.parity import samples

    export(ExportRequest(size=size, formats=("onnx",), precisions=("fp32",), out=work / "dist"))
    reference = TorchReference(resolve("demo"), exact=True)
    save_file({key: value.clone() for key, value in reference.modnet.state_dict().items()}, work / WEIGHTS)
    (photo,) = samples(reference, size, builtin()[:1])
    np.save(work / sessions.IMAGE, photo.image_nhwc)
    np.save(work / sessions.MATTE, photo.matte_nhwc)


def conversions(work: Path) -> dict[str, Conversion]:
    """What conversions cost, by the names of rows."""
    path = work / _CONVERSIONS
    return _JSON.validate_json(path.read_bytes()) if path.exists() else {}


def convert(rows: Sequence[Peer], work: Path) -> None:
    """Convert with every peer; what each cost, or why it fails, is kept at once."""
    for row in rows:
        if row.conversion:
            found = conversions(work) | {row.name: converted(row, work)}
            write_bytes(work / _CONVERSIONS, _JSON.dump_json(found, indent=1))
            print(f"{row.name}: {found[row.name]}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"default: all of {', '.join(STEPS)}")
    parser.add_argument("--work", type=Path, default=Path(".peers"), help="environments, models and samples (kept)")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--only", default="", help="convert those peers only whose name has this in it")
    parser.add_argument("--threads", default="1,2", help="of `time` (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120, help="of each session (default: %(default)s)")
    options = parser.parse_args()
    unknown = [step for step in options.steps if step not in STEPS]
    if unknown:
        parser.error(f"there is no step '{unknown[0]}': {', '.join(STEPS)}")
    work, size, steps = options.work, Size.parse(options.size), options.steps or STEPS
    work.mkdir(parents=True, exist_ok=True)
    rows = peers(size.height, size.width)
    if "prepare" in steps:
        prepare(work, size)
    if "convert" in steps:
        convert([row for row in rows if options.only in row.name], work)
    if "time" in steps:
        made = [row for row in rows if (work / row.model).exists()]
        for threads in map(int, options.threads.split(",")):
            sessions.keep(sessions.hold(made, work, threads=threads, seconds=options.seconds), work)
    if "table" in steps:
        gflop = 2e-9 * (inspect(work / PLAIN).macs or 0)
        found = table(rows, conversions(work), sessions.kept(work), gflop)
        print(found)
        measured.write(MARK, found, Path())


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"error: {error}")
