"""What a model's size costs and brings: multiplications, time, and the distance from true mattes."""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.peers.timing import interleaved
from benchmarks.tables.setting import Setting
from converters.diagnose.inspection import inspect
from converters.runtimes import open_runtime
from modnet_export import ExportRequest, Size, export
from modnet_export.images.framing import Portrait
from modnet_export.images.imaging import restore_matte
from modnet_export.images.inputs import fit
from modnet_export.images.representative import portraits
from modnet_export.verifying import metrics

# Height, width, and whether the pictures are 9:16 and not square; the last is letterboxed.
_ROWS = ((256, 256, False), (384, 384, False), (512, 512, False), (512, 288, True), (512, 512, True))
UNSEEN = slice(6, None)
"""Of the judging portraits: those that the demo weights were not trained on (tests/data/portraits)."""


def sizes(setting: Setting) -> str:
    """Each size on the portraits that the weights have not seen; times are shares of 512x512's."""
    people = portraits(setting.portraits)[UNSEEN]
    rows, calls, macs = [], {}, {}
    for height, width, tall in _ROWS:
        size = Size(height=height, width=width)
        folder = setting.work / f"size-{size}"
        if not folder.exists():
            request = ExportRequest(
                setting.checkpoint, size=size, formats=("tflite",), precisions=("fp32",), out=folder
            )
            export(request, setting.progress)
        fp32 = folder / "modnet_fp32.tflite"
        run, errors = open_runtime(fp32).run, []
        for person in people:
            seen = _tall(person) if tall else person
            image_nhwc, place = fit(seen.photo, size)
            errors.append(metrics.mad(restore_matte(run(image_nhwc), place, "letterbox"), seen.alpha))
        calls[str(size)] = partial(open_runtime(fp32, threads=setting.threads).run, fit(people[0].photo, size)[0])
        macs[str(size)] = inspect(fp32).macs or 0
        rows.append((str(size), "9:16" if tall else "square", float(np.mean(errors))))
    times = {run.name: run.median_ms for run in interleaved(calls, rounds=setting.rounds, conditions={})}
    heads = "| size | pictures | multiplications | time | from the true matte |\n|---|---|---|---|---|"
    lines = [
        f"| {size} | {pictures} | {macs[size] / 1e9:.1f} G | {times[size] / times['512x512']:.2f} | {error:.4f} |"
        for size, pictures, error in rows
    ]
    return "\n".join([heads, *lines, "", f"Time is that of fp32 at 512x512 in the same run: {setting.conditions}."])


def _tall(person: Portrait) -> Portrait:
    """The middle of a portrait, 9:16."""
    height, width = person.alpha.shape
    columns = min(round(height * 9 / 16), width)
    left = (width - columns) // 2
    return Portrait(person.photo[:, left : left + columns], person.alpha[:, left : left + columns])
