"""``modnet-export bench``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from benchmarks.choices import Delegate, GpuBackend, GpuPrecision
from converters.errors import ExportError
from modnet_export.terminal.console import number, say_json
from modnet_export.terminal.models import ModelsArgument, foreign_models
from modnet_export.terminal.options import JsonOption, choices, command, numbers, one_of

if TYPE_CHECKING:
    from benchmarks.run import BenchRequest
    from benchmarks.session import Target

_ANDROID = "Android devices"
_TOOL_VARIABLE = "MODNET_EXPORT_BENCHMARK_MODEL"


@dataclass(frozen=True)
class BenchOptions:
    """The options of ``modnet-export bench``."""

    models: ModelsArgument
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="For models that somebody else converted: what they were made from. Their mattes are compared "
            "with its matte."
        ),
    ] = None
    size: Annotated[
        str | None, typer.Option(help="Height x width, for such models that take any size. Default: 512x512.")
    ] = None
    artefacts: Annotated[
        list[str] | None,
        typer.Option(
            "--artefact", help="A file of the folder. May be repeated. Default: all files that a target can run."
        ),
    ] = None
    targets: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            help="Where to measure: host, adb (the only device), adb:SERIAL, emulator:AVD, qemu-arm64 or "
            "qemu-arm64:CPU (parity only). May be repeated, or separated by commas; all targets are "
            "measured at once. Default: host.",
        ),
    ] = None
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas.")] = "1"
    delegates: Annotated[
        str,
        typer.Option(
            "--delegate",
            help="For TFLite models: cpu, builtin, gpu, npu or nnapi (on Android; deprecated), separated by commas.",
        ),
    ] = "cpu"
    runs: Annotated[int, typer.Option(min=2, help="The number of timed runs of each model, after the warm-up.")] = 50
    duration: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds of timed runs of each model, instead of --runs.")
    ] = None
    sustained: Annotated[
        float | None,
        typer.Option(
            min=0.05, help="Minutes of runs without a pause, instead of --runs. Shows how heat slows the models down."
        ),
    ] = None
    profile: Annotated[bool, typer.Option(help="Also time every op.")] = False
    resume: Annotated[bool, typer.Option(help="Go on with the measurement that --out already holds.")] = False
    imports: Annotated[
        list[Path] | None,
        typer.Option(
            "--import",
            help="A file that an app's benchmark shared. May be repeated. Without --target, nothing else is measured.",
        ),
    ] = None
    benchmark_model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL",
            help="LiteRT's native tool for the device: a file, or a link with its hash, "
            "https://...#sha256=HEX. For devices of several ABIs, name several, separated by commas.",
            envvar=_TOOL_VARIABLE,
            rich_help_panel=_ANDROID,
        ),
    ] = None
    run_model: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="LiteRT's run_model, which gives the matte; LiteRT's benchmark_model does not. Name one for each ABI.",
            rich_help_panel=_ANDROID,
        ),
    ] = None
    app: Annotated[
        str | None,
        typer.Option(
            metavar="PACKAGE/ACTIVITY",
            help="Measure inside this app instead. It measures no profile and no energy.",
            rich_help_panel=_ANDROID,
        ),
    ] = None
    push: Annotated[
        list[Path] | None,
        typer.Option(help="A library that benchmark_model needs beside it. May be repeated.", rich_help_panel=_ANDROID),
    ] = None
    env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An environment variable for benchmark_model. May be repeated.",
            rich_help_panel=_ANDROID,
        ),
    ] = None
    gpu_backend: Annotated[
        str | None,
        typer.Option(
            metavar="opencl|opengl|webgpu",
            help="The GPU's API to use. The measurement fails if it is not available.",
            rich_help_panel=_ANDROID,
        ),
    ] = None
    gpu_precision: Annotated[
        str,
        typer.Option(metavar="auto|fp16|fp32", help="The precision that a GPU computes in.", rich_help_panel=_ANDROID),
    ] = "auto"
    cores: Annotated[
        str,
        typer.Option(
            metavar="all|big|little|mid|prime|MASK",
            help="Pin benchmark_model to these cores; MASK is hexadecimal, such as 0xf0.",
            rich_help_panel=_ANDROID,
        ),
    ] = "all"
    fixed_performance: Annotated[
        bool,
        typer.Option(
            help="Use Android 11's mode of steady, lower clocks. The result is marked.", rich_help_panel=_ANDROID
        ),
    ] = False
    memory: Annotated[
        bool, typer.Option(help="Also sample the memory (PSS), in a pass of its own.", rich_help_panel=_ANDROID)
    ] = True
    energy: Annotated[
        bool,
        typer.Option(
            help="Also estimate the energy of an inference. The phone must not be charging.", rich_help_panel=_ANDROID
        ),
    ] = False
    keep_files: Annotated[
        bool, typer.Option(help="Leave the models and the tool on the device.", rich_help_panel=_ANDROID)
    ] = False
    cool_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a warm device to cool down.", rich_help_panel=_ANDROID)
    ] = 300
    block_timeout: Annotated[
        float,
        typer.Option(min=1, help="Seconds after which one process of runs counts as hung.", rich_help_panel=_ANDROID),
    ] = 300
    return_timeout: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a device that went away.", rich_help_panel=_ANDROID)
    ] = 60
    boot_timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait until an emulator has booted.", rich_help_panel=_ANDROID)
    ] = 300
    share: Annotated[
        bool, typer.Option(help="Print rows for the table of phones in docs/phones.md, instead of tables.")
    ] = False
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file to write: raw samples as .json, or a table as .csv.")
    ] = None
    as_json: JsonOption = False

    def request(self) -> BenchRequest:
        """Every option as its type. Raises ExportError for what is not valid, or has no use on these targets."""
        from benchmarks import targets
        from benchmarks.android.flags import Gpu
        from benchmarks.android.settings import Activity, AndroidSettings
        from benchmarks.run import BenchRequest
        from modnet_export.record.contract import Size

        words = [word.strip() for text in self.targets or ["host"] for word in text.split(",") if word.strip()]
        settings = AndroidSettings(
            app=None if self.app is None else Activity.parse(self.app),
            push=tuple(self.push or ()),
            environment=tuple(self.env or ()),
            run_model=tuple(self.run_model or ()) or None,
            gpu=Gpu(
                None if self.gpu_backend is None else one_of(self.gpu_backend, "gpu_backend", get_args(GpuBackend)),
                one_of(self.gpu_precision, "gpu_precision", get_args(GpuPrecision)),
            ),
            cores=self.cores,
            fixed_performance=self.fixed_performance,
            memory=self.memory,
            keep_files=self.keep_files,
            cool_timeout_s=self.cool_timeout,
            block_timeout_s=self.block_timeout,
            return_timeout_s=self.return_timeout,
            logs=self.out.with_suffix(".logs") if self.out is not None else None,
            profiles=self.out.with_suffix(".profiles") if self.profile and self.out is not None else None,
        )
        only_imports = bool(self.imports) and not self.targets
        parsed = [] if only_imports else targets.parse(words, settings, self.benchmark_model, self.boot_timeout)
        for setting in _ON_ANY if only_imports else ():
            self._refuse(setting, "a target: alone, `imports` measures nothing")
        self._check_use(parsed)
        models = foreign_models(self.models)
        if not models:
            for setting in ("checkpoint", "size"):
                self._refuse(setting, "models that somebody else converted: a folder has these in its manifest")
        return BenchRequest(
            dist=None if models else self.models[0],
            models=models,
            checkpoint=self.checkpoint,
            size=None if self.size is None else Size.parse(self.size),
            artefacts=None if not self.artefacts else tuple(self.artefacts),
            targets=tuple(parsed),
            threads=tuple(numbers(self.threads, "threads")),
            delegates=choices(self.delegates, "delegates", get_args(Delegate)),
            runs=self.runs,
            duration_s=self.duration,
            sustained_minutes=self.sustained,
            profile=self.profile,
            energy=self.energy,
            resume=self.resume,
            imports=tuple(self.imports or ()),
            out=self.out,
        )

    def _check_use(self, targets: Iterable[Target]) -> None:
        """Raise ExportError for an option that none of the targets uses."""
        from benchmarks.android.emulator import EmulatorTarget
        from benchmarks.android.target import AdbTarget

        devices = any(isinstance(target, AdbTarget) for target in targets)
        emulators = any(isinstance(target, EmulatorTarget) for target in targets)
        for setting in _ON_ANDROID if not (devices or emulators) else ():
            self._refuse(setting, "an Android device or emulator")
        if not devices:
            self._refuse("cool_timeout", "an Android device, because an emulator does not get warm")
        if not emulators:
            self._refuse("boot_timeout", "an emulator")
        if self.app is not None:
            for setting in ("benchmark_model", "run_model", "push", "env", "gpu_backend", "gpu_precision"):
                self._refuse(setting, "one without `app`: an app measures by itself")
        if "gpu" not in self.delegates.split(","):
            for setting in ("gpu_backend", "gpu_precision"):
                self._refuse(setting, "the `delegates=gpu`")
        if self.sustained is not None:
            self._refuse("cool_timeout", "a measurement with pauses, so without `sustained`")

    def _refuse(self, setting: str, needed: str) -> None:
        """Raise ExportError where a setting was given."""
        default = next(field.default for field in fields(self) if field.name == setting)
        value = getattr(self, setting)
        if value != default and value != os.environ.get(_TOOL_VARIABLE):
            raise ExportError(
                "this setting has no use here",
                where=f"`{setting}`",
                expected=needed,
                next_step=f"leave `{setting}` out",
            )


# ``energy`` is not among them: ``benchmarks.run`` checks it.
_ON_ANY = ("artefacts", "threads", "delegates", "runs", "duration", "sustained", "profile", "energy")
_ON_ANDROID = (
    "benchmark_model",
    "run_model",
    "app",
    "push",
    "env",
    "gpu_backend",
    "gpu_precision",
    "cores",
    "fixed_performance",
    "memory",
    "keep_files",
    "cool_timeout",
    "block_timeout",
    "return_timeout",
)


def bench(options: BenchOptions) -> None:
    """Measure latency, memory and more on this machine, on phones, or in emulators.

    The exit code is 1 if a model failed.
    """
    from benchmarks import formats, run, shared
    from benchmarks.cli.live import live
    from benchmarks.cli.tables import say_bench
    from converters.errors import CheckFailedError

    request = options.request()
    with live([item.name for item in request.targets]) as watcher:
        result = run.bench(request, watcher)
    if options.share:
        for row in (*shared.heading(), *shared.rows(result)):
            typer.echo(row)
    elif options.as_json:
        say_json(formats.dump(result).decode())
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
            next_step="what was measured is kept; add `resume` to go on" if request.samples_file else None,
        )


def mount(app: typer.Typer) -> None:
    """Register the command."""
    command(app, BenchOptions)(bench)
