"""``modnet-export explain``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.errors import ExportError
from modnet_export.terminal.console import escape, say, say_json, show, table
from modnet_export.terminal.options import JsonOption, command

if TYPE_CHECKING:
    from converters.diagnose.drift import Drift
    from modnet_export.images.inputs import Input


@dataclass(frozen=True)
class ExplainOptions:
    model: Annotated[Path, typer.Argument(help="A compressed .tflite, .mlpackage or .onnx.")]
    against: Annotated[
        Path | None,
        typer.Option(
            help="The float model that it was made from. Default: modnet_fp32 in the same folder (for ONNX, "
            "modnet_opt_fp32)."
        ),
    ] = None
    image: Annotated[Path | None, typer.Option(help="A photo, instead of the built-in one.")] = None
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="For a model that somebody else converted: what it was made from. It is compared with that "
            "network instead of `--against`."
        ),
    ] = None
    images: Annotated[
        Path | None,
        typer.Option(
            help="A folder of your photos. Instead of ops, names the tensors whose int8 ranges these photos exceed."
        ),
    ] = None
    plot: Annotated[
        Path | None, typer.Option("-o", "--plot", help="A .png file to write, with the SNR of every op.")
    ] = None
    as_json: JsonOption = False


def explain(options: ExplainOptions) -> None:
    """Show where a compressed model loses precision: the ten worst ops, each with the reason."""
    from dataclasses import asdict

    from modnet_export.images import inputs
    from modnet_export.record.files import writable_file, write_bytes
    from modnet_export.report import plots

    model, plot = options.model, options.plot
    if options.images is not None:
        from modnet_export.cli.coverage import say_coverage

        ignored = [name for name in ("against", "checkpoint", "image", "plot") if getattr(options, name) is not None]
        if ignored:
            raise ExportError(
                f"`{ignored[0]}` has no effect with `images`",
                where=f"`{ignored[0]}`",
                expected="`images` alone: it looks at ranges, and compares no models",
            )
        say_coverage(model, options.images, as_json=options.as_json)
        return
    writable_file(plot, "plot", ".png")
    photo = inputs.builtin()[0] if options.image is None else inputs.images([options.image])[0]
    found, parent = _of_foreign(options, photo) if options.checkpoint is not None else _of_ours(options, photo)
    if plot is not None:
        write_bytes(plot, plots.snr(found, f"{model.name} against {parent}"))
    if options.as_json:
        say_json(json.dumps([asdict(item) for item in found], indent=2))
        return
    shown = table(("op", "tensor"), ("SNR dB", "own dB"))
    shown.add_column("why")
    for item in sorted(found, key=lambda item: -item.added)[:10]:
        shown.add_row(
            item.op,
            escape(item.name),
            f"{item.snr_db:.0f}",
            f"{item.own_db:.0f}",
            item.reason if item.reason == "rounding" else f"{item.reason}: {item.detail}",
        )
    say(f"[bold]{escape(model.name)}[/] against {escape(parent)} on {escape(photo.name)}")
    show(shown)
    say(
        f"The matte has an SNR of {found[-1].snr_db:.1f} dB. These ops add most noise of their own; "
        f"own is the SNR of an op's result when that op alone runs, on the values of {escape(parent)}."
    )
    if plot is not None:
        say(f"Wrote {escape(str(plot))}.")


def _of_ours(options: ExplainOptions, photo: Input) -> tuple[list[Drift], str]:
    """Every op of a compressed model beside the float model that it was made from, and that one's name."""
    from converters.diagnose.drift import drift
    from converters.diagnose.rerun import open_graph
    from converters.diagnose.tracing import trace
    from converters.runtimes import open_runtime
    from modnet_export.record.contract import Size

    model = options.model
    floats = "modnet_opt_fp32.onnx" if model.suffix == ".onnx" else f"modnet_fp32{model.suffix}"
    parent = options.against or model.with_name(floats)
    if options.against is None and not parent.exists():
        raise ExportError(
            f"there is no {parent.name} beside {model.name} to compare it with",
            where=parent,
            expected="the float model that it was made from, or the checkpoint of somebody else's model",
            next_step="name it: `against=MODEL`, or `checkpoint=PATH`",
        )
    height, width = open_runtime(model).size
    other = open_runtime(parent).size
    if other != (height, width):
        raise ExportError(
            f"{model.name} takes {height}x{width} images, {parent.name} {other[0]}x{other[1]}",
            where=parent,
            expected="the float model that it was made from, of the same size",
            next_step="name that one: `against=MODEL`",
        )
    image_nhwc, _ = photo.load(Size(height=height, width=width))
    return drift(open_graph(model), trace(parent, image_nhwc), image_nhwc), parent.name


def _of_foreign(options: ExplainOptions, photo: Input) -> tuple[list[Drift], str]:
    """Every op of somebody else's model beside the network that it was made from, and that one's name."""
    from modnet_export.verifying.foreign.run import ForeignRequest, explained

    if options.against is not None:
        raise ExportError(
            "`against` and `checkpoint` both say what the model is compared with",
            where="`against`",
            expected="one of them",
        )
    return explained(ForeignRequest((options.model,), options.checkpoint), photo), f"'{options.checkpoint}'"


def mount(app: typer.Typer) -> None:
    command(app, ExplainOptions)(explain)
