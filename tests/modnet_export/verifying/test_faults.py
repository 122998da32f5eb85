"""Seeded faults: what moves the matte beyond its limit is detected, and placed at the op that holds the fault.

``python -m pytest -m "" -s tests/modnet_export/verifying/test_faults.py`` seeds all of them, and prints the table of
``docs/verification.md``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from converters.runtimes import open_runtime
from modnet_export import Size, VerifyRequest, verify
from modnet_export.images.inputs import builtin
from modnet_export.model import checkpoint
from modnet_export.model.reference import open_reference
from modnet_export.record import files, manifest
from tests.faults import KINDS, Seeded, open_ops, seed

SIZE = Size(height=96, width=128)
PARENTS = {
    "modnet_fp32.onnx": None,
    "modnet_opt_fp32.onnx": "modnet_fp32.onnx",
    "modnet_fp32.tflite": "modnet_opt_fp32.onnx",
    "modnet_fp32.mlpackage": "modnet_opt_fp32.onnx",
}
SEEDED = {"modnet_fp32.onnx": 12, "modnet_opt_fp32.onnx": 24, "modnet_fp32.tflite": 36, "modnet_fp32.mlpackage": 30}
ALL = [(file, number) for file, count in SEEDED.items() for number in range(count)]
TENTH = ALL[4::10]


@pytest.fixture(scope="module")
def sound(exported) -> Path:
    formats, precisions = ("onnx", "tflite", "coreml"), ("fp32",)
    return exported(size=SIZE, formats=formats, precisions=precisions, coreml_io="multiarray")


def judged(sound: Path, file: str, number: int, folder: Path) -> tuple[Seeded, bool, str, str]:
    """What was seeded, whether it moves the portrait's matte beyond the limit, the verdict, and what is blamed."""
    parent = PARENTS[file]
    if parent is not None:
        (folder / parent).symlink_to(sound / parent)
    ops = open_ops(sound / file)
    seeded = seed(ops, number)
    ops.write(folder / file)
    recorded = manifest.load(sound)
    kept = [
        item.model_copy(update={"sha256": files.sha256(folder / item.file)})
        for item in recorded.artefacts
        if item.file in (parent, file)
    ]
    content = manifest.dump(recorded.model_copy(update={"artefacts": tuple(kept)}))
    files.write_bytes(folder / manifest.FILE_NAME, content)
    image_nhwc, _ = builtin()[0].load(SIZE)
    expected = open_reference(checkpoint.resolve("demo")).run(image_nhwc)
    difference = np.abs(open_runtime(folder / file).run(image_nhwc) - expected).max()
    result = verify(VerifyRequest(folder, bisect=True))
    (link,) = (link for link in result.links if link.artefact == file)
    blamed = next((item.tensor for item in result.suspects if item.artefact == file), "")
    return seeded, not difference <= kept[-1].tolerance.max_abs_difference, link.verdict, blamed


@pytest.mark.parametrize(("file", "number"), TENTH)
def test_a_seeded_fault_is_detected_and_placed(sound, tmp_path, file, number):
    seeded, moves, verdict, blamed = judged(sound, file, number, tmp_path)
    assert moves
    assert verdict == "failed"
    assert blamed in seeded.group, seeded


@pytest.mark.slow
def test_of_a_hundred_seeded_faults_all_are_detected_and_95_placed(sound, tmp_path):
    counts: Counter[tuple[str, str, str]] = Counter()
    for index, (file, number) in enumerate(ALL):
        folder = tmp_path / str(index)
        folder.mkdir()
        seeded, moves, verdict, blamed = judged(sound, file, number, folder)
        found = ["harmless"] if verdict == "passed" else ["detected", *["placed"] * (blamed in seeded.group)]
        assert not (moves and verdict == "passed"), (file, number, seeded)
        counts.update((file, seeded.kind, what) for what in found)
        counts.update(("all", "all", what) for what in found)
        print(
            file, number, seeded.kind, seeded.op, seeded.tensor, *found, "" if "placed" in found else blamed, flush=True
        )
    print("| fault |", " | ".join(SEEDED), "|")
    for kind in KINDS:
        cells = [f"{counts[file, kind, 'placed']} of {counts[file, kind, 'detected']}" for file in SEEDED]
        print(f"| {kind} |", " | ".join(cells), "|")
    assert counts["all", "all", "detected"] >= 100
    assert counts["all", "all", "placed"] >= 0.95 * counts["all", "all", "detected"]
