"""An export's TFLite files on older runtimes, each in an environment of its own.

``python -m benchmarks.tables.runtimes DIST`` runs them, and writes what it sees to
``modnet_export/data/runtimes.json``: manifests and the table in ``docs/`` take it from there.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.peers.environments import call, python_of, script
from benchmarks.tables.setting import Setting
from converters.errors import ExportError
from converters.runtimes import Image, open_runtime
from converters.tflite import builder as fb
from modnet_export.record import manifest
from modnet_export.record.files import write_bytes
from modnet_export.record.manifest import Artefact
from modnet_export.record.seen import FILE, Runtimes, Seen, recorded
from modnet_export.verifying.parity import Sample, compare, referenced

OLD = ("tflite-runtime", "oldest-litert")
"""The environments (``peers/requirements-*.txt``): TensorFlow's last runtime, and the first LiteRT of this Python."""


@dataclass(frozen=True)
class _Run:
    """What a runtime makes of a model: a matte for each image, or why it refuses."""

    engine: str
    mattes: list[Image]
    refused: str = ""


def _old(peer: str, model: Path, images: Path, work: Path) -> _Run:
    mattes = work / "mattes.npy"
    python = python_of(peer, work)
    pin = (work / f"venv-{peer}" / "installed.txt").read_text(encoding="utf-8").split()[0]
    engine = pin.replace("==", " ").replace("ai-edge-litert", "LiteRT")
    try:
        call([python, script("run_tflite"), model.resolve(), images, mattes], f"{peer} with {model.name}", work)
    except ExportError as error:
        return _Run(engine, [], error.what.splitlines()[-1])
    return _Run(engine, list(np.load(mattes)))


def _judged(run: _Run, newest: _Run, artefact: Artefact, inputs: list[Sample]) -> Seen:
    if run.refused:
        return Seen(runtime=run.engine, precision=artefact.precision, refused=run.refused, passed=False)
    each = zip(inputs, newest.mattes, run.mattes, strict=True)
    told = [item for item in each if artefact.recipe.judged_on(item[0].name)]
    measured = [
        compare(replace(sample, matte_nhwc=wanted), found, artefact.tolerance) for sample, wanted, found in told
    ]
    return Seen(
        runtime=run.engine,
        precision=artefact.precision,
        largest=measured[0].max_abs_difference,
        mad=measured[0].mad,
        passed=all(item.passed for item in measured),
    )


def seen(dist: Path, work: Path) -> Runtimes:
    """Every TFLite file of an export on every runtime, the newest first, on the built-in inputs.

    ``work`` keeps the environments. Raises ExportError where one cannot be made.
    """
    found, work = manifest.load(dist), work.resolve()
    inputs = referenced(found)
    work.mkdir(parents=True, exist_ok=True)
    images = work / "images.npy"
    np.save(images, np.stack([item.image_nhwc for item in inputs]))

    operators, told = {}, []
    for artefact in (item for item in found.artefacts if item.format == "tflite"):
        path = dist / artefact.file
        runtime = open_runtime(path, threads=1)
        newest = _Run(runtime.engine, [runtime.run(item.image_nhwc) for item in inputs])
        versions = sorted(fb.operators(fb.read(path.read_bytes())))
        operators[artefact.precision] = tuple(f"{name} {version}" for name, version in versions)
        runs = [newest, *(_old(peer, path, images, work) for peer in OLD)]
        told += [_judged(run, newest, artefact, inputs) for run in runs]
    return Runtimes(size=found.size, newest=told[0].runtime, operators=operators, seen=tuple(told))


def table(found: Runtimes) -> str:
    """Runtime by precision, as Markdown."""
    runtimes = list(dict.fromkeys(item.runtime for item in found.seen))
    rows = [f"| | {' | '.join(runtimes)} |", "|---" * (len(runtimes) + 1) + "|"]
    for precision in dict.fromkeys(item.precision for item in found.seen):
        cells = [_cell(item) for item in found.seen if item.precision == precision]
        rows.append(f"| `{precision}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(item: Seen) -> str:
    if item.refused:
        return f"refused: {item.refused.split('. ')[0].split(': ', 1)[-1]}"
    told = f"{item.mad:.1e}, {item.largest:.1e}"
    return told if item.passed else f"**too far**: {told}"


def runtimes(setting: Setting) -> str:
    """The table of what is recorded; nothing is measured."""
    return table(recorded())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables.runtimes", description=__doc__)
    parser.add_argument("dist", type=Path, help="an export")
    parser.add_argument("--work", type=Path, default=Path(".peers"), help="environments (kept)")
    options = parser.parse_args()
    found = seen(options.dist, options.work)
    write_bytes(Path("modnet_export") / "data" / FILE, (found.model_dump_json(indent=2) + "\n").encode())
    print(table(found))


if __name__ == "__main__":
    try:
        main()
    except ExportError as error:
        sys.exit(f"error: {error}")
