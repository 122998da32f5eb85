"""``modnet-export report``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converters.errors import ExportError
from modnet_export.cli.inputs import (
    ConvertedOption,
    ImagesOption,
    InputRangeOption,
    SizeOption,
    ToleranceOption,
    TruthOption,
    VideoOption,
    chosen,
    refuse,
)
from modnet_export.terminal.console import escape, say, say_json
from modnet_export.terminal.models import ModelsArgument, foreign_models
from modnet_export.terminal.options import JsonOption, command
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from converters.progress import Progress
    from modnet_export.images.inputs import Input
    from modnet_export.verifying.foreign.reading import ForeignModel
    from modnet_export.verifying.foreign.run import ForeignRequest
    from modnet_export.verifying.result import Verification


@dataclass(frozen=True)
class ReportOptions:
    models: ModelsArgument
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="The page to write. With the suffix .md it is Markdown, for a pull request."),
    ] = Path("report.html")
    images: ImagesOption = None
    video: VideoOption = None
    ground_truth: TruthOption = None
    checkpoint: ConvertedOption = None
    size: SizeOption = None
    input_range: InputRangeOption = None
    tolerance: ToleranceOption = None
    results: Annotated[
        Path | None, typer.Option("--results", help="An earlier `verify --json`, instead of verifying again.")
    ] = None
    bench: Annotated[
        Path | None, typer.Option(help="A .json file that bench wrote. Adds latency and memory to the page.")
    ] = None
    as_json: JsonOption = False

    def foreign_request(self, inputs: tuple[Input, ...]) -> ForeignRequest | None:
        """What somebody else's models are verified by; None for a folder that an export wrote. Raises ExportError."""
        models = foreign_models(self.models)
        if not models:
            return None
        from modnet_export.record.contract import Size
        from modnet_export.verifying.foreign.run import ForeignRequest
        from modnet_export.verifying.tolerances import ToleranceChanges

        return ForeignRequest(
            models=models,
            checkpoint=self.checkpoint,
            inputs=inputs,
            size=None if self.size is None else Size.parse(self.size),
            input_range=self.input_range,
            tolerances=ToleranceChanges.parse(self.tolerance or ()),
            bisect=True,
        )


def report(options: ReportOptions) -> None:
    """Verify, and write one self-contained page with the verdicts and pictures. The exit code is 1 if a check fails."""
    from modnet_export.record import manifest
    from modnet_export.record.files import writable_file, write_bytes
    from modnet_export.report import gather, render
    from modnet_export.verifying import gates

    if options.results is not None and options.tolerance:
        raise ExportError(
            "the verdicts of an earlier result cannot change",
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
    theirs = options.foreign_request(inputs)
    if theirs is None:
        refuse(options, ("size", "input_range"), "models that somebody else converted")
    records = manifest.load(options.models[0]).artefacts if theirs is None else ()
    searches = {item.file: item.search for item in records if item.search is not None}
    with stages() as progress:
        result = _result(options, inputs, theirs, progress)
        if options.out.suffix.lower() == ".md":
            page = render.markdown(result, latencies)
        else:
            asked = gather.PicturesRequest(options.models[0], result, inputs, options.checkpoint, _opened(theirs))
            page = render.html(render.Page(result, gather.pictures(asked, progress), latencies, searches))
        write_bytes(options.out, page.encode())
    if options.as_json:
        say_json(result.model_dump_json(indent=2))
    else:
        say(f"Wrote {escape(str(options.out))}.")
    gates.require(result)


def _opened(request: ForeignRequest | None) -> dict[str, ForeignModel]:
    if request is None:
        return {}
    from modnet_export.verifying.foreign.run import opened

    return opened(request)


def _result(
    options: ReportOptions, inputs: tuple[Input, ...], theirs: ForeignRequest | None, progress: Progress
) -> Verification:
    from modnet_export.record import manifest
    from modnet_export.verifying import fp16_safety, result, run
    from modnet_export.verifying.tolerances import ToleranceChanges

    if options.results is not None:
        return result.load(options.results)
    if theirs is not None:
        from modnet_export.verifying.foreign.run import verify_foreign

        return verify_foreign(theirs, progress)
    request = run.VerifyRequest(
        dist=options.models[0],
        inputs=inputs,
        checkpoint=options.checkpoint,
        tolerances=ToleranceChanges.parse(options.tolerance or ()),
        bisect=True,
        fp16_safety=any(map(fp16_safety.concerns, manifest.load(options.models[0]).artefacts)),
    )
    return run.verify(request, progress)


def mount(app: typer.Typer) -> None:
    command(app, ReportOptions)(report)
