"""``modnet-export inspect``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from modnet_export.terminal.console import OUT, escape, megabytes, say_json
from modnet_export.terminal.options import JsonOption, command


@dataclass(frozen=True)
class InspectOptions:
    model: Annotated[Path, typer.Argument(help="A .onnx or .tflite file, or an .mlpackage.")]
    placement: Annotated[
        bool,
        typer.Option(
            "--placement", help="Say which parts of the model accelerators may run, and by which published rules."
        ),
    ] = False
    as_json: JsonOption = False


def inspect(options: InspectOptions) -> None:
    """Show a model's ops, shapes, parameters, multiplications, size and delegation."""
    from dataclasses import asdict

    from converters.diagnose.inspection import inspect as summarise

    summary = summarise(options.model)
    if options.as_json:
        say_json(json.dumps(asdict(summary), indent=2))
        return
    table = Table(title=escape(summary.file), title_justify="left", show_header=False)
    table.add_row("format", summary.format)
    table.add_row("size", megabytes(summary.bytes))
    for kind, ports in (("input", summary.inputs), ("output", summary.outputs)):
        for port in ports:
            shape = " x ".join(map(str, port.shape))
            table.add_row(kind, escape(f"{port.name}: {shape} {port.dtype}"))
    for name, ports in summary.functions:
        taken = ", ".join(" x ".join(map(str, port.shape)) for port in ports)
        table.add_row("function", escape(f"{name}: {taken}"))
    types = ", ".join(f"{count:,} {name}" for name, count in summary.weight_types.items())
    table.add_row("parameters", f"{summary.parameters:,} ({types})")
    table.add_row(
        "MACs", "unknown: not all shapes are known" if summary.macs is None else f"{summary.macs / 1e9:.2f} G"
    )
    total = sum(summary.ops.values())
    table.add_row("ops", f"{total}: " + ", ".join(f"{count} {name}" for name, count in summary.ops.items()))
    if summary.delegated_ops is not None:
        share = summary.delegated_ops / total if total else 0
        table.add_row(
            "delegation",
            f"{summary.delegate} runs {summary.delegated_ops} of {total} ops ({share:.0%}) "
            f"in {summary.partitions} partition(s)",
        )
    if summary.reduced_precision is not None:
        table.add_row("precision", f"{escape(summary.reduced_precision)} on CPUs that have it, else float32")
    if options.placement:
        for each in summary.placement:
            table.add_row("placement", escape(str(each)))
    OUT.print(table)


def mount(app: typer.Typer) -> None:
    command(app, InspectOptions)(inspect)
