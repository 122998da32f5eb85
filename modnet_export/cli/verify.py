"""``modnet-export verify``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from converters.choices import Delegate
from converters.errors import ExportError
from modnet_export.cli.inputs import (
    CheckpointOption,
    ComputeUnitOption,
    DistArgument,
    ImagesOption,
    ToleranceOption,
    TruthOption,
    VideoOption,
    chosen,
)
from modnet_export.record.choices import Convention, Engine
from modnet_export.terminal.console import say_json
from modnet_export.terminal.options import MOST, JsonOption, choices, command
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from modnet_export.verifying.run import VerifyRequest


@dataclass(frozen=True)
class VerifyOptions:
    dist: DistArgument
    images: ImagesOption = None
    video: VideoOption = None
    ground_truth: TruthOption = None
    checkpoint: CheckpointOption = None
    delegates: Annotated[
        str, typer.Option("--delegate", help="Comma-separated: cpu (XNNPACK), builtin (LiteRT's own kernels), gpu.")
    ] = "cpu"
    tolerance: ToleranceOption = None
    metrics_convention: Annotated[
        Convention,
        typer.Option(help="Whose Grad and Conn: Deep Image Matting's (dim), GFM's and P3M's (gfm), or plain."),
    ] = "plain"
    bisect: Annotated[bool, typer.Option("--bisect", help="Find the op at which a failing artefact goes wrong.")] = (
        False
    )
    fp16_safety: Annotated[
        bool, typer.Option("--fp16-safety", help="Look for numbers that a GPU's fp16 cannot hold.")
    ] = False
    baseline: Annotated[Path | None, typer.Option(help="An earlier --json result: what is worse now fails.")] = None
    junit: Annotated[Path | None, typer.Option(help="Write the result as JUnit XML.")] = None
    jobs: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Processes. Default: one for a few inputs, else up to 4.")
    ] = None
    engine: Annotated[Engine, typer.Option(help="What runs the work: this machine's processes, or dask.")] = "processes"
    cluster: Annotated[str | None, typer.Option(help="The scheduler of a running dask cluster, tcp://HOST:PORT.")] = (
        None
    )
    state: Annotated[
        Path | None, typer.Option(help="A folder for finished measurements: a run that was stopped goes on from there.")
    ] = None
    bundle: Annotated[
        Path | None, typer.Option(help="A .zip to write: a colleague with a Mac runs its replay.py with Core ML.")
    ] = None
    replayed: Annotated[
        Path | None, typer.Option("--import", help="The results.json that replay.py wrote on the Mac.")
    ] = None
    compute_unit: ComputeUnitOption = "ALL"
    as_json: JsonOption = False

    def request(self) -> VerifyRequest:
        """Every option as its type; raises ExportError for one that is none."""
        if self.cluster is not None and self.engine != "dask":
            raise ExportError(
                "a cluster is dask's",
                where="`cluster`",
                expected="`engine=dask` as well",
            )
        from modnet_export.record.files import writable_file
        from modnet_export.verifying import result
        from modnet_export.verifying.run import VerifyRequest
        from modnet_export.verifying.tolerances import ToleranceChanges
        from modnet_export.verifying.workers import Workers

        writable_file(self.junit, "junit", ".xml")
        writable_file(self.bundle, "bundle", ".zip")
        return VerifyRequest(
            dist=self.dist,
            inputs=chosen(self.images, self.video, self.ground_truth),
            checkpoint=self.checkpoint,
            delegates=choices(self.delegates, "delegates", get_args(Delegate)),
            compute_unit=self.compute_unit,
            tolerances=ToleranceChanges.parse(self.tolerance or ()),
            metrics_convention=self.metrics_convention,
            bisect=self.bisect,
            fp16_safety=self.fp16_safety,
            baseline=None if self.baseline is None else result.load(self.baseline),
            workers=Workers(self.jobs, self.engine, self.cluster),
            state=self.state,
            bundle=self.bundle,
            replayed=self.replayed,
        )


def verify(options: VerifyOptions) -> None:
    """Check hashes and parity again, on your images. Exit code 1 when a check fails."""
    from modnet_export.cli.tables import say_verification
    from modnet_export.record.files import write_bytes
    from modnet_export.verifying import gates, run
    from modnet_export.verifying.junit import junit

    request = options.request()
    with stages() as progress:
        result = run.verify(request, progress)
    if options.junit is not None:
        write_bytes(options.junit, junit(result))
    if options.as_json:
        say_json(result.model_dump_json(indent=2))
    else:
        say_verification(result)
    gates.require(result)


def mount(app: typer.Typer) -> None:
    command(app, VerifyOptions)(verify)
