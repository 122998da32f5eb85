"""``modnet-export explain MODEL --images FOLDER``: which int8 ranges these photographs leave."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from converters.errors import ExportError
from converters.runtimes import open_runtime
from converters.runtimes.litert import LiteRt
from converters.tflite.int8.coverage import Clipped, coverage
from modnet_export.images import inputs, representative
from modnet_export.record import manifest
from modnet_export.record.contract import Size
from modnet_export.terminal.console import escape, say, say_json, show, table
from modnet_export.terminal.progress import stages

_CLIPPED = 0.001
"""More of a tensor's values than this beyond its range is worth a word."""


def calibration_folder(model: Path) -> Path | None:
    """The folder of photographs that a model was calibrated with, by its manifest; None: the built-in set.

    Raises ExportError where the manifest's word leads nowhere: it may come from another machine, or be older than the
    folder's last move.
    """
    recorded = manifest.load(model.parent).calibration
    if recorded is None or recorded == representative.BUILT_IN:
        return None
    folder = Path(recorded)
    if not folder.is_absolute():
        raise ExportError(
            f"the manifest says '{recorded}' for the calibration images, but not where that folder lies",
            where=model.parent / manifest.FILE_NAME,
            expected="an absolute path, as exports write it now",
            next_step="export again",
        )
    if not folder.is_dir():
        raise ExportError(
            f"the images that {model.name} was calibrated with are not there any more",
            where=folder,
            expected="the folder of photographs that the manifest names",
            next_step="put the folder back, or export again with photographs that are here: `calibration=FOLDER`",
        )
    return folder


def say_coverage(model: Path, folder: Path, *, as_json: bool) -> None:
    """Which tensors of an int8 model clip these photographs' values; raises ExportError for a model without int8."""
    runtime = open_runtime(model)
    if not isinstance(runtime, LiteRt):
        raise ExportError(
            f"{model.name} is not a TFLite model",
            where=model,
            expected="modnet_int8.tflite, for example",
            next_step="name the int8 model whose ranges you want to see",
        )
    chosen, size = inputs.images([folder]), Size(height=runtime.size[0], width=runtime.size[1])
    calibration = calibration_folder(model)

    def seen(images: list[Any]) -> list[Clipped]:
        with stages() as progress:
            encoded = [runtime.ports.encode(image_nhwc) for image_nhwc in images]
            return coverage(model.read_bytes(), encoded, progress)

    found = seen([item.load(size)[0] for item in chosen])
    if not found:
        raise ExportError(
            f"{model.name} has no int8 activations",
            where=model,
            expected="modnet_int8.tflite or modnet_int8_mixed.tflite",
        )
    calibrated = list(representative.some(representative.images(calibration, size, runtime.run)))
    usual = {item.tensor: item.worst_share for item in seen(calibrated)}
    # Twice what calibration had: photographs differ in how much of them is plain black or white.
    rows = [
        (item, max(item.worst_share - 2 * usual[item.tensor], 0.0), chosen[item.worst_image].name) for item in found
    ]
    rows.sort(key=lambda row: -row[1])
    if as_json:
        say_json(
            json.dumps(
                [
                    {**asdict(item), "beyond_calibration": more, "calibrated_share": usual[item.tensor], "worst": name}
                    for item, more, name in rows
                ],
                indent=2,
            )
        )
        return
    beyond = [row for row in rows if row[1] > _CLIPPED]
    say(
        f"[bold]{escape(model.name)}[/]: {len(beyond)} of {len(found)} int8 ranges are exceeded on these images by "
        f"more than {_CLIPPED:.1%} of the values"
    )
    if beyond:
        shown = table(("tensor", "range"), ("clipped", "calibrated"))
        shown.add_column("in")
        for item, _, name in beyond[:10]:
            spread = f"{item.low:.3g} to {item.high:.3g}"
            shares = (f"{item.worst_share:.2%}", f"{usual[item.tensor]:.2%}")
            shown.add_row(escape(item.tensor[:32]), spread, *shares, escape(name))
        show(shown, spare=("range",))
        say(
            "The shares are those of the worst image. To calibrate with photographs like these, "
            "export with --calibration FOLDER."
        )
