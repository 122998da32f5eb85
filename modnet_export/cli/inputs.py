"""The options that say what a verification runs on, for the commands that share them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from converters.choices import ComputeUnit
from converters.errors import ExportError
from modnet_export.record.choices import InputRange

if TYPE_CHECKING:
    from modnet_export.images.inputs import Input

ImagesOption = Annotated[
    Path | None, typer.Option(help="An image or a folder of images, instead of the built-in inputs.")
]
VideoOption = Annotated[
    Path | None, typer.Option(help="A video file, or a folder of its frames. Adds the measures dtSSD and flicker.")
]
TruthOption = Annotated[
    Path | None,
    typer.Option(
        help="True mattes: the folder of a dataset (PPM-100, P3M, AIM), those of --images, or those of --video "
        "(a grey video, or a folder with one for each frame)."
    ),
]
ConvertedOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        help="The checkpoint of the export, if it has moved. For models that somebody else converted, what "
        "they were made from: a checkpoint (or demo, photographic, webcam) or an .onnx.",
    ),
]
SizeOption = Annotated[
    str | None, typer.Option(help="Height x width, for models that take any size. Default: 512x512.")
]
ToleranceOption = Annotated[
    list[str] | None,
    typer.Option(
        help="MEASURE=LIMIT for all artefacts, or a TOML file with sections for some of them. May be repeated."
    ),
]
ComputeUnitOption = Annotated[ComputeUnit, typer.Option(help="Where Core ML may run a package (on a Mac).")]
InputRangeOption = Annotated[
    InputRange | None,
    typer.Option(help="The values that your own .onnx takes for black and white. Default: found out from the model."),
]


def chosen(images: Path | None, video: Path | None, ground_truth: Path | None) -> tuple[Input, ...]:
    """The inputs that the options name; none for the built-in ones. Raises ExportError."""
    from modnet_export.images import inputs

    if ground_truth is not None and video is None:
        return tuple(inputs.ground_truth(ground_truth, images))
    if video is not None and images is None:
        return tuple(inputs.video(video, ground_truth))
    if video is not None:
        raise ExportError(
            "a video cannot be combined with images",
            where="`video`",
            expected="`images` or `video`, each with `ground_truth` or without",
        )
    return () if images is None else tuple(inputs.images([images]))


def refuse(options: Any, names: Iterable[str], needed: str) -> None:
    """Raise ExportError where a setting is given that has no use here; ``needed`` says where it has."""
    for field in fields(options):
        if field.name in names and getattr(options, field.name) != field.default:
            raise ExportError(
                "this setting has no use here",
                where=f"`{field.name}`",
                expected=needed,
                next_step=f"leave `{field.name}` out",
            )
