"""``modnet-export bench``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from benchmarks.choices import Cores, Delegate
from modnet_export.terminal.console import number, say_json
from modnet_export.terminal.options import JsonOption, choices, command, numbers

if TYPE_CHECKING:
    from benchmarks.run import BenchRequest

_ANDROID = "Android devices"


@dataclass(frozen=True)
class BenchOptions:
    dist: Annotated[Path, typer.Argument(help="A folder that export wrote.")]
    artefacts: Annotated[
        list[str] | None,
        typer.Option("--artefact", help="One of its files; may be repeated. Default: all that run there."),
    ] = None
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            help="host, adb (the only device), adb:SERIAL, emulator:AVD, qemu-arm64 or qemu-arm64:CPU (parity only); "
            "may be repeated, or separated by commas: all are measured at once. Default: host.",
        ),
    ] = None
    threads: Annotated[str, typer.Option(help="Comma-separated numbers of threads.")] = "1"
    delegates: Annotated[
        str, typer.Option("--delegate", help="Comma-separated, for TFLite: cpu, builtin, gpu, nnapi (Android).")
    ] = "cpu"
    runs: Annotated[int, typer.Option(min=2, help="Timed runs of each, after those to warm up.")] = 50
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds of timed runs for each, instead of --runs.")
    ] = None
    sustained: Annotated[
        float | None, typer.Option(min=0.05, help="Minutes without a pause: shows what heat does over time.")
    ] = None
    profile: Annotated[bool, typer.Option(help="Also where the time goes, op by op.")] = False
    resume: Annotated[bool, typer.Option(help="Go on with what --out already holds.")] = False
    benchmark_model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="LiteRT's native tool for the device: a file, or a link with its hash, https://...#sha256=HEX.",
            envvar="MODNET_EXPORT_BENCHMARK_MODEL",
            rich_help_panel=_ANDROID,
        ),
    ] = None
    app: Annotated[
        str | None,
        typer.Option(metavar="PACKAGE/ACTIVITY", help="Measure inside an app instead.", rich_help_panel=_ANDROID),
    ] = None
    cores: Annotated[Cores, typer.Option(help="Pin to the big or the little cores.", rich_help_panel=_ANDROID)] = "all"
    fixed_performance: Annotated[
        bool, typer.Option(help="Android 11's mode of even clocks, where there is one.", rich_help_panel=_ANDROID)
    ] = True
    memory: Annotated[bool, typer.Option(help="Sample the PSS, in a pass of its own.", rich_help_panel=_ANDROID)] = True
    energy: Annotated[
        bool, typer.Option(help="Estimate the energy of an inference; unplugged only.", rich_help_panel=_ANDROID)
    ] = False
    keep_files: Annotated[bool, typer.Option(help="Leave models and tool on the device.", rich_help_panel=_ANDROID)] = (
        False
    )
    cool_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a cool device.", rich_help_panel=_ANDROID)
    ] = 300
    block_timeout: Annotated[
        float,
        typer.Option(min=1, help="Seconds after which a fifth of the runs counts as hung.", rich_help_panel=_ANDROID),
    ] = 300
    return_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a device that went away.", rich_help_panel=_ANDROID)
    ] = 60
    boot_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for an emulator.", rich_help_panel=_ANDROID)
    ] = 300
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Raw samples as .json, or a table as .csv.")] = None
    as_json: JsonOption = False

    def request(self) -> BenchRequest:
        """Every option as its type; raises ExportError for one that is none."""
        from benchmarks import targets
        from benchmarks.android.target import Settings
        from benchmarks.run import BenchRequest

        words = [word.strip() for text in self.targets or ["host"] for word in text.split(",") if word.strip()]
        settings = Settings(
            cores=self.cores,
            fixed_performance=self.fixed_performance,
            memory=self.memory,
            keep_files=self.keep_files,
            cool_seconds=self.cool_timeout,
            block_seconds=self.block_timeout,
            return_seconds=self.return_timeout,
            profiles=self.out.with_suffix(".profiles") if self.profile and self.out is not None else None,
            app=self.app,
        )
        return BenchRequest(
            dist=self.dist,
            artefacts=None if not self.artefacts else tuple(self.artefacts),
            targets=tuple(targets.parse(words, settings, self.benchmark_model, self.boot_timeout)),
            threads=tuple(numbers(self.threads, "threads")),
            delegates=choices(self.delegates, "delegates", get_args(Delegate)),
            runs=self.runs,
            duration_s=self.duration,
            sustained_minutes=self.sustained,
            profile=self.profile,
            energy=self.energy,
            resume=self.resume,
            out=self.out,
        )


def bench(options: BenchOptions) -> None:
    """Measure latency, memory and more on this machine, on phones, or in emulators. Exit code 1 where some failed."""
    from benchmarks import measure, run
    from benchmarks.cli.live import live
    from benchmarks.cli.tables import say_bench
    from converters.errors import CheckFailedError

    request = options.request()
    with live([item.name for item in request.targets]) as status:
        result = run.bench(request, status)
    if options.as_json:
        say_json(measure.dump(result).decode())
    else:
        say_bench(result)
    problems = [f"{item.name}: {item.reason}" for item in result.failures]
    problems += [
        f"{item.name}: its matte is off by {number(item.mad, '?')} (mean), {number(item.max_abs_difference, '?')} (max)"
        for item in result.parity
        if not item.passed
    ]
    if problems:
        raise CheckFailedError(
            "\n".join([f"{len(problems)} measurement(s) failed:", *(f"  {line}" for line in problems)]),
            next_step="what was measured is kept; the same command with --resume goes on" if request.record else None,
        )


def mount(app: typer.Typer) -> None:
    command(app, BenchOptions)(bench)
