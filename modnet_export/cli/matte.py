"""``modnet-export matte``."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.errors import ExportError
from converters.progress import counted
from modnet_export.cli.inputs import ComputeUnitOption, InputRangeOption, refuse
from modnet_export.record.choices import Fit, Temporal, VideoCodec
from modnet_export.terminal.console import escape, say, say_json
from modnet_export.terminal.options import MOST, JsonOption, command
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from modnet_export.images.matting import MattingRequest


@dataclass(frozen=True)
class MatteOptions:
    model: Annotated[
        str, typer.Argument(help="A .onnx, .tflite or .mlpackage model, a checkpoint's path, or its name (demo).")
    ]
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="The file to write: .png for one image, or .mp4, .webm or .mov for one clip. For several, a folder.",
        ),
    ]
    images: Annotated[
        list[Path] | None,
        typer.Argument(help="Images or folders of images, or clips (.mp4, .mov, .mkv, .webm and others)."),
    ] = None
    background: Annotated[
        str | None,
        typer.Option(
            help="The new background: transparent, blur, blur:SIGMA, a colour or an image. Without it, the "
            "matte itself is written."
        ),
    ] = None
    fit: Annotated[
        Fit | None,
        typer.Option(
            help="How an image is fitted to the model's size: with bars (letterbox), by stretching it "
            "(stretch), or as MODNet's own code does (released). Default: released for a checkpoint, "
            "otherwise letterbox."
        ),
    ] = None
    threads: Annotated[int | None, typer.Option(min=1, max=MOST, help="The number of threads of the engine.")] = None
    compute_unit: ComputeUnitOption = "ALL"
    input_range: InputRangeOption = None
    camera: Annotated[
        int | None, typer.Option(min=0, help="The number of a webcam, instead of files. Ctrl-C ends it.")
    ] = None
    codec: Annotated[
        VideoCodec | None,
        typer.Option(
            help="The codec of clips. Default: by the suffix of --out, otherwise h264, or vp9 if the "
            "background is transparent."
        ),
    ] = None
    temporal: Annotated[
        Temporal | None,
        typer.Option(help="The method against flicker in clips. Default: flow, a running mean along the motion."),
    ] = None
    start: Annotated[float | None, typer.Option(min=0, help="Where in a clip to begin, in seconds.")] = None
    duration: Annotated[float | None, typer.Option(min=0, help="How much of a clip to take, in seconds.")] = None
    size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH that a clip's frames are scaled to fit into. Their shape is kept.")
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Use a model even if it missed its limits when it was exported.")
    ] = False
    as_json: JsonOption = False

    def request(self) -> MattingRequest:
        from modnet_export.images.matting import MattingRequest

        return MattingRequest(self.model, self.fit, self.threads, self.compute_unit, self.input_range, self.force)


def matte(options: MatteOptions) -> None:
    """Compute mattes, cut-outs or new backgrounds for images, clips or a webcam."""
    from modnet_export.cli import clips

    given = options.images or []
    if options.camera is not None or clips.among(given):
        clips.matte(options)
        return
    refuse(options, ("codec", "temporal", "start", "duration", "size"), "a clip")
    if not given:
        raise ExportError("there is nothing to work on", where="`images`", expected="images, clips or a `camera`")
    from modnet_export.images.compositing import Background, composite, save_image
    from modnet_export.images.imaging import list_images, read_image
    from modnet_export.images.matting import open_matting
    from modnet_export.record.files import real

    behind = None if options.background is None else Background.parse(options.background)
    out = options.out
    paths = list({real(path): path for path in list_images(given)}.values())
    if real(out) not in {real(path) for path in given}:  # earlier results below a given folder
        paths = [path for path in paths if path in given or real(out) not in real(path).parents]
    to_file = bool(out.suffix) and not out.is_dir()
    if to_file and out.suffix.lower() != ".png":
        raise ExportError(
            f"{out.name} would not be a PNG",
            where="`out`",
            expected="a name that ends in .png, or a folder",
            next_step=f"`out={out.with_suffix('.png')}`",
        )
    if to_file and len(paths) > 1:
        raise ExportError(
            f"{len(paths)} images cannot be written to one file",
            where=out,
            expected="a folder",
            next_step="name one: `out=FOLDER`",
        )
    targets = [out] if to_file else named_after(paths, out)
    keep_inputs(paths, targets)
    matting = open_matting(options.request())
    (out.parent if to_file else out).mkdir(parents=True, exist_ok=True)
    failed: dict[Path, str] = {}
    with stages() as progress:
        for path, target in counted(list(zip(paths, targets, strict=True)), "matting", progress):
            try:
                image = read_image(path)
                alpha = matting.matte(image)
                save_image(target, alpha if behind is None else composite(image, alpha, behind))
            except ExportError as error:
                failed[path] = str(error)
    if options.as_json:
        rows = [
            {"image": str(path), "out": None if path in failed else str(target), "error": failed.get(path)}
            for path, target in zip(paths, targets, strict=True)
        ]
        say_json(json.dumps({"engine": matting.engine, "images": rows}, indent=2))
    elif len(failed) < len(paths):
        say(escape(f"Wrote {len(paths) - len(failed)} image(s) to {out}, {matting.engine}."))
    if failed:
        raise ExportError("\n".join([f"{len(failed)} of {len(paths)} image(s) failed:", *failed.values()]))


def named_after(paths: list[Path], folder: Path) -> list[Path]:
    """One .png for each path, under the shortest name that tells it from the others: its stem, its whole name, or its
    folder's name before that."""

    def names(path: Path) -> list[str]:
        whole = path.name.replace(".", "_")
        folders = path.absolute().parent.parts[1:]
        above = ["_".join([*folders[-depth:], whole]) for depth in range(1, len(folders) + 1)]
        return [path.stem, whole, *above]

    # Compared without case: some file systems would put A.png and a.png into one file.
    wanted = Counter(name for path in paths for name in {item.casefold() for item in names(path)})
    chosen: list[str] = []
    for path in paths:
        name = next((name for name in names(path) if wanted[name.casefold()] == 1), None)
        numbered = (f"{names(path)[-1]}_{number}" for number in count(1))
        chosen.append(name or next(item for item in numbered if item not in chosen and not wanted[item.casefold()]))
    return [folder / f"{name}.png" for name in chosen]


def keep_inputs(paths: list[Path], targets: list[Path]) -> None:
    """Raise ExportError where a result would replace one of the images that it is made from."""
    from modnet_export.record.files import real

    inputs = {real(path) for path in paths}
    lost = [target for target in targets if real(target) in inputs]
    if lost:
        raise ExportError(
            f"{len(lost)} of the inputs would be replaced by a matte",
            where=lost[0],
            expected="results apart from the files that they are made from",
            next_step="choose another folder or name as `out`",
        )


def mount(app: typer.Typer) -> None:
    command(app, MatteOptions)(matte)
