"""``modnet-export verify``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from converters.choices import Delegate
from converters.errors import ExportError
from modnet_export.cli.inputs import (
    ComputeUnitOption,
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
from modnet_export.record.choices import Convention, Engine
from modnet_export.terminal.console import say_json
from modnet_export.terminal.models import ModelsArgument, foreign_models
from modnet_export.terminal.options import MOST, JsonOption, choices, command
from modnet_export.terminal.progress import stages

if TYPE_CHECKING:
    from modnet_export.verifying.foreign.run import ForeignRequest
    from modnet_export.verifying.result import Verification
    from modnet_export.verifying.run import VerifyRequest
    from modnet_export.verifying.workers import Workers


@dataclass(frozen=True)
class VerifyOptions:
    models: ModelsArgument
    images: ImagesOption = None
    video: VideoOption = None
    ground_truth: TruthOption = None
    checkpoint: ConvertedOption = None
    size: SizeOption = None
    input_range: InputRangeOption = None
    delegates: Annotated[
        str,
        typer.Option(
            "--delegate",
            help="What runs TFLite models, separated by commas: cpu (XNNPACK), cpu-fp16 (XNNPACK in fp16, for fp16 "
            "files), builtin (LiteRT's own kernels), gpu.",
        ),
    ] = "cpu"
    tolerance: ToleranceOption = None
    metrics_convention: Annotated[
        Convention,
        typer.Option(
            help="How Grad and Conn are computed: as in Deep Image Matting (dim), as in GFM and P3M (gfm), or plain."
        ),
    ] = "plain"
    bisect: Annotated[bool, typer.Option("--bisect", help="Find the op at which a failing artefact goes wrong.")] = (
        False
    )
    fp16_safety: Annotated[
        bool, typer.Option("--fp16-safety", help="Look for numbers that a GPU's fp16 cannot hold.")
    ] = False
    baseline: Annotated[
        Path | None, typer.Option(help="An earlier --json result. The check fails if a measure is worse than there.")
    ] = None
    junit: Annotated[Path | None, typer.Option(help="Write the result as JUnit XML.")] = None
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST, help="The number of processes. Default: one for a few inputs, otherwise up to 4."
        ),
    ] = None
    engine: Annotated[Engine, typer.Option(help="What runs the work: this machine's processes, or dask.")] = "processes"
    cluster: Annotated[str | None, typer.Option(help="The scheduler of a running dask cluster, tcp://HOST:PORT.")] = (
        None
    )
    state: Annotated[
        Path | None, typer.Option(help="A folder for finished measurements, so that a run that was stopped can go on.")
    ] = None
    bundle: Annotated[
        Path | None,
        typer.Option(help="A .zip file to write for a colleague with a Mac, who runs its run.sh with Core ML."),
    ] = None
    replayed: Annotated[
        Path | None, typer.Option("--import", help="The results.json that run.sh wrote on the Mac.")
    ] = None
    compute_unit: ComputeUnitOption = "ALL"
    as_json: JsonOption = False

    def _workers(self) -> Workers:
        if self.cluster is not None and self.engine != "dask":
            raise ExportError(
                "a cluster is dask's",
                where="`cluster`",
                expected="`engine=dask` as well",
            )
        from modnet_export.verifying.workers import Workers

        return Workers(self.jobs, self.engine, self.cluster)

    def request(self) -> VerifyRequest:
        """Every option as its type, for a folder; raises ExportError for one that is none."""
        from modnet_export.record.files import writable_file
        from modnet_export.verifying import result
        from modnet_export.verifying.run import VerifyRequest
        from modnet_export.verifying.tolerances import ToleranceChanges

        refuse(self, ("size", "input_range"), "models that somebody else converted: a folder has these in its manifest")
        writable_file(self.junit, "junit", ".xml")
        writable_file(self.bundle, "bundle", ".zip")
        return VerifyRequest(
            dist=self.models[0],
            inputs=chosen(self.images, self.video, self.ground_truth),
            checkpoint=self.checkpoint,
            delegates=choices(self.delegates, "delegates", get_args(Delegate)),
            compute_unit=self.compute_unit,
            tolerances=ToleranceChanges.parse(self.tolerance or ()),
            metrics_convention=self.metrics_convention,
            bisect=self.bisect,
            fp16_safety=self.fp16_safety,
            baseline=None if self.baseline is None else result.load(self.baseline),
            workers=self._workers(),
            state=self.state,
            bundle=self.bundle,
            replayed=self.replayed,
        )

    def foreign_request(self, models: tuple[Path, ...]) -> ForeignRequest:
        """The same for models that somebody else converted; raises ExportError."""
        from modnet_export.record.contract import Size
        from modnet_export.record.files import writable_file
        from modnet_export.verifying import result
        from modnet_export.verifying.foreign.run import ForeignRequest
        from modnet_export.verifying.tolerances import ToleranceChanges

        refuse(self, ("bundle", "replayed"), "a folder that an export wrote")
        writable_file(self.junit, "junit", ".xml")
        return ForeignRequest(
            models=models,
            checkpoint=self.checkpoint,
            inputs=chosen(self.images, self.video, self.ground_truth),
            size=None if self.size is None else Size.parse(self.size),
            input_range=self.input_range,
            delegates=choices(self.delegates, "delegates", get_args(Delegate)),
            compute_unit=self.compute_unit,
            tolerances=ToleranceChanges.parse(self.tolerance or ()),
            metrics_convention=self.metrics_convention,
            bisect=self.bisect,
            fp16_safety=self.fp16_safety,
            baseline=None if self.baseline is None else result.load(self.baseline),
            workers=self._workers(),
            state=self.state,
        )


def _verified(options: VerifyOptions) -> Verification:
    models = foreign_models(options.models)
    if models:
        from modnet_export.verifying.foreign.run import verify_foreign

        asked = options.foreign_request(models)
        with stages() as progress:
            return verify_foreign(asked, progress)
    from modnet_export.verifying import run

    request = options.request()
    with stages() as progress:
        return run.verify(request, progress)


def verify(options: VerifyOptions) -> None:
    """Check that models give the reference's matte: those that export wrote, or models that somebody else converted.

    The exit code is 1 if a check fails.
    """
    from modnet_export.cli.tables import say_verification
    from modnet_export.record.files import write_bytes
    from modnet_export.verifying import gates
    from modnet_export.verifying.junit import junit

    result = _verified(options)
    if options.junit is not None:
        write_bytes(options.junit, junit(result))
    if options.as_json:
        say_json(result.model_dump_json(indent=2))
    else:
        say_verification(result)
    gates.require(result)


def mount(app: typer.Typer) -> None:
    command(app, VerifyOptions)(verify)
