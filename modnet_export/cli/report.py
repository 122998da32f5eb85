"""``modnet-export report``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.errors import ExportError
from modnet_export.cli.inputs import (
    CheckpointOption,
    DistArgument,
    ImagesOption,
    ToleranceOption,
    TruthOption,
    VideoOption,
    chosen,
)
from modnet_export.terminal.console import escape, say, say_json
from modnet_export.terminal.options import JsonOption, command
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from converters.progress import Progress
    from modnet_export.images.inputs import Input
    from modnet_export.verifying.result import Verification


@dataclass(frozen=True)
class ReportOptions:
    dist: DistArgument
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write; .md for a pull request.")] = Path(
        "report.html"
    )
    images: ImagesOption = None
    video: VideoOption = None
    ground_truth: TruthOption = None
    checkpoint: CheckpointOption = None
    tolerance: ToleranceOption = None
    results: Annotated[
        Path | None, typer.Option("--results", help="An earlier `verify --json`, instead of verifying again.")
    ] = None
    bench: Annotated[Path | None, typer.Option(help="A .json that bench wrote: adds latency and memory.")] = None
    as_json: JsonOption = False


def report(options: ReportOptions) -> None:
    """Verify, and write one self-contained page with the verdicts and pictures. Exit code 1 when a check fails."""
    from modnet_export.record import manifest
    from modnet_export.record.files import writable_file, write_bytes
    from modnet_export.report import gather, render
    from modnet_export.verifying import gates

    if options.results is not None and options.tolerance:
        raise ExportError(
            "the verdicts of an earlier result stand",
            where="`tolerance`",
            expected="`tolerance` without `results`",
            next_step="verify again with these tolerances, or leave them out",
        )
    writable_file(options.out, "out", ".html", ".htm", ".md")
    inputs = chosen(options.images, options.video, options.ground_truth)
    latencies = []
    if options.bench is not None:
        from benchmarks.latencies import latencies as read

        latencies = read(options.bench)
    records = manifest.load(options.dist).artefacts
    searches = {item.file: item.search for item in records if item.search is not None}
    with stages() as progress:
        result = _result(options, inputs, progress)
        if options.out.suffix.lower() == ".md":
            page = render.markdown(result, latencies)
        else:
            asked = gather.PicturesRequest(options.dist, result, inputs, options.checkpoint)
            page = render.html(render.Page(result, gather.pictures(asked, progress), latencies, searches))
        write_bytes(options.out, page.encode())
    if options.as_json:
        say_json(result.model_dump_json(indent=2))
    else:
        say(f"Wrote {escape(str(options.out))}.")
    gates.require(result)


def _result(options: ReportOptions, inputs: tuple[Input, ...], progress: Progress) -> Verification:
    from modnet_export.record import manifest
    from modnet_export.verifying import fp16_safety, result, run
    from modnet_export.verifying.tolerances import ToleranceChanges

    if options.results is not None:
        return result.load(options.results)
    request = run.VerifyRequest(
        dist=options.dist,
        inputs=inputs,
        checkpoint=options.checkpoint,
        tolerances=ToleranceChanges.parse(options.tolerance or ()),
        bisect=True,
        fp16_safety=any(map(fp16_safety.concerns, manifest.load(options.dist).artefacts)),
    )
    return run.verify(request, progress)


def mount(app: typer.Typer) -> None:
    command(app, ReportOptions)(report)
