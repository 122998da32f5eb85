"""TFLite files on a phone's GPU, by what can be known without one: kernels and memory traffic, and errors in fp16."""

from __future__ import annotations

from benchmarks.tables.setting import Setting
from converters.tflite.fp16_emulation import emulated
from converters.tflite.placement import ML_DRIFT, estimate

_COLUMNS = ("file", "taken whole", "ops", "kernels", "MB a frame", "in fp16: mean", "edges", "worst mean", "largest")


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
        cells = f"{whole} | {found.ops} | {found.launches} | {megabytes:.0f}"
        if item.precision != "fp16":
            rows.append(f"| {item.precision} | {cells} | | | | |")
            continue
        rows.append(f"| fp16 | {cells} {_emulated(setting, data, wide_sums=False)}")
        rows.append(f"| fp16, sums in float32 | {cells} {_emulated(setting, data, wide_sums=True)}")
    return "\n".join(rows)


def _emulated(setting: Setting, data: bytes, *, wide_sums: bool) -> str:
    """Cells: how far the mattes of emulated fp16 arithmetic are from the reference's."""
    errors = setting.errors(emulated(data, wide_sums=wide_sums))
    return f"| {errors.mean:.1e} | {errors.edges:.1e} | {errors.worst:.1e} | {errors.largest:.1e} |"
