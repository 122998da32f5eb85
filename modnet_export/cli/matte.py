"""``modnet-export matte``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.errors import ExportError
from converters.progress import counted
from modnet_export.cli.inputs import ComputeUnitOption
from modnet_export.record.choices import Fit
from modnet_export.terminal.console import escape, say
from modnet_export.terminal.options import command
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from modnet_export.images.matting import MattingRequest


@dataclass(frozen=True)
class MatteOptions:
    model: Annotated[
        str, typer.Argument(help="A .onnx, .tflite or .mlpackage model, a checkpoint's path, or its name (demo).")
    ]
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")]
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png file for one image, else a folder.")]
    background: Annotated[
        str | None,
        typer.Option(help="transparent, blur, blur:SIGMA, a colour or an image; left out: the matte itself."),
    ] = None
    fit: Annotated[
        Fit | None,
        typer.Option(help="How an image meets the model's size. Default: letterbox; released for a checkpoint."),
    ] = None
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the engine.")] = None
    compute_unit: ComputeUnitOption = "ALL"

    def request(self) -> MattingRequest:
        from modnet_export.images.matting import MattingRequest

        return MattingRequest(self.model, self.fit, self.threads, self.compute_unit)


def matte(options: MatteOptions) -> None:
    """Compute mattes, cut-outs or new backgrounds for one image or a folder."""
    from modnet_export.images.compositing import Background, composite, save_image
    from modnet_export.images.imaging import list_images, read_image
    from modnet_export.images.matting import open_matting

    behind = None if options.background is None else Background.parse(options.background)
    paths = list_images(options.images)
    out = options.out
    to_file = out.suffix.lower() == ".png" and not out.is_dir()
    if to_file and len(paths) > 1:
        raise ExportError(
            f"{len(paths)} images cannot be written to one file",
            where=out,
            expected="a folder",
            next_step="name one: `out=FOLDER`",
        )
    targets = [out] if to_file else _targets(paths, out)
    matting = open_matting(options.request())
    (out.parent if to_file else out).mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    with stages() as progress:
        for path, target in counted(list(zip(paths, targets, strict=True)), "matting", progress):
            try:
                image = read_image(path)
                alpha = matting.matte(image)
                save_image(target, alpha if behind is None else composite(image, alpha, behind))
            except ExportError as error:
                failed.append(str(error))
    done = len(paths) - len(failed)
    if done:
        say(escape(f"Wrote {done} image(s) to {out}, {matting.engine}."))
    if failed:
        raise ExportError("\n".join([f"{len(failed)} of {len(paths)} image(s) failed:", *failed]))


def _targets(paths: list[Path], folder: Path) -> list[Path]:
    """One .png a path, under its own name; the whole name where two would be the same."""
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "_") for path in paths]
    return [folder / f"{name}.png" for name in names]


def mount(app: typer.Typer) -> None:
    command(app, MatteOptions)(matte)
