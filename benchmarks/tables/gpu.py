"""TFLite files on a phone's GPU, by what can be known without one: kernels and memory traffic, and errors in fp16."""

from __future__ import annotations

import numpy as np

from benchmarks.tables.setting import Setting
from converters.tflite.fp16_emulation import emulated
from converters.tflite.placement import ML_DRIFT, estimate
from modnet_export.verifying import metrics

_EMULATED = 2
"""How many judging portraits are emulated: each takes minutes."""
_COLUMNS = ("file", "taken whole", "ops", "kernels", "MB a frame", "in fp16: mean", "edges", "largest")


def accelerators(setting: Setting) -> str:
    """Every TFLite file on LiteRT's GPU accelerator; the fp16 one in emulated arithmetic too."""
    rows = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for item in setting.manifest.artefacts:
        if item.format != "tflite":
            continue
        data = setting.file(item.file).read_bytes()
        found = estimate(data, ML_DRIFT)
        whole = "yes" if found.possible == found.ops else f"{found.possible} of {found.ops}, {found.partitions} parts"
        megabytes = (found.bytes_moved or 0) / 1e6
        errors = _emulated(setting, data) if item.precision == "fp16" else "| | |"
        rows.append(f"| {item.precision} | {whole} | {found.ops} | {found.launches} | {megabytes:.0f} {errors}")
    return "\n".join(rows)


def _emulated(setting: Setting, data: bytes) -> str:
    """Cells: the mean, the mean at edges and the largest difference from the reference, in fp16 with fp16 sums."""
    run, found = emulated(data), []
    for sample in setting.samples[:_EMULATED]:
        predicted, expected = sample.shown(run(sample.image_nhwc)), sample.shown(sample.matte_nhwc)
        band = metrics.edge_band(expected)
        largest = metrics.max_abs_difference(predicted, expected)
        found.append((metrics.mad(predicted, expected), metrics.mad(predicted, expected, band), largest))
    mean, edges, largest = np.array(found).T
    return f"| {mean.mean():.1e} | {edges.mean():.1e} | {largest.max():.1e} |"
