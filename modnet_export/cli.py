"""The command line: the only place that wires everything. Heavy imports wait until a command needs them."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from converters.errors import ExportError

if TYPE_CHECKING:
    from modnet_export.manifest import Manifest

app = typer.Typer(
    name="modnet-export",
    help="Put MODNet portrait matting on a phone: export, verify, inspect and use its models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_out = Console()
_err = Console(stderr=True)


class Tune(str, Enum):
    cpu = "cpu"
    gpu = "gpu"


class CoreMlPorts(str, Enum):
    image = "image"
    multiarray = "multiarray"


class CoreMlTarget(str, Enum):
    ios16 = "iOS16"
    ios17 = "iOS17"
    ios18 = "iOS18"


class ComputeUnit(str, Enum):
    all = "ALL"
    cpu_only = "CPU_ONLY"
    cpu_and_gpu = "CPU_AND_GPU"
    cpu_and_ne = "CPU_AND_NE"


class FitChoice(str, Enum):
    released = "released"
    letterbox = "letterbox"
    stretch = "stretch"


C = TypeVar("C", bound=str)


def _choices(text: str, option: str, allowed: tuple[C, ...]) -> tuple[C, ...]:
    """A comma-separated list of allowed words, in the order of ``allowed``; raises ExportError."""
    words = {word.strip() for word in text.split(",") if word.strip()}
    unknown = words - set(allowed)
    if unknown or not words:
        raise ExportError(
            f"'{', '.join(sorted(unknown)) or text}' is not a choice",
            where=option,
            expected=f"one or more of {', '.join(allowed)}, separated by commas",
        )
    return tuple(word for word in allowed if word in words)


@contextmanager
def _stages(total: int | None = None) -> Iterator[Callable[[str], None]]:
    """A spinner with the present stage on a terminal; one line a stage elsewhere."""
    if not _err.is_terminal:
        yield lambda stage: _err.print(f"  {stage}", highlight=False, markup=False)
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=_err, transient=True
    ) as progress:
        task = progress.add_task("starting", total=total)
        yield lambda stage: progress.update(task, description=escape(stage))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _number(value: float | None, missing: str) -> str:
    return missing if value is None else f"{value:.1e}"


def _print_manifest(manifest: Manifest) -> None:
    _print(f"[bold]MODNet {manifest.size} from '{escape(manifest.source.name)}'[/]")
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("artefact", "for", "MB", "input"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "MB" else "left")
    for heading in ("max", "mean", "PSNR", "verdict"):
        table.add_column(heading, no_wrap=True, justify="right")
    for artefact in manifest.artefacts:
        for index, item in enumerate(artefact.parity):
            finite = item.max_abs_difference is not None
            table.add_row(
                *(
                    (artefact.file, artefact.tuning or "any", f"{artefact.bytes / 1e6:.1f}")
                    if index == 0
                    else ("",) * 3
                ),
                escape(item.input),
                _number(item.max_abs_difference, "not finite"),
                _number(item.mad, "not finite"),
                f"{item.psnr_db:.0f}" if item.psnr_db is not None else "equal" if finite else "-",
                "[green]passed[/]" if item.passed else "[bold red]FAILED[/]",
            )
    _out.print(table)
    limits = {f"{item.precision} {item.tolerance}": None for item in manifest.artefacts}
    allowed = "; ".join(limits)
    _print(f"Absolute differences of mattes in [0, 1] from the reference ({escape(manifest.reference)}), PSNR in dB.")
    _print(f"Allowed: {allowed}.")
    for engine in {item.engine: None for item in manifest.artefacts if item.format == "coreml"}:
        _print(f"Core ML packages were {engine}.")


def _print(text: str) -> None:
    """Prose and commands, never wrapped: they are there to be copied."""
    _out.print(text, highlight=False, soft_wrap=True)


def _print_json(text: str) -> None:
    sys.stdout.write(text + "\n")


ComputeUnitOption = Annotated[ComputeUnit, typer.Option(help="Where Core ML may run a package (on a Mac).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
def export(
    checkpoint: Annotated[
        str, typer.Option(help="demo (embedded), photographic or webcam (official, downloaded), or a file's path.")
    ] = "demo",
    size: Annotated[str, typer.Option(help="Height x width, multiples of 32.")] = "512x512",
    formats: Annotated[str, typer.Option(help="Comma-separated: onnx, tflite, coreml.")] = "onnx,tflite",
    precisions: Annotated[
        str, typer.Option(help="Comma-separated: fp32, fp16; for Core ML also int8, palettized6, palettized4, w8a8.")
    ] = "fp32,fp16",
    tune: Annotated[
        Tune | None,
        typer.Option(help="The processor that graphs are written for. Default: cpu for fp32, gpu for fp16."),
    ] = None,
    coreml_io: Annotated[
        CoreMlPorts, typer.Option(help="8-bit images in and out, or float multi-arrays.")
    ] = CoreMlPorts.image,
    coreml_target: Annotated[
        CoreMlTarget, typer.Option(help="The oldest system that must run it.")
    ] = CoreMlTarget.ios16,
    out: Annotated[Path, typer.Option(help="The folder to write; replaced in one step, or not at all.")] = Path("dist"),
    as_json: JsonOption = False,
) -> None:
    """Export a checkpoint to ONNX, TFLite and Core ML, each verified against the reference network."""
    from modnet_export import pipeline
    from modnet_export.contract import Size

    request = pipeline.Request(
        checkpoint=checkpoint,
        size=Size.parse(size),
        formats=_choices(formats, "--formats", ("onnx", "tflite", "coreml")),
        precisions=_choices(precisions, "--precisions", ("fp32", "fp16", "int8", "palettized6", "palettized4", "w8a8")),
        tune=None if tune is None else tune.value,
        coreml_ports=coreml_io.value,
        coreml_target=coreml_target.value,
        out=out,
    )
    with _stages() as progress:
        manifest = pipeline.export(request, progress)
    if as_json:
        _print_json(manifest.model_dump_json(indent=2))
        return
    _print_manifest(manifest)
    _print(f"\nWrote {escape(str(out))}/ with {len(manifest.artefacts)} verified models and manifest.json.")
    _print("Next: " + escape(f"modnet-export matte {out / manifest.artefacts[-1].file} PHOTO -o cutout.png"))


@app.command()
def verify(
    dist: Annotated[Path, typer.Argument(help="A folder that export wrote.")],
    images: Annotated[Path | None, typer.Option(help="An image or a folder, instead of the built-in inputs.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Where the checkpoint is, if not where it was.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A .zip to write: a colleague with a Mac runs its replay.py with Core ML.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--import", help="The results.json that replay.py wrote on the Mac.")
    ] = None,
    compute_unit: ComputeUnitOption = ComputeUnit.all,
    as_json: JsonOption = False,
) -> None:
    """Check hashes and parity again. Exit code 1 when a tolerance is missed."""
    from modnet_export import pipeline
    from modnet_export.imaging import list_images

    paths = [] if images is None else list_images([images])
    with _stages() as progress:
        manifest = pipeline.verify(
            dist,
            images=paths,
            checkpoint_name=checkpoint,
            bundle=bundle,
            results=results,
            compute_unit=compute_unit.value,
            progress=progress,
        )
    if as_json:
        _print_json(manifest.model_dump_json(indent=2))
    else:
        _print_manifest(manifest)
    pipeline.require_parity(manifest.artefacts)


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(help="A .onnx or .tflite file, or an .mlpackage.")],
    as_json: JsonOption = False,
) -> None:
    """Show a model's ops, shapes, parameters, multiplications, size and delegation."""
    from dataclasses import asdict

    from converters.inspection import inspect as summarise

    summary = summarise(model)
    if as_json:
        _print_json(json.dumps(asdict(summary), indent=2))
        return
    table = Table(title=escape(summary.file), title_justify="left", show_header=False)
    table.add_row("format", summary.format)
    table.add_row("size", _megabytes(summary.bytes))
    for kind, ports in (("input", summary.inputs), ("output", summary.outputs)):
        for port in ports:
            shape = " x ".join(map(str, port.shape))
            table.add_row(kind, escape(f"{port.name}: {shape} {port.dtype}"))
    types = ", ".join(f"{count:,} {name}" for name, count in summary.weight_types.items())
    table.add_row("parameters", f"{summary.parameters:,} ({types})")
    table.add_row("MACs", "unknown: dynamic shapes" if summary.macs is None else f"{summary.macs / 1e9:.2f} G")
    total = sum(summary.ops.values())
    table.add_row("ops", f"{total}: " + ", ".join(f"{count} {name}" for name, count in summary.ops.items()))
    if summary.delegated_ops is not None:
        share = summary.delegated_ops / total if total else 0
        table.add_row(
            "delegation",
            f"{summary.delegate} runs {summary.delegated_ops} of {total} ops ({share:.0%}) "
            f"in {summary.partitions} partition(s)",
        )
    _out.print(table)


@app.command()
def matte(
    model: Annotated[
        str, typer.Argument(help="A .onnx, .tflite or .mlpackage model, a checkpoint's path, or its name (demo).")
    ],
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png file for one image, else a folder.")],
    background: Annotated[
        str | None,
        typer.Option(help="transparent, blur, blur:SIGMA, a colour or an image; left out: the matte itself."),
    ] = None,
    fit: Annotated[
        FitChoice | None,
        typer.Option(help="How an image meets the model's size. Default: letterbox; released for a checkpoint."),
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the engine.")] = None,
    compute_unit: ComputeUnitOption = ComputeUnit.all,
) -> None:
    """Compute mattes, cut-outs or new backgrounds for one image or a folder."""
    from modnet_export.compositing import Background, composite, save_image
    from modnet_export.imaging import list_images, read_image
    from modnet_export.matting import open_matting

    behind = None if background is None else Background.parse(background)
    paths = list_images(images)
    to_file = out.suffix.lower() == ".png" and not out.is_dir()
    if to_file and len(paths) > 1:
        raise ExportError(
            f"{len(paths)} images cannot be written to one file", where=out, expected="a folder", next_step="-o FOLDER"
        )
    targets = [out] if to_file else _targets(paths, out)
    matting = open_matting(model, None if fit is None else fit.value, threads, compute_unit.value)
    (out.parent if to_file else out).mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_err, transient=True) as progress:
        task = progress.add_task("matting", total=len(paths))
        for path, target in zip(paths, targets, strict=True):
            try:
                image = read_image(path)
                alpha = matting.matte(image)
                save_image(target, alpha if behind is None else composite(image, alpha, behind))
            except ExportError as error:
                failed.append(str(error))
            progress.advance(task)
    done = len(paths) - len(failed)
    if done:
        _print(escape(f"Wrote {done} image(s) to {out}, {matting.engine}."))
    if failed:
        raise ExportError("\n".join([f"{len(failed)} of {len(paths)} image(s) failed:", *failed]))


def _targets(paths: list[Path], folder: Path) -> list[Path]:
    """One .png a path, under its own name; the whole name where two would be the same."""
    stems = [path.stem for path in paths]
    names = [path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "_") for path in paths]
    return [folder / f"{name}.png" for name in names]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="The folder to write, as for export.")] = Path("dist"),
) -> None:
    """Export the embedded checkpoint and cut the built-in portrait out with the result."""
    import numpy as np

    from modnet_export import pipeline
    from modnet_export.compositing import Background, composite, save_image
    from modnet_export.imaging import demo_photo
    from modnet_export.matting import open_matting

    with _stages() as progress:
        manifest = pipeline.export(pipeline.Request(out=out), progress)
        progress("cutting out the portrait")
        model = out / "modnet_fp16.tflite"
        photo = demo_photo()
        alpha = open_matting(str(model)).matte(photo)
        save_image(out / "photo.png", photo)
        save_image(out / "cutout.png", composite(photo, alpha, Background()))
        grey = np.repeat(alpha[..., None], 3, axis=2)
        panels = [photo, grey, composite(photo, alpha, Background.parse("#2e7d6b"))]
        save_image(out / "overview.png", np.concatenate(panels, axis=1))
    _print_manifest(manifest)
    _print(
        f"""
[bold]{escape(str(out))}/[/] now holds
  modnet_fp32.onnx       the checkpoint as exported
  modnet_opt_fp32.onnx   after the graph passes, for ONNX Runtime Mobile
  modnet_fp32.tflite     for phone CPUs (XNNPACK)
  modnet_fp16.tflite     half the size, written for phone GPUs
  manifest.json          hashes, contract, versions and the measurements above
  overview.png           photo, matte and composite, by modnet_fp16.tflite
  cutout.png             the portrait on a transparent background

Next, with your own photo and the official weights:
  . .venv/bin/activate
  modnet-export matte {escape(str(model))} PHOTO.jpg -o cutout.png --background transparent
  modnet-export export --checkpoint photographic --out dist-photographic"""
    )


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine can do, and how to get what is missing."""
    from dataclasses import asdict

    from modnet_export.doctor import examine

    findings = examine()
    if as_json:
        _print_json(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    table = Table("", "capability", "used for", "found, or how to get it")
    for item in findings:
        mark, text = ("[green]yes[/]", item.found) if item.found else ("[yellow]no[/]", item.get_it)
        table.add_row(mark, item.capability, item.used_for, escape(text))
    _out.print(table)


_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "your disk quota is used up: free some space and run again",
    errno.EACCES: "you may not write there: choose another folder",
    errno.EPERM: "you may not write there: choose another folder",
    errno.EROFS: "the file system is read-only: choose another folder",
}


def _as_export_error(error: OSError) -> ExportError:
    reason = error.strerror or type(error).__name__
    return ExportError(
        f"cannot read or write a file: {reason}",
        where=error.filename,
        next_step=_ADVICE.get(error.errno or 0, "check the path and run again"),
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a failed check, 2 bad input, 130 interrupted."""
    # Libraries that would talk over the results.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        app(args=arguments, prog_name="modnet-export")
    except ExportError as error:
        _fail(error)
    except OSError as error:
        _fail(_as_export_error(error))


def _fail(error: ExportError) -> Any:
    _err.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
