"""``modnet-export demo``."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from modnet_export.terminal.console import escape, program, say
from modnet_export.terminal.options import command
from modnet_export.terminal.progress import stages

_WRITTEN = {
    "modnet_fp32.onnx": "the checkpoint as exported",
    "modnet_opt_fp32.onnx": "after the graph passes, for ONNX Runtime Mobile",
    "modnet_fp32.tflite": "for phone CPUs (XNNPACK)",
    "modnet_fp16.tflite": "half the size, written for phone GPUs",
    "manifest.json": "hashes, contract, versions and the measurements above",
    "golden_image.png": "the built-in portrait",
    "golden_matte.png": "the reference's matte of it, for tests on devices",
    "overview.png": "photo, matte and composite, by modnet_fp16.tflite",
    "cutout.png": "the portrait on a transparent background",
}


@dataclass(frozen=True)
class DemoOptions:
    out: Annotated[Path, typer.Option(help="The folder to write, as for export.")] = Path("dist")


def demo(options: DemoOptions) -> None:
    """Export the embedded checkpoint and cut the built-in portrait out with the result."""
    import numpy as np

    from modnet_export.cli.tables import say_manifest
    from modnet_export.exporting import run
    from modnet_export.exporting.request import ExportRequest
    from modnet_export.images.compositing import Background, composite, save_image
    from modnet_export.images.imaging import demo_photo
    from modnet_export.images.matting import MattingRequest, open_matting

    out = options.out
    with stages() as progress:
        manifest = run.export(ExportRequest(out=out), progress)
        progress("cutting out the portrait")
        model = out / "modnet_fp16.tflite"
        photo = demo_photo()
        alpha = open_matting(MattingRequest(str(model))).matte(photo)
        save_image(out / "cutout.png", composite(photo, alpha, Background()))
        grey = np.repeat(alpha[..., None], 3, axis=2)
        panels = [photo, grey, composite(photo, alpha, Background.parse("#2e7d6b"))]
        save_image(out / "overview.png", np.concatenate(panels, axis=1))
    say_manifest(manifest)
    say(f"\n[bold]{escape(str(out))}/[/] now holds")
    for name, what in _WRITTEN.items():
        say(f"  {name:<22} {what}")
    say("\nNext, with your own photo and the official weights:")
    for line in (
        f"matte {shlex.quote(str(model))} PHOTO.jpg -o cutout.png --background transparent",
        "export --checkpoint photographic --out dist-photographic",
    ):
        say(escape(f"  {program()} {line}"))


def mount(app: typer.Typer) -> None:
    command(app, DemoOptions)(demo)
