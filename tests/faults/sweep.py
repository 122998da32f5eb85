"""``python -m tests.faults.sweep DIST [FILE ...]`` seeds all faults into an export, and prints the documented table.

``DIST``: ``modnet-export export --formats onnx,tflite,coreml --precisions fp32 --coreml-io multiarray``.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from converters.runtimes import open_runtime
from modnet_export import VerifyRequest, verify
from modnet_export.images.inputs import builtin
from modnet_export.model import checkpoint
from modnet_export.model.reference import open_reference
from modnet_export.record import files, manifest
from modnet_export.record.contract import Size
from modnet_export.verifying.parity import Sample, compare, samples
from tests.faults.coreml_ops import CoreMlOps
from tests.faults.onnx_ops import OnnxOps
from tests.faults.seeding import KINDS, Ops, Seeded, seed
from tests.faults.tflite_ops import TfliteOps

_PARENTS = {"modnet_fp32.onnx": None, "modnet_opt_fp32.onnx": "modnet_fp32.onnx"}
SEEDED = {"modnet_fp32.onnx": 12, "modnet_opt_fp32.onnx": 24, "modnet_fp32.tflite": 36, "modnet_fp32.mlpackage": 33}
"""How many faults each artefact gets."""
_HARMLESS = {("modnet_fp32.mlpackage", 9)}
"""What the matte does not show."""
ALL = [(file, number) for file, count in SEEDED.items() for number in range(count) if (file, number) not in _HARMLESS]


_FORMATS: dict[str, Callable[[Path], Ops]] = {".onnx": OnnxOps, ".tflite": TfliteOps, ".mlpackage": CoreMlOps}


@dataclass(frozen=True)
class Judged:
    """What became of one fault."""

    seeded: Seeded
    moves: bool
    """Whether it moves the portrait's matte beyond the artefact's limit, measured without ``verify``."""
    verdict: str
    blamed: str
    """The tensor of the op that ``bisect`` names."""

    @property
    def placed(self) -> bool:
        return self.blamed in self.seeded.group


def judged(sound: Path, file: str, fault: Callable[[Ops], Seeded], folder: Path) -> Judged:
    """Seed one fault into a copy in ``folder``, whose parent is sound, and verify it."""
    parent = _PARENTS.get(file, "modnet_opt_fp32.onnx")
    if parent is not None:
        (folder / parent).symlink_to(sound / parent)
    ops = _FORMATS[Path(file).suffix](sound / file)
    seeded = fault(ops)
    ops.write(folder / file)
    recorded = manifest.load(sound)
    kept = tuple(
        item.model_copy(update={"sha256": files.sha256(folder / item.file)})
        for item in recorded.artefacts
        if item.file in (parent, file)
    )
    content = manifest.dump(recorded.model_copy(update={"artefacts": kept, "golden": None}))
    files.write_bytes(folder / manifest.FILE_NAME, content)
    portrait = _portrait(recorded.size)
    found = compare(portrait, open_runtime(folder / file).run(portrait.image_nhwc), kept[-1].tolerance)
    result = verify(VerifyRequest(folder, bisect=True))
    (link,) = (link for link in result.links if link.artefact == file)
    blamed = next((item.tensor for item in result.suspects if item.artefact == file), "")
    return Judged(seeded, not found.passed, link.verdict, blamed)


@lru_cache(maxsize=1)
def _portrait(size: Size) -> Sample:
    """The built-in portrait, and the reference's matte of it."""
    return samples(open_reference(checkpoint.resolve("demo")), size, builtin()[:1])[0]


def main(sound: Path, only: Collection[str]) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    placed: Counter[tuple[str, str]] = Counter()
    for file, number in (item for item in ALL if item[0] in only):
        with tempfile.TemporaryDirectory() as folder:
            found = judged(sound, file, partial(seed, number=number), Path(folder))
        detected = found.verdict == "failed"
        counts[file, found.seeded.kind] += detected
        placed[file, found.seeded.kind] += detected and found.placed
        wrong = "" if found.placed else f"; blamed: {found.blamed}"
        print(f"{file} {number}: {found.seeded.kind} in {found.seeded.tensor}: {found.verdict}{wrong}", flush=True)
        assert detected or not found.moves
    print("| fault |", " | ".join(SEEDED), "|\n|---" * 1, "|---" * len(SEEDED), "|", sep="")
    for kind in KINDS:
        cells = [f"{placed[file, kind]} of {counts[file, kind]}" for file in SEEDED]
        print(f"| {kind} |", " | ".join(cells), "|")
    print(f"{sum(placed.values())} of {sum(counts.values())} that were detected are placed.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or SEEDED)
