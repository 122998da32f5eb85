"""The command line: the only place that wires everything. Heavy imports wait until a command needs them."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from converters.errors import ExportError, ExportWarning

if TYPE_CHECKING:
    from benchmarks.android import Settings
    from benchmarks.measure import Bench, Run
    from benchmarks.session import Target
    from modnet_export.inputs import Input
    from modnet_export.manifest import Manifest
    from modnet_export.parity import Sample
    from modnet_export.report.latency import Latencies
    from modnet_export.verification import Verification


class Stages(Protocol):
    """Told of the present stage and, where it is known, how much of it is done."""

    def __call__(self, stage: str, done: int = 0, total: int = 0, /) -> None: ...


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


class HarnessEngine(str, Enum):
    processes = "processes"
    dask = "dask"


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


def _numbers(text: str, option: str) -> list[int]:
    """Comma-separated whole numbers from 1; raises ExportError."""
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() and int(word) for word in words):
        raise ExportError(f"'{text}' is not a list of numbers", where=option, expected="for example 1,2,4")
    return [int(word) for word in words]


@contextmanager
def _stages() -> Iterator[Stages]:
    """A spinner with the present stage, and a bar where its length is known; one line a stage without a terminal."""
    if not _err.is_terminal:
        last = ""

        def line(stage: str, done: int = 0, total: int = 0, /) -> None:
            nonlocal last
            if stage != last:
                _err.print(f"  {stage}", highlight=False, markup=False)
            last = stage

        yield line
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_err, transient=True) as progress:
        task = progress.add_task("starting", total=None)

        def bar(stage: str, done: int = 0, total: int = 0, /) -> None:
            progress.update(task, description=escape(stage), completed=done, total=total or None)

        yield bar


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
    for artefact in manifest.artefacts:
        if artefact.search is not None:
            point = artefact.search.chosen
            _print(
                f"{artefact.file}: {point.integer_macs:.0%} of the multiplications in int8; on the calibration images "
                f"mean {point.mad:.1e}, 99.9 % {point.p999:.2g}, max {point.max_abs_difference:.2g} from float "
                f"({'within' if artefact.search.held else '[yellow]beyond[/]'} {artefact.search.budget})."
            )
    limits: dict[str, list[str]] = {}
    for artefact in manifest.artefacts:
        limits.setdefault(str(artefact.tolerance), []).append(artefact.file if artefact.search else artefact.precision)
    allowed = "; ".join(f"{', '.join(dict.fromkeys(names))} {limit}" for limit, names in limits.items())
    _print(f"Absolute differences of mattes in [0, 1] from the reference ({escape(manifest.reference)}), PSNR in dB.")
    _print(f"Allowed: {allowed}.")
    for engine in {item.engine: None for item in manifest.artefacts if item.format == "coreml"}:
        _print(f"Core ML packages were {engine}.")


def _print_verification(result: Verification) -> None:
    inputs = f"{len(result.inputs)} inputs" if len(result.inputs) != 1 else escape(result.inputs[0])
    _print(f"[bold]MODNet {result.size} from '{escape(result.source.name)}' on {inputs}[/]")
    verdicts = {"passed": "[green]passed[/]", "failed": "[bold red]FAILED[/]", "not run": "[yellow]not run[/]"}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("artefact", no_wrap=True)
    for heading in ("max", "99.9 %", "mean", "edges", "SSIM", "verdict"):
        table.add_column(heading, no_wrap=True, justify="right")
    for link in result.links:
        worst = [link.worst("max_abs_difference"), link.worst("p999"), link.mean("mad"), link.mean("edge_mad")]
        ssim = link.worst("ssim")
        table.add_row(
            escape(link.name),
            *(_number(value, "-") for value in worst),
            "-" if ssim is None else f"{ssim:.3f}",
            verdicts[link.verdict],
        )
    _out.print(table)
    _print(
        f"Against {escape(result.reference)}: largest and 99.9th percentile of the worst input; mean over all, and in"
        "\nthe edge band where hair lives; lowest SSIM."
    )
    if result.truth is not None:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, title_justify="left")
        table.title = (
            f"Against the ground truth of {result.truth.images} image(s), change from the reference in brackets"
        )
        for index, heading in enumerate(("artefact", "MAD", "MSE", "SAD", "Grad", "Conn")):
            table.add_column(heading, no_wrap=True, justify="right" if index else "left")
        for name, truth in [("reference", result.truth), *((link.name, link.truth) for link in result.links)]:
            if truth is not None:
                errors = ("mad", "mse", "sad", "grad", "conn")
                pairs = [(getattr(truth, error), getattr(result.truth, error)) for error in errors]
                shown = [
                    f"{value:.3g}" + ("" if truth is result.truth else f" ({value - base:+.1g})")
                    for value, base in pairs
                ]
                table.add_row(escape(name), *shown)
        _out.print(table)
    for half in result.half:
        top = half.largest[0]
        verdict = "survives fp16" if half.passed else "[bold red]does not survive fp16[/]"
        _print(
            f"{escape(half.artefact)} {verdict}: its largest {top.what} is {top.largest:.0f} (fp16 ends at 65504), "
            f"in {top.op} {escape(top.tensor)}; "
            f"rounded after every op, its matte moves by a mean of {_number(half.mad, 'not finite')}."
        )
    for suspect in result.suspects:
        _print(f"[bold]{escape(suspect.artefact)}[/] leaves {escape(suspect.parent)} at [bold]{escape(suspect.op)}[/]:")
        _print(f"  {escape(suspect.explanation)}.")
    for engine in {link.engine: None for link in result.links if link.engine}:
        _print(f"  {escape(engine)}")


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
        str,
        typer.Option(
            help="Comma-separated: fp32, fp16; for TFLite also int8-weights, int8-dynamic, int8 (bytes in and out), "
            "int8-mixed (see --budget), int4-weights; "
            "for Core ML int8, palettized6, palettized4, w8a8."
        ),
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
    calibration: Annotated[
        Path | None, typer.Option(help="A folder of photographs to calibrate int8 with. Default: a built-in set.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="For int8 and int8-mixed: as much int8 as holds, for example, 'mad<=0.001,size_mb<=8' on the "
            "calibration images; exit code 1 where nothing does. Also p999, max, latency_ms. Default: mad<=0.0018 and "
            "mad<=0.001, or as near as can be had, with a warning."
        ),
    ] = None,
    pareto: Annotated[
        Path | None,
        typer.Option(help="A .png to draw error, latency and size of such models to; the numbers beside it as .json."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write; replaced in one step, or not at all.")] = Path("dist"),
    as_json: JsonOption = False,
) -> None:
    """Export a checkpoint to ONNX, TFLite and Core ML, each verified against the reference network."""
    from typing import get_args

    from modnet_export import pipeline
    from modnet_export.contract import Precision, Size

    request = pipeline.Request(
        checkpoint=checkpoint,
        size=Size.parse(size),
        formats=_choices(formats, "--formats", ("onnx", "tflite", "coreml")),
        precisions=_choices(precisions, "--precisions", get_args(Precision)),
        tune=None if tune is None else tune.value,
        coreml_ports=coreml_io.value,
        coreml_target=coreml_target.value,
        calibration=calibration,
        budget=budget,
        pareto_points=0 if pareto is None else 9,
        out=out,
    )
    searched = set(request.precisions) & set(pipeline.BUDGETS) if "tflite" in request.formats else set()
    if (budget or pareto) and not searched:
        raise ExportError(
            "there is nothing to search for",
            where="--budget" if budget else "--pareto",
            expected="int8 or int8-mixed among --precisions, and tflite among --formats",
        )
    if budget is not None:
        from converters.budget import Budget

        Budget.parse(budget)  # before anything long begins
    with _stages() as progress:
        manifest = pipeline.export(request, progress)
    if pareto is not None:
        from modnet_export.files import write_bytes
        from modnet_export.report import plots

        records = {item.file: item.search for item in manifest.artefacts if item.search is not None}
        write_bytes(pareto, plots.pareto_png(records))
        numbers = {name: record.model_dump() for name, record in records.items()}
        write_bytes(pareto.with_suffix(".json"), json.dumps(numbers, indent=2).encode())
    if as_json:
        _print_json(manifest.model_dump_json(indent=2))
        return
    _print_manifest(manifest)
    _print(f"\nWrote {escape(str(out))}/ with {len(manifest.artefacts)} verified models and manifest.json.")
    _print("Next: " + escape(f"modnet-export matte {out / manifest.artefacts[-1].file} PHOTO -o cutout.png"))


ImagesOption = Annotated[Path | None, typer.Option(help="An image or a folder, instead of the built-in inputs.")]
VideoOption = Annotated[
    Path | None, typer.Option(help="A video file, or a folder of its frames: measures flicker too.")
]
TruthOption = Annotated[
    Path | None,
    typer.Option(help="True mattes, as a dataset's folder (PPM-100, P3M, AIM) or, with --images, beside the photos."),
]
ToleranceOption = Annotated[
    list[str] | None,
    typer.Option(help="MEASURE=LIMIT for all artefacts, or a TOML file with sections for some. May be repeated."),
]


def _inputs(images: Path | None, video: Path | None, ground_truth: Path | None) -> list[Input]:
    from modnet_export import inputs

    if ground_truth is not None and video is None:
        return inputs.ground_truth(ground_truth, images)
    if video is not None and images is None and ground_truth is None:
        return inputs.video(video)
    if video is not None:
        raise ExportError(
            "a video stands alone", where="--video", expected="--images, --ground-truth and --images, or --video"
        )
    return [] if images is None else inputs.images([images])


@app.command()
def verify(
    dist: Annotated[Path, typer.Argument(help="A folder that export wrote.")],
    images: ImagesOption = None,
    video: VideoOption = None,
    ground_truth: TruthOption = None,
    checkpoint: Annotated[str | None, typer.Option(help="Where the checkpoint is, if not where it was.")] = None,
    delegate: Annotated[
        str, typer.Option(help="Comma-separated: cpu (XNNPACK), builtin (LiteRT's own kernels), gpu.")
    ] = "cpu",
    tolerance: ToleranceOption = None,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Find the op at which a failing artefact goes wrong.")
    ] = False,
    fp16_safety: Annotated[
        bool, typer.Option("--fp16-safety", help="Look for numbers that a GPU's fp16 cannot hold.")
    ] = False,
    baseline: Annotated[Path | None, typer.Option(help="An earlier --json result: what is worse now fails.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the result as JUnit XML.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one for a few inputs, else up to 4.")
    ] = None,
    engine: Annotated[
        HarnessEngine, typer.Option(help="What runs the work: this machine's processes, or dask.")
    ] = HarnessEngine.processes,
    cluster: Annotated[
        str | None, typer.Option(help="The scheduler of a running dask cluster, tcp://HOST:PORT.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="A folder for finished measurements: a run that was stopped goes on from there.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A .zip to write: a colleague with a Mac runs its replay.py with Core ML.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--import", help="The results.json that replay.py wrote on the Mac.")
    ] = None,
    compute_unit: ComputeUnitOption = ComputeUnit.all,
    as_json: JsonOption = False,
) -> None:
    """Check hashes and parity again, on your images. Exit code 1 when a check fails."""
    from modnet_export import pipeline, verification
    from modnet_export.files import write_bytes

    checks = pipeline.Checks(
        delegates=_choices(delegate, "--delegate", ("cpu", "builtin", "gpu")),
        compute_unit=compute_unit.value,
        tolerances=verification.Overrides(tolerance or ()),
        bisect=bisect,
        half=fp16_safety,
        baseline=None if baseline is None else verification.load(baseline),
        jobs=jobs,
        engine=engine.value,
        address=cluster,
        state=state,
    )
    with _stages() as progress:
        result = pipeline.verify(
            dist,
            _inputs(images, video, ground_truth),
            checkpoint_name=checkpoint,
            bundle=bundle,
            results=results,
            checks=checks,
            progress=progress,
        )
    if junit is not None:
        write_bytes(junit, verification.junit(result))
    if as_json:
        _print_json(result.model_dump_json(indent=2))
    else:
        _print_verification(result)
    verification.require(result)


@app.command()
def report(
    dist: Annotated[Path, typer.Argument(help="A folder that export wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write; .md for a pull request.")] = Path(
        "report.html"
    ),
    images: ImagesOption = None,
    video: VideoOption = None,
    ground_truth: TruthOption = None,
    checkpoint: Annotated[str | None, typer.Option(help="Where the checkpoint is, if not where it was.")] = None,
    tolerance: ToleranceOption = None,
    results: Annotated[
        Path | None, typer.Option("--results", help="An earlier `verify --json`, instead of verifying again.")
    ] = None,
    measured: Annotated[
        Path | None, typer.Option("--bench", help="A .json that bench wrote: adds latency and memory.")
    ] = None,
) -> None:
    """Verify, and write one self-contained page with the verdicts and pictures. Exit code 1 when a check fails."""
    from modnet_export import manifest, pipeline, verification
    from modnet_export.files import write_bytes
    from modnet_export.report import gather, render

    chosen = _inputs(images, video, ground_truth)
    latencies = [] if measured is None else _latencies(measured)
    records = manifest.load(dist).artefacts
    searches = {item.file: item.search for item in records if item.search is not None}
    with _stages() as progress:
        if results is not None:
            result = verification.load(results)
        else:
            checks = pipeline.Checks(tolerances=verification.Overrides(tolerance or ()), bisect=True, half=True)
            result = pipeline.verify(dist, chosen, checkpoint_name=checkpoint, checks=checks, progress=progress)
        if out.suffix.lower() == ".md":
            page = render.markdown(result, latencies)
        else:
            page = render.html(result, gather.pictures(dist, result, chosen, checkpoint, progress), latencies, searches)
        write_bytes(out, page.encode())
    _print(f"Wrote {escape(str(out))}.")
    verification.require(result)


def _latencies(path: Path) -> list[Latencies]:
    """A benchmark as the report shows it; raises ExportError for another file."""
    from benchmarks import measure
    from benchmarks.statistics import summarise
    from modnet_export.report.latency import Latencies

    found: list[Latencies] = []
    for run in measure.load(path).runs:
        item = summarise(run.samples_ms)
        memory = run.peak_memory_bytes
        energy = run.energy
        columns = {
            "median ms": f"{item.median_ms:.1f}",
            "mean ms (95 %)": f"{item.mean_ms:.1f} ({item.mean_low_ms:.1f} to {item.mean_high_ms:.1f})",
            "min": f"{run.min_ms:.1f}",
            "p90": f"{item.p90_ms:.1f}",
            "p99": f"{item.p99_ms:.1f}",
            "init": "–" if run.init_ms is None else f"{run.init_ms:.0f}",
            "first": "–" if run.first_ms is None else f"{run.first_ms:.0f}",
            "peak MB": "–" if memory is None else f"{memory / 1e6:.0f}",
            "PSS MB": f"{max(run.pss_bytes) / 1e6:.0f}" if run.pss_bytes else "–",
            "J (estimate)": "–" if energy is None else f"{energy.joules_per_inference:.2g}",
        }
        conditions = ", ".join(f"{key} {value}" for key, value in run.conditions.items() if key != "sha256")
        found.append(Latencies(run.name, run.samples_ms, run.at_s, columns, conditions, run.marks))
    return found


class CoresChoice(str, Enum):
    all = "all"
    big = "big"
    little = "little"


_BENCH_ANDROID = "Android devices"


@app.command()
def bench(
    dist: Annotated[Path, typer.Argument(help="A folder that export wrote.")],
    artefact: Annotated[
        list[str] | None, typer.Option(help="One of its files; may be repeated. Default: all that run there.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="host, adb (the only device), adb:SERIAL, emulator:AVD, qemu-arm64 or qemu-arm64:CPU (parity only); "
            "may be repeated, or separated by commas: all are measured at once. Default: host."
        ),
    ] = None,
    threads: Annotated[str, typer.Option(help="Comma-separated numbers of threads.")] = "1",
    delegate: Annotated[
        str, typer.Option(help="Comma-separated, for TFLite: cpu, builtin, gpu, nnapi (Android).")
    ] = "cpu",
    runs: Annotated[int, typer.Option(min=2, help="Timed runs of each, after those to warm up.")] = 50,
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds of timed runs for each, instead of --runs.")
    ] = None,
    sustained: Annotated[
        float | None, typer.Option(min=0.05, help="Minutes without a pause: shows what heat does over time.")
    ] = None,
    profile: Annotated[bool, typer.Option(help="Also where the time goes, op by op.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on with what --out already holds.")] = False,
    benchmark_model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="LiteRT's native tool for the device: a file, or a link with its hash, https://...#sha256=HEX.",
            envvar="MODNET_EXPORT_BENCHMARK_MODEL",
            rich_help_panel=_BENCH_ANDROID,
        ),
    ] = None,
    app_activity: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="PACKAGE/ACTIVITY",
            help="Measure inside an app instead.",
            rich_help_panel=_BENCH_ANDROID,
        ),
    ] = None,
    cores: Annotated[
        CoresChoice, typer.Option(help="Pin to the big or the little cores.", rich_help_panel=_BENCH_ANDROID)
    ] = CoresChoice.all,
    fixed_performance: Annotated[
        bool, typer.Option(help="Android 11's mode of even clocks, where there is one.", rich_help_panel=_BENCH_ANDROID)
    ] = True,
    memory: Annotated[
        bool, typer.Option(help="Sample the PSS, in a pass of its own.", rich_help_panel=_BENCH_ANDROID)
    ] = True,
    energy: Annotated[
        bool, typer.Option(help="Estimate the energy of an inference; unplugged only.", rich_help_panel=_BENCH_ANDROID)
    ] = False,
    keep_files: Annotated[
        bool, typer.Option(help="Leave models and tool on the device.", rich_help_panel=_BENCH_ANDROID)
    ] = False,
    cool_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a cool device.", rich_help_panel=_BENCH_ANDROID)
    ] = 300,
    block_timeout: Annotated[
        float,
        typer.Option(
            min=1, help="Seconds after which a fifth of the runs counts as hung.", rich_help_panel=_BENCH_ANDROID
        ),
    ] = 300,
    return_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a device that went away.", rich_help_panel=_BENCH_ANDROID)
    ] = 60,
    boot_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for an emulator.", rich_help_panel=_BENCH_ANDROID)
    ] = 300,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Raw samples as .json, or a table as .csv.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency, memory and more on this machine, on phones, or in emulators. Exit code 1 where some failed."""
    from benchmarks import android, measure, session
    from converters.errors import CheckFailedError
    from modnet_export import inputs, manifest
    from modnet_export.files import write_bytes

    recorded = manifest.load(dist)
    manifest.check_hashes(recorded, dist)
    words = [word.strip() for text in target or ["host"] for word in text.split(",") if word.strip()]
    named = artefact or [item.file for item in recorded.artefacts if item.format != "coreml"]
    known = {item.file: item for item in recorded.artefacts}
    if unknown := [name for name in named if name not in known]:
        raise ExportError(f"there is no {', '.join(unknown)} in {dist}", where=dist, expected=", ".join(known))
    if resume and (out is None or out.suffix.lower() == ".csv"):
        raise ExportError("there is nothing to go on with", where="--resume", expected="--out FILE.json as well")
    delegates: tuple[measure.Delegate, ...] = _choices(delegate, "--delegate", ("cpu", "builtin", "gpu", "nnapi"))
    candidates = tuple(
        session.Candidate(
            name,
            (dist / name).resolve(),
            known[name].sha256,
            count,
            way,
            known[name].contract,
            known[name].tolerance,
        )
        for name in named
        for way in delegates
        if way == "cpu" or known[name].format == "tflite"
        for count in _numbers(threads, "--threads")
    )
    settings = android.Settings(
        cores=cores.value,
        fixed_performance=fixed_performance,
        memory=memory,
        keep_files=keep_files,
        cool_seconds=cool_timeout,
        block_seconds=block_timeout,
        return_seconds=return_timeout,
        profiles=out.with_suffix(".profiles") if profile and out is not None else None,
        app=app_activity,
    )
    targets = _bench_targets(words, settings, benchmark_model, boot_timeout)
    shown = inputs.builtin()[0]
    with _live([item.name for item in targets]) as status:
        samples: tuple[Sample, ...] = ()
        if any(item.name != session.HOST for item in targets):
            from modnet_export import checkpoint
            from modnet_export.parity import samples as referenced
            from modnet_export.reference import open_reference

            status(targets[0].name, "running the reference")
            reference = open_reference(checkpoint.resolve(recorded.source.name))
            samples = tuple(referenced(reference, recorded.size, [shown]))
        plan = session.Plan(
            candidates,
            shown.load(recorded.size)[0],
            runs=runs,
            seconds=duration,
            sustained_minutes=sustained,
            profile=profile,
            energy=energy,
            samples=samples,
        )
        kept = out if out is not None and out.suffix.lower() != ".csv" else None
        record = session.continued(kept, status) if resume and kept else session.Record(kept, status=status)
        record.shown = status.latest
        result = session.measure(targets, plan, record)
    if out is not None and out.suffix.lower() == ".csv":
        write_bytes(out, measure.as_csv(result).encode())
    if as_json:
        _print_json(measure.dump(result).decode())
    else:
        _print_bench(result)
    problems = [f"{item.name}: {item.reason}" for item in result.failures]
    problems += [
        f"{item.name}: its matte is off by {_number(item.mad, '?')} (mean), "
        f"{_number(item.max_abs_difference, '?')} (max)"
        for item in result.parity
        if not item.passed
    ]
    if problems:
        raise CheckFailedError(
            "\n".join([f"{len(problems)} measurement(s) failed:", *(f"  {line}" for line in problems)]),
            next_step="what was measured is kept; the same command with --resume goes on" if kept else None,
        )


def _bench_targets(words: list[str], settings: Settings, tool_name: str | None, boot_seconds: float) -> list[Target]:
    """The targets that words name; raises ExportError."""
    from dataclasses import replace

    from benchmarks import app, tool
    from benchmarks.android import AdbTarget
    from benchmarks.emulator import EmulatorTarget
    from benchmarks.host import HostTarget
    from benchmarks.qemu import QemuTarget

    found: list[Target] = []
    for word in dict.fromkeys(words):
        kind, _, which = word.partition(":")
        if word == "host":
            found.append(HostTarget())
        elif kind == "qemu-arm64":
            found.append(QemuTarget(which or None))
        elif kind == "adb" or (kind == "emulator" and which):
            if settings.app is not None:
                app.component(settings.app)
            elif settings.tool is None:
                settings = replace(settings, tool=tool.find(tool_name))
            found.append(
                AdbTarget(which or None, settings) if kind == "adb" else EmulatorTarget(which, settings, boot_seconds)
            )
        else:
            raise ExportError(
                f"'{word}' is no target",
                where="--target",
                expected="host, adb, adb:SERIAL, emulator:AVD, qemu-arm64 or qemu-arm64:CPU",
            )
    return found


@contextmanager
def _live(names: list[str]) -> Iterator[_Lines | _Rows]:
    """A table with a row a target while they are measured; lines of text without a terminal."""
    if not _err.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.fields[target]}"), BarColumn(16), MofNCompleteColumn())
    latest = TextColumn("[bold]{task.fields[latest]}[/]")
    with Progress(*columns, latest, TextColumn("{task.description}"), TimeElapsedColumn(), console=_err) as progress:
        yield _Rows(progress, names)


class _Lines:
    """Every new stage of every target as a line."""

    def __init__(self) -> None:
        from threading import Lock

        self._lock, self._last = Lock(), dict[str, str]()

    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0) -> None:
        with self._lock:
            if self._last.get(target) != stage:
                _err.print(f"  {target}: {stage}", highlight=False, markup=False, soft_wrap=True)
            self._last[target] = stage

    def latest(self, target: str, run: Run) -> None:
        """Nothing: a line a sample would be too many."""


class _Rows:
    """A row a target: its bar, its latest median, what it does."""

    def __init__(self, progress: Progress, names: list[str]) -> None:
        self._progress = progress
        self._tasks = {name: progress.add_task("waiting", total=None, target=escape(name), latest="") for name in names}

    def __call__(self, target: str, stage: str, done: int = 0, total: int = 0) -> None:
        self._progress.update(self._tasks[target], description=escape(stage), completed=done, total=total or None)

    def latest(self, target: str, run: Run) -> None:
        if run.samples_ms and target in self._tasks:
            self._progress.update(self._tasks[target], latest=f"{run.median_ms:.1f} ms")


def _print_bench(result: Bench) -> None:
    from benchmarks.measure import FUNCTIONAL
    from benchmarks.statistics import summarise

    if result.runs:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for heading in ("model", "median", "p90", "p99", "mean", "init", "MB"):
            table.add_column(heading, no_wrap=True, justify="left" if heading == "model" else "right")
        for run in result.runs:
            item = summarise(run.samples_ms)
            table.add_row(
                escape(run.name) + ("" if not run.marks else " [yellow]*[/]"),
                *(f"{value:.1f}" for value in (item.median_ms, item.p90_ms, item.p99_ms)),
                f"{item.mean_ms:.0f} ± {(item.mean_high_ms - item.mean_low_ms) / 2:.0f}",
                f"{run.init_ms or 0:.0f}",
                f"{(run.peak_memory_bytes or 0) / 1e6:.0f}",
            )
        _out.print(table)
    where = {str(run.conditions.get("device") or run.conditions.get("cpu")): None for run in result.runs}
    if result.runs:
        _print(f"Milliseconds, on {escape(', '.join(where))}; peak memory")
    if any(run.conditions.get("target") == "host" for run in result.runs):
        _print("above the process's own. Those of the host are numbers of this machine, not of a phone.")
    elif result.runs:
        _print("as benchmark_model tells it.")
    if any(run.blocks for run in result.runs):
        _print("On devices a sample is the mean of one process's runs: p90 and p99 are those of the means.")
    for run in result.runs:
        if run.marks:
            _print(f"[yellow]*[/] {escape(run.name)}: {escape(', '.join(run.marks))}")
            if FUNCTIONAL in run.marks:
                _print("  Latencies of an emulator say nothing of a phone's.")
        if run.pss_bytes:
            _print(f"{escape(run.name)}: PSS up to {max(run.pss_bytes) / 1e6:.0f} MB in {len(run.pss_bytes)} samples")
        if run.energy is not None:
            _print(
                f"{escape(run.name)}: about {run.energy.joules_per_inference:.2g} J an inference, an estimate from "
                f"{run.energy.samples} readings of the battery, of the whole device"
            )
        if run.energy_refused is not None:
            _print(f"{escape(run.name)}: no energy: {escape(run.energy_refused)}")
        if run.profile:
            slowest = sorted(run.profile, key=lambda op: -op.mean_ms)[:5]
            _print(f"{escape(run.name)}: {len(run.profile)} ops, the slowest:")
            for op in slowest:
                _print(f"  {op.mean_ms:8.2f} ms {op.share:5.1%}  {escape(op.op)}  {escape(op.name[:60])}")
    for check in result.parity:
        verdict = "[green]gives the reference's matte[/]" if check.passed else "[bold red]DIFFERS[/]"
        _print(
            f"{escape(check.name)}: {verdict} (mean {_number(check.mad, '?')}, "
            f"max {_number(check.max_abs_difference, '?')}, {escape(check.input)})"
        )


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(help="A .json that bench wrote.")],
    second: Annotated[Path | None, typer.Argument(help="Another one. Left out: the models of the first.")] = None,
    threshold: Annotated[
        float, typer.Option(min=0, help="How much slower fails, as a share: 0.05 is 5 %. Exit code 1.")
    ] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """Say which of two measurements is faster, or that it cannot be told."""
    from benchmarks import measure
    from benchmarks.statistics import compare as tell
    from converters.errors import CheckFailedError

    old = measure.load(first)
    if second is None:
        if len(old.runs) < 2:
            raise ExportError(f"{first.name} holds one run", where=first, expected="two, or a second file")
        pairs = [(old.runs[0], run) for run in old.runs[1:]]
    else:
        pairs = measure.comparable(old, measure.load(second))
    found = [
        (a, b, tell(a.samples_ms, b.samples_ms, interleaved=second is None and len(a.samples_ms) == len(b.samples_ms)))
        for a, b in pairs
    ]
    if as_json:
        _print_json(json.dumps([{"first": a.name, "second": b.name, **c.model_dump()} for a, b, c in found], indent=2))
    else:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for heading in ("first", "second", "ratio", "95 % interval", "second is"):
            table.add_column(heading)
        for a, b, item in found:
            table.add_row(
                escape(a.name), escape(b.name), f"{item.ratio:.3f}", f"{item.low:.3f} to {item.high:.3f}", item.verdict
            )
        _out.print(table)
    slower = [b.name for _, b, item in found if item.verdict == "slower" and item.ratio > 1 + threshold]
    if slower and second is not None:
        raise CheckFailedError(f"slower by more than {threshold:.0%}: {', '.join(slower)}", where=second)


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
def explain(
    model: Annotated[Path, typer.Argument(help="A compressed .tflite or .mlpackage.")],
    against: Annotated[
        Path | None, typer.Option(help="The float model that it was made from. Default: modnet_fp32 beside it.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="A photo, instead of the built-in one.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Your photos: tells which int8 ranges they go beyond, instead.")
    ] = None,
    plot: Annotated[Path | None, typer.Option("-o", "--plot", help="A .png to write: the SNR of every op.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show where a compressed model loses precision: the ten worst ops, and why."""
    from dataclasses import asdict

    from converters.drift import drift
    from converters.runtimes import open_runtime
    from converters.tracing import trace
    from modnet_export import inputs
    from modnet_export.contract import Size
    from modnet_export.files import write_bytes
    from modnet_export.report import plots

    if images is not None:
        _coverage(model, images, as_json)
        return
    parent = against or model.with_name(f"modnet_fp32{model.suffix}")
    height, width = open_runtime(model).size
    open_runtime(parent)  # one clear error where it is not a model
    photo = inputs.builtin()[0] if image is None else inputs.images([image])[0]
    image_nhwc, _ = photo.load(Size(height=height, width=width))
    found = drift(trace(model, image_nhwc), trace(parent, image_nhwc))
    if plot is not None:
        write_bytes(plot, plots.snr(found, f"{model.name} against {parent.name}"))
    if as_json:
        _print_json(json.dumps([asdict(item) for item in found], indent=2))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("op", "tensor", "SNR dB", "lost dB", "why"):
        table.add_column(heading, justify="right" if "dB" in heading else "left")
    for item in sorted(found, key=lambda item: -item.added)[:10]:
        row = (
            item.op,
            escape(item.name),
            f"{item.snr_db:.0f}",
            f"{item.loss_db:.0f}",
            item.reason if item.reason == "rounding" else f"{item.reason}: {item.detail}",
        )
        table.add_row(*row)
    _print(f"[bold]{escape(model.name)}[/] against {escape(parent.name)} on {escape(photo.name)}")
    _out.print(table)
    _print(
        f"At the matte: {found[-1].snr_db:.1f} dB. These ops add most noise of their own; "
        "lost: how far they are below their worst input."
    )
    if plot is not None:
        _print(f"Wrote {escape(str(plot))}.")


_CLIPPED = 0.001
"""More of a tensor's values than this beyond its range is worth a word."""


def _coverage(model: Path, folder: Path, as_json: bool) -> None:
    """Which tensors of an int8 model clip these photos' values."""
    from dataclasses import asdict

    from converters.runtimes import open_runtime
    from converters.runtimes.litert import LiteRt
    from converters.tflite.coverage import Clipped, coverage
    from modnet_export import inputs, manifest, representative
    from modnet_export.contract import Size

    runtime = open_runtime(model)
    if not isinstance(runtime, LiteRt):
        raise ExportError(f"{model.name} is no TFLite model", where=model, expected="modnet_int8.tflite, for example")
    chosen, size = inputs.images([folder]), Size(height=runtime.size[0], width=runtime.size[1])
    recorded = manifest.load(model.parent).calibration
    calibration = None if recorded in (None, representative.BUILT_IN) else Path(str(recorded))

    def seen(images: list[Any], what: str) -> list[Clipped]:
        with _stages() as progress:
            encoded = [runtime.ports.encode(image_nhwc) for image_nhwc in images]
            return coverage(model.read_bytes(), encoded, lambda done: progress(what, done, len(images)))

    found = seen([item.load(size)[0] for item in chosen], "looking at your images")
    if not found:
        raise ExportError(
            f"{model.name} has no int8 activations",
            where=model,
            expected="modnet_int8.tflite or modnet_int8_mixed.tflite",
        )
    calibrated = list(representative.images(calibration, size, runtime.run))[::3]
    usual = {item.tensor: item.worst_share for item in seen(calibrated, "looking at the calibration images")}
    # Twice what calibration had: photographs differ in how much of them is plain black or white.
    rows = [
        (item, max(item.worst_share - 2 * usual[item.tensor], 0.0), chosen[item.worst_image].name) for item in found
    ]
    rows.sort(key=lambda row: -row[1])
    if as_json:
        _print_json(
            json.dumps(
                [
                    {**asdict(item), "beyond_calibration": more, "calibrated_share": usual[item.tensor], "worst": name}
                    for item, more, name in rows
                ],
                indent=2,
            )
        )
        return
    beyond = [row for row in rows if row[1] > _CLIPPED]
    _print(
        f"[bold]{escape(model.name)}[/]: {len(beyond)} of {len(found)} int8 ranges are exceeded on these images by "
        f"more than {_CLIPPED:.1%} of the values"
    )
    if beyond:
        table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for heading in ("tensor", "range", "clipped", "calibrated", "in"):
            table.add_column(heading, justify="right" if heading in ("clipped", "calibrated") else "left")
        for item, _, name in beyond[:10]:
            spread = f"{item.low:.3g} to {item.high:.3g}"
            shares = (f"{item.worst_share:.2%}", f"{usual[item.tensor]:.2%}")
            table.add_row(escape(item.tensor[:32]), spread, *shares, escape(name))
        _out.print(table)
        _print("Shares of the worst image. Calibrate with photographs like these: export --calibration FOLDER.")


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
    _show_warnings()
    try:
        app(args=arguments, prog_name="modnet-export")
    except ExportError as error:
        _fail(error)
    except OSError as error:
        _fail(_as_export_error(error))


def _show_warnings() -> None:
    """Our own as a line on stderr; everybody else's as they are."""
    import warnings

    others = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
        if issubclass(category, ExportWarning):
            _err.print(f"[yellow]warning:[/] {escape(str(message))}", highlight=False, soft_wrap=True)
        else:
            others(message, category, *rest, **options)

    warnings.showwarning = show


def _fail(error: ExportError) -> Any:
    _err.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
