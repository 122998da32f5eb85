"""What else README and docs measure: fp32 against float64, Core ML, correlation, and the output of ``make demo``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np

from benchmarks.tables.setting import Setting
from converters.runtimes import open_runtime
from modnet_export.record import manifest
from modnet_export.verifying import metrics

_FLOATS = {
    "PyTorch float32, one thread": None,
    "`modnet_fp32.onnx`, ONNX Runtime": "modnet_fp32.onnx",
    "`modnet_opt_fp32.onnx`, ONNX Runtime": "modnet_opt_fp32.onnx",
    "`modnet_fp32.tflite`, LiteRT": "modnet_fp32.tflite",
    "`modnet_fp32.mlpackage`, evaluated": "modnet_fp32.mlpackage",
}


def exactness(setting: Setting) -> str:
    """The float32 models' largest difference from float64 on every judging image, and as a multiple of the noise."""
    rows = ["| | median | 95 % | largest | max / noise, largest |", "|---|---|---|---|---|"]
    for name, file in _FLOATS.items():
        run = None if file is None else open_runtime(setting.file(file)).run
        found = []
        for sample in setting.samples:
            matte_nhwc = sample.rounded_nhwc if run is None else run(sample.image_nhwc)
            assert matte_nhwc is not None  # the reference is a checkpoint
            largest = metrics.max_abs_difference(sample.shown(matte_nhwc), sample.shown(sample.matte_nhwc))
            found.append((largest, metrics.noise_ratio(largest, sample.noise)))
        differences, ratios = np.array(found).T
        cells = [f"{np.quantile(differences, share):.1e}" for share in (0.5, 0.95, 1)]
        rows.append(f"| {name} | {' | '.join(cells)} | {ratios.max():.1f} |")
    return "\n".join(rows)


def coreml(setting: Setting) -> str:
    """Every Core ML precision on the judging images, by the evaluator: fp32 with float ports, see ``packages``."""
    rows = ["| precision | MB | mean | worst image | edges | 99.9 % | largest |", "|---|---|---|---|---|---|---|"]
    exact = [(setting.dist, item) for item in setting.manifest.artefacts if item.file == "modnet_fp32.mlpackage"]
    packages = [(setting.packages, item) for item in manifest.load(setting.packages).artefacts]
    for folder, item in [*exact, *packages]:
        found = setting.errors(folder / item.file)
        cells = [found.mean, found.worst, found.edges, found.p999, found.largest]
        rows.append(f"| {item.precision} | {item.bytes / 1e6:.1f} | {' | '.join(f'{cell:.1e}' for cell in cells)} |")
    return "\n".join(rows)


def correlation(setting: Setting) -> str:
    """The least correlation of the coarse models with the reference, and an all-zero matte's."""
    files: Mapping[str, str] = {
        "int4-weights": "modnet_int4_weights.tflite",
        "palettized6": "modnet_palettized6.mlpackage",
        "palettized4": "modnet_palettized4.mlpackage",
    }
    rows = ["| | least correlation |", "|---|---|"]
    rows += [f"| {name} | {setting.errors(setting.file(file)).least_correlation:.3f} |" for name, file in files.items()]
    return "\n".join([*rows, "| an all-zero matte | 0 |"])


def demo(setting: Setting) -> str:
    """What ``make demo`` prints, up to its last table."""
    folder = setting.work / "demo"
    command = [
        sys.executable,
        "-m",
        "modnet_export",
        "export",
        "--checkpoint",
        setting.checkpoint,
        "--out",
        str(folder),
    ]
    shown = subprocess.run(
        command, env=os.environ | {"COLUMNS": "100"}, capture_output=True, text=True, check=True
    ).stdout
    lines = shown[: shown.index("Wrote ")].rstrip().splitlines()
    return "\n".join(f"    {line}".rstrip() for line in lines)
