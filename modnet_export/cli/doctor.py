"""``modnet-export doctor``."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from modnet_export.terminal.capabilities import Capability, Finding, first_line, package
from modnet_export.terminal.console import OUT, escape, say_json
from modnet_export.terminal.options import JsonOption, command


@dataclass(frozen=True)
class DoctorOptions:
    device: Annotated[
        bool,
        typer.Option(
            "--device",
            help="Check the connected phone before a benchmark, instead of this machine. ANDROID_SERIAL names "
            "one of several.",
        ),
    ] = False
    as_json: JsonOption = False


def doctor(options: DoctorOptions, *, others: Sequence[Capability] = ()) -> None:
    """Say what this machine can do, and how to get what is missing.

    With --device, the exit code is 1 if bench would refuse the phone.
    """
    if options.device:
        from benchmarks.cli.phone import say_preflight

        say_preflight(as_json=options.as_json)
        return
    findings = examine(others)
    if options.as_json:
        say_json(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    shown = Table("", "capability", "used for", "found, or how to get it")
    for item in findings:
        mark, text = ("[green]yes[/]", item.found) if item.found else ("[yellow]no[/]", item.get_it)
        shown.add_row(mark, item.capability, item.used_for, escape(text))
    OUT.print(shown)


def _gpu() -> str | None:
    nvidia = first_line("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    if nvidia:
        return nvidia
    if sys.platform == "darwin":
        return "Metal" if platform.machine() == "arm64" else None
    nodes = sorted(Path("/dev/dri").glob("renderD*"))
    return str(nodes[0]) if nodes else None


def _litert_gpu() -> str | None:
    """LiteRT's GPU accelerator ships in the wheel; it needs a Vulkan driver to run on."""
    from converters.runtimes import software_vulkan

    if package("ai-edge-litert") is None:
        return None
    named = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    if named:
        return f"Vulkan driver {named}" if all(Path(part).exists() for part in named.split(os.pathsep)) else None
    drivers = [
        item for folder in ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d") for item in Path(folder).glob("*.json")
    ]
    if drivers and software_vulkan.hardware():
        return f"Vulkan driver {drivers[0].name}"
    return None if software_vulkan.find() is None else f"{software_vulkan.NAME}: functional checks only"


def _litertjs() -> str | None:
    from modnet_export.preview import litertjs

    return litertjs.here()


_CAPABILITIES = (
    Capability("PyTorch", "loading checkpoints, the reference", partial(package, "torch"), "pip install torch"),
    Capability("ONNX Runtime", "running .onnx", partial(package, "onnxruntime"), "pip install onnxruntime"),
    Capability(
        "TensorFlow",
        "a second converter to .tflite, to compare with",
        partial(package, "tensorflow-cpu", "tensorflow"),
        "pip install 'modnet-export[tensorflow]'",
    ),
    Capability(
        "LiteRT",
        "running .tflite",
        partial(package, "ai-edge-litert", "tflite-runtime"),
        "pip install ai-edge-litert",
    ),
    Capability(
        "coremltools",
        "writing .mlpackage, and evaluating it anywhere",
        partial(package, "coremltools"),
        "pip install 'modnet-export[coreml]'",
    ),
    Capability(
        "pyelftools",
        "lint of an .apk or .aab",
        partial(package, "pyelftools"),
        "pip install 'modnet-export[apps]'",
    ),
    Capability("LiteRT.js", "the preview in a browser", _litertjs, "install Node.js: its npm fetches it"),
    Capability("GPU", "faster reference runs", _gpu, "not needed: everything runs on the CPU"),
    Capability(
        "Vulkan",
        "LiteRT's GPU accelerator",
        _litert_gpu,
        f"install your GPU's Vulkan driver, or: {shlex.quote(sys.executable)} -m converters.runtimes.software_vulkan",
    ),
    Capability(
        "Xcode",
        "running Core ML",
        partial(first_line, "xcodebuild", "-version"),
        "needs a Mac",
    ),
)


def examine(others: Sequence[Capability] = ()) -> list[Finding]:
    """Every capability, present or not; ``others`` are those that other packages know of."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    asked = [*_CAPABILITIES[:-1], *others, _CAPABILITIES[-1]]
    return [Finding("machine", "everything", machine, ""), *(item.examined() for item in asked)]


def mount(app: typer.Typer, others: Sequence[Capability]) -> None:
    def with_others(options: DoctorOptions) -> None:
        doctor(options, others=others)

    with_others.__name__, with_others.__doc__ = doctor.__name__, doctor.__doc__
    command(app, DoctorOptions)(with_others)
