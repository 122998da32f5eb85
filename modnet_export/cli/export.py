"""``modnet-export export``."""

from __future__ import annotations

import json
import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from converters.choices import Converter, CoreMlNorms, CoreMlPorts, CoreMlTarget, Tuning
from converters.errors import ExportError
from modnet_export.cli.inputs import InputRangeOption, ToleranceOption
from modnet_export.record.choices import Format, Precision
from modnet_export.terminal.console import escape, program, say, say_json
from modnet_export.terminal.options import JsonOption, choices, command
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from modnet_export.exporting.request import ExportRequest
    from modnet_export.record.contract import Size
    from modnet_export.record.manifest import Manifest


@dataclass(frozen=True)
class ExportOptions:
    checkpoint: Annotated[
        str, typer.Option(help="demo (embedded), photographic or webcam (official, downloaded), or a file's path.")
    ] = "demo"
    input_range: InputRangeOption = None
    size: Annotated[
        list[str] | None,
        typer.Option(
            help="Height x width in multiples of 32, or square, portrait-9x16, portrait-3x4, landscape-16x9 or "
            "landscape-4x3. May be repeated; each size then gets a folder of its own in --out. Default: "
            "512x512, or the only size that your own .onnx takes."
        ),
    ] = None
    formats: Annotated[str, typer.Option(help="Formats, separated by commas: onnx, tflite, coreml.")] = "onnx,tflite"
    precisions: Annotated[
        str,
        typer.Option(
            help="Precisions, separated by commas: fp32, fp16; for TFLite also int8 (bytes in and out), "
            "int8-mixed (see --budget), int8-weights, int8-dynamic, int4-weights, and int16x8 (for NPUs); for "
            "ONNX also int8; for Core ML also int8, palettized8, palettized6, palettized4."
        ),
    ] = "fp32,fp16"
    tune: Annotated[
        Tuning | None,
        typer.Option(
            help="The processor that graphs are written for. Default: cpu for fp32, gpu for fp16, and ane (the "
            "Neural Engine) for Core ML. No other format has ane."
        ),
    ] = None
    converter: Annotated[
        Converter,
        typer.Option(
            help="What writes .tflite files: our own lowerings (direct) or, for comparison, TensorFlow's "
            "converter (needs an extra)."
        ),
    ] = "direct"
    cpu_fp16: Annotated[
        bool,
        typer.Option(
            "--cpu-fp16",
            help="Let the fp16 TFLite file ask CPUs with fp16 arithmetic to use it; the matte is coarser there.",
        ),
    ] = False
    coreml_io: Annotated[
        CoreMlPorts,
        typer.Option(
            help="The ports of Core ML packages: 8-bit images in and out (image), an 8-bit image in and a grey "
            "fp16 image out (image-fp16), or arrays (multiarray)."
        ),
    ] = "image"
    coreml_target: Annotated[
        CoreMlTarget, typer.Option(help="The oldest system that must run the Core ML packages.")
    ] = "iOS16"
    coreml_norms: Annotated[
        CoreMlNorms,
        typer.Option(
            help="How fp16 packages compute norms: by Core ML's instance_norm, by a cascade of small means, or "
            "(auto) each norm in the form that a measurement chooses."
        ),
    ] = "auto"
    coreml_multifunction: Annotated[
        bool,
        typer.Option(
            "--coreml-multifunction",
            help="Write one Core ML package for all sizes, with a function for each and shared weights (iOS 18). The "
            "first size is the default.",
        ),
    ] = False
    coreml_author: Annotated[str | None, typer.Option(help="The author of the weights, for Core ML packages.")] = None
    coreml_licence: Annotated[str | None, typer.Option(help="The licence of the weights, for Core ML packages.")] = None
    coreml_version: Annotated[str | None, typer.Option(help="The version of the weights, for Core ML packages.")] = None
    calibration: Annotated[
        Path | None, typer.Option(help="A folder of photographs to calibrate int8 with. Default: a built-in set.")
    ] = None
    budget: Annotated[
        str | None,
        typer.Option(
            help="Limits for int8 and int8-mixed, for example 'mad<=0.001,size_mb<=8'. As many multiplications "
            "are in int8 as the limits allow. Other measures: p95 and worst (of the images), p999, max, latency_ms. "
            "Errors are measured on the calibration images. The exit code is 1 if no model holds the limits. Default: "
            "mad<=0.0018 for int8 and mad<=0.001 for int8-mixed, with p95 and worst; raised if 8-bit weights alone "
            "take most of them."
        ),
    ] = None
    pareto: Annotated[
        Path | None,
        typer.Option(
            help="A .png file to write, with the error, latency and size of every model that the search "
            "measured. The numbers are written beside it as .json."
        ),
    ] = None
    tolerance: ToleranceOption = None
    keep_failing: Annotated[
        bool,
        typer.Option(
            "--keep-failing",
            help="Also write models that miss their limits, marked as failed. The exit code is still 1.",
        ),
    ] = False
    out: Annotated[Path, typer.Option(help="The folder to write. It is replaced in one step, or not at all.")] = Path(
        "dist"
    )
    as_json: JsonOption = False

    def requests(self) -> list[ExportRequest]:
        """A request for each size; raises ExportError for an option that is none, before anything long begins."""
        sizes = list(dict.fromkeys(self._sizes()))
        if self.coreml_multifunction and len(sizes) == 1:
            raise ExportError("there is one size", where="`size`", expected="a `size` for each function")
        if len(sizes) == 1 or self.coreml_multifunction:
            return [self._request(sizes[0], self.out, tuple(sizes[1:]))]
        if self.pareto is not None:
            raise ExportError("a plot shows models of one size", where="`pareto`", expected="`size` once")
        return [self._request(size, self.out / str(size)) for size in sizes]

    def _request(self, size: Size, out: Path, functions: tuple[Size, ...] = ()) -> ExportRequest:
        from converters.budget import Budget
        from modnet_export.exporting.request import ExportRequest
        from modnet_export.record.files import writable_file
        from modnet_export.verifying.tolerances import ToleranceChanges

        writable_file(self.pareto, "pareto", ".png")
        request = ExportRequest(
            checkpoint=self.checkpoint,
            input_range=self.input_range,
            size=size,
            functions=functions,
            formats=choices(self.formats, "formats", get_args(Format)),
            precisions=choices(self.precisions, "precisions", get_args(Precision)),
            tune=self.tune,
            converter=self.converter,
            cpu_fp16=self.cpu_fp16,
            coreml_io=self.coreml_io,
            coreml_target=self.coreml_target,
            coreml_norms=self.coreml_norms,
            coreml_author=self.coreml_author,
            coreml_licence=self.coreml_licence,
            coreml_version=self.coreml_version,
            calibration=self.calibration,
            budget=None if self.budget is None else Budget.parse(self.budget),
            tolerances=ToleranceChanges.parse(self.tolerance or ()),
            keep_failing=self.keep_failing,
            pareto_points=0 if self.pareto is None else 9,
            out=out,
        )
        if (self.budget or self.pareto) and not request.searched:
            raise ExportError(
                "there is nothing to search for",
                where="`budget`" if self.budget else "`pareto`",
                expected="int8 or int8-mixed for TFLite, or int8 for ONNX, among `formats` and `precisions`",
            )
        return request

    def _sizes(self) -> list[Size]:
        from modnet_export.model import checkpoint
        from modnet_export.model.onnx_ports import ports, read_onnx
        from modnet_export.record.contract import Size

        if self.size:
            return [Size.parse(text) for text in self.size]
        source = checkpoint.resolve(self.checkpoint)
        own = None
        if source.kind == "onnx":
            own = ports(read_onnx(source.path, checked=False), source.path, self.input_range).size
        return [Size.parse("512x512" if own is None else "x".join(map(str, own)))]


def export(options: ExportOptions) -> None:
    """Export a checkpoint to ONNX, TFLite and Core ML, each verified against the reference network."""
    from modnet_export.cli.tables import say_manifest
    from modnet_export.exporting import run

    requests = options.requests()
    if len(requests) > 1:  # no size may be found wrong after the minutes of another one
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each export says it again
            for request in requests:
                request.check()
    with stages() as progress:
        manifests = [run.export(request, progress) for request in requests]
    if options.pareto is not None:
        _draw(options.pareto, manifests[0])
    if options.as_json:
        texts = [item.model_dump_json(indent=2) for item in manifests]
        say_json(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    for request, manifest in zip(requests, manifests, strict=True):
        if not options.as_json:
            say_manifest(manifest)
            passed = sum(item.passed for item in manifest.artefacts)
            say(f"\nWrote {escape(str(request.out))}/ with {passed} verified models and manifest.json.")
    for manifest in manifests:
        run.require_parity(manifest.artefacts, {item.input for each in manifest.artefacts for item in each.parity})
    if not options.as_json:
        _say_next(requests[0].out, manifests[0])


def _say_next(out: Path, manifest: Manifest) -> None:
    # What runs at full speed on this machine: TFLite, then ONNX; Core ML packages are only evaluated here.
    order = ("tflite", "onnx", "coreml")
    first = min(manifest.artefacts, key=lambda item: order.index(item.format))
    model = shlex.quote(str(out / first.file))
    say(escape(f"Next: {program()} matte {model} PHOTO -o cutout.png"))


def _draw(path: Path, manifest: Manifest) -> None:
    """The models that searches measured, as a picture and as numbers beside it."""
    from modnet_export.record.files import write_bytes
    from modnet_export.report import plots

    records = {item.file: item.search for item in manifest.artefacts if item.search is not None}
    write_bytes(path, plots.pareto_png(records))
    numbers = {name: record.model_dump() for name, record in records.items()}
    write_bytes(path.with_suffix(".json"), json.dumps(numbers, indent=2).encode())


def mount(app: typer.Typer) -> None:
    command(app, ExportOptions)(export)
