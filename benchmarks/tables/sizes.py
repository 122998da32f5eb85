"""What a model's size and precision cost and bring: bytes, time, the distance from fp32's matte and from true ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peers.timing import interleaved
from benchmarks.tables.setting import Setting
from converters.diagnose.inspection import inspect
from converters.runtimes import open_runtime
from modnet_export import Size
from modnet_export.images.framing import Portrait
from modnet_export.images.imaging import restore_matte
from modnet_export.images.inputs import fit
from modnet_export.images.representative import portraits
from modnet_export.record.choices import Precision
from modnet_export.record.recipes import recipe
from modnet_export.verifying import metrics

# Height, width, and whether the pictures are 9:16 and not square; the last is letterboxed.
_ROWS = ((256, 256, False), (384, 384, False), (512, 512, False), (512, 288, True), (512, 512, True))
_WHOLE = Size(height=512, width=512)
_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8-mixed", "int8")
UNSEEN = slice(6, None)
"""Of the judging portraits: those that the demo weights were not trained on (tests/data/portraits)."""


def sizes(setting: Setting) -> str:
    """Each size and precision: MB, the time as a share of fp32's at 512x512, the mean difference from fp32's matte over
    all judging portraits and the worst portrait's, and that from the true mattes of those that the weights have not
    seen, at the photograph's own size."""
    people = portraits(setting.portraits)
    rows, calls = [], {}
    macs: dict[Size, int] = {}
    for height, width, tall in _ROWS:
        size = Size(height=height, width=width)
        seen = [_tall(person) if tall else person for person in people]
        fitted = [fit(person.photo, size) for person in seen]
        fp32_nhwc: list[np.ndarray] = []
        for path, precision in _files(setting, size):
            run = open_runtime(path).run
            mattes_nhwc = [run(image_nhwc) for image_nhwc, _ in fitted]
            fp32_nhwc = fp32_nhwc or mattes_nhwc
            moved = [metrics.mad(*pair) for pair in zip(mattes_nhwc, fp32_nhwc, strict=True)]
            true = [
                metrics.mad(restore_matte(matte_nhwc, place, "letterbox"), person.alpha)
                for matte_nhwc, (_, place), person in list(zip(mattes_nhwc, fitted, seen, strict=True))[UNSEEN]
            ]
            calls[str(path)] = partial(open_runtime(path, threads=setting.threads).run, fitted[0][0])
            macs[size] = macs.get(size) or inspect(path).macs or 0
            errors = " | |" if precision == "fp32" else f" {np.mean(moved):.4f} | {max(moved):.4f} |"
            rows.append((size, "9:16" if tall else "square", precision, path, f"{errors} {np.mean(true):.4f} |"))
    times = {run.name: run.median_ms for run in interleaved(calls, rounds=setting.rounds, conditions={})}
    whole = times[str(next(_files(setting, _WHOLE))[0])]
    lines = [
        "| size | pictures | multiplications | precision | MB | time | from fp32 | worst | from the true matte |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {size} | {pictures} | {macs[size] / 1e9:.1f} G | {precision} | {path.stat().st_size / 1e6:.1f} "
            f"| {times[str(path)] / whole:.2f} |{errors}"
            for size, pictures, precision, path, errors in rows
        ),
    ]
    return "\n".join([*lines, "", f"Time is that of fp32 at {_WHOLE} in the same run: {setting.conditions}."])


def _files(setting: Setting, size: Size) -> Iterator[tuple[Path, Precision]]:
    """The TFLite models of a size, fp32 first; exported where they are not there yet."""
    folder = replace(setting, size=size).exported(f"size-{size}", ("tflite",), _PRECISIONS)
    for precision in _PRECISIONS:
        yield folder / recipe("tflite", precision).file, precision


def _tall(person: Portrait) -> Portrait:
    """The middle of a portrait, 9:16."""
    height, width = person.alpha.shape
    columns = min(round(height * 9 / 16), width)
    left = (width - columns) // 2
    return Portrait(person.photo[:, left : left + columns], person.alpha[:, left : left + columns])
