"""The command lines of the two tools that are called ``benchmark_model``, told apart by what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.choices import Delegate, GpuBackend, GpuPrecision
from converters.errors import ExportError

Kind = Literal["tflite", "litert"]
"""TFLite's tool (an interpreter with delegates), or LiteRT's (a compiled model with accelerators)."""


@dataclass(frozen=True)
class Timing:
    """How long one process runs: at least so many runs and so many seconds, after so many seconds to warm up."""

    runs: int
    seconds: float = 0
    warmup_s: float = 0
    memory: bool = False
    """Whether the tool reads its memory again and again meanwhile, which takes time from the model."""


@dataclass(frozen=True)
class Gpu:
    """How the GPU is to compute; None: by the API that the tool prefers."""

    backend: GpuBackend | None = None
    precision: GpuPrecision = "auto"

    def conditions(self, which: Kind | None) -> dict[str, str]:
        """What runs on a GPU differ in; ``which`` tool, None: an app, which decides itself."""
        if which is None:
            return {}
        # TFLite's tool can only allow fp16, not ask for it.
        allowed = self.precision == "auto" or (self.precision, which) == ("fp16", "tflite")
        # No flag of either tool asks for FP16_WITH_FP32_ACCUM, as an app can (litert/tools/benchmark_litert_model.cc:
        # auto, fp16 or fp32; tflite/delegates/gpu/delegate.cc: is_precision_loss_allowed puts latency first).
        precision = "fp16 allowed" if allowed else str(self.precision)
        found: dict[str, str] = {"precision": precision, "sums": precision}
        return found | ({"asked for": self.backend} if self.backend else {})

    def flags(self, which: Kind) -> dict[str, object]:
        """The flags of a tool that make it so."""
        api = self.backend if which == "litert" else _TFLITE_BACKENDS.get(self.backend)
        found: dict[str, object] = {"gpu_backend": api} if api else {}
        if which == "tflite":
            found["gpu_precision_loss_allowed"] = self.precision != "fp32"
        elif self.precision != "auto":
            found["gpu-precision"] = self.precision
        return found


_TFLITE_BACKENDS: Mapping[GpuBackend | None, str] = {"opencl": "cl", "opengl": "gl"}
APIS: Mapping[GpuBackend, str] = {"opencl": "OpenCL", "opengl": "OpenGL", "webgpu": "WebGPU"}
"""What ``benchmark_model.parse`` calls them."""


def kind(usage: str) -> Kind:
    """Which tool prints this with ``--help``; raises ExportError for neither of them."""
    if "dispatch_library_path" in usage:
        return "litert"
    if "input_layer_value_files" in usage:
        return "tflite"
    raise ExportError(
        "this is not benchmark_model: it does not list its flags",
        where="`benchmark_model`",
        expected="TFLite's tool (its flags have use_xnnpack) or LiteRT's (use_cpu)",
        next_step="run it on the device by hand, and see what it says of its flags",
    )


def refused(which: Kind, delegate: Delegate, *, libraries: bool = False, gpu: Gpu = Gpu()) -> str | None:
    """Why a tool cannot run a model in this way; None where it can. ``libraries``: whether any lie beside it."""
    if delegate == "gpu" and which == "tflite" and gpu.backend == "webgpu":
        return "TFLite's benchmark_model has no WebGPU: take LiteRT's"
    if delegate == "npu" and which == "tflite":
        return "TFLite's benchmark_model has no NPU: take LiteRT's"
    if delegate == "npu" and not libraries:
        return "an NPU needs its vendor's dispatch library beside benchmark_model (`push`), and what that needs"
    if which == "litert" and delegate == "builtin":
        return "LiteRT's benchmark_model runs XNNPACK on the CPU, and nothing else: take TFLite's"
    if which == "litert" and delegate == "nnapi":
        return "LiteRT's benchmark_model has no NNAPI, which is deprecated since Android 15"
    return None


def arguments(
    which: Kind, tool: str, model: str, delegate: Delegate, threads: int, timing: Timing, gpu: Gpu = Gpu()
) -> list[str]:
    """The command line for one process."""
    flags: dict[str, object] = {
        "graph": model,
        "num_threads": threads,
        "num_runs": timing.runs,
        "warmup_runs": 1,
        "min_secs": timing.seconds,
        "warmup_min_secs": timing.warmup_s,
        "max_secs": 600 + timing.seconds,
        "report_peak_memory_footprint": timing.memory,
    }
    flags |= _LITERT[delegate] if which == "litert" else _TFLITE[delegate]
    if delegate == "gpu":
        flags |= gpu.flags(which)
    return [tool, *(f"--{name}={_flag(value)}" for name, value in flags.items())]


_TFLITE: Mapping[Delegate, Mapping[str, object]] = {
    "cpu": {"use_xnnpack": True},
    "builtin": {"use_xnnpack": False},
    # What the delegate leaves over goes to XNNPACK unless that is switched off: as in an app.
    "gpu": {"use_gpu": True},
    "nnapi": {"use_nnapi": True},
}
_LITERT: Mapping[Delegate, Mapping[str, object]] = {
    "cpu": {"use_cpu": True},
    "gpu": {"use_cpu": True, "use_gpu": True},
    "npu": {"use_cpu": True, "use_npu": True},
}


def _flag(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def npu_arguments(folder: str) -> list[str]:
    """Where LiteRT's tool finds the vendor's libraries: to run a model, and to compile it on the device."""
    return [f"--dispatch_library_path={folder}", f"--compiler_plugin_library_path={folder}"]


def run_model_npu_arguments(folder: str) -> list[str]:
    """The same for LiteRT's ``run_model``."""
    return [f"--dispatch_library_dir={folder}", f"--compiler_plugin_library_dir={folder}"]


def parity_arguments(port: str, shape: Sequence[int], image: str, matte: str) -> list[str]:
    """Let TFLite's tool run on a given tensor and keep the output: ``image`` and ``matte`` are files of raw bytes."""
    return [
        f"--input_layer={port}",
        f"--input_layer_shape={','.join(map(str, shape))}",
        f"--input_layer_value_files={port}:{image}",
        f"--output_filepath={matte}",
    ]


def profile_arguments(file: str) -> list[str]:
    """Let TFLite's tool write a profile of all ops as CSV to a file on the device."""
    return [
        "--enable_op_profiling=true",
        "--op_profiling_output_mode=csv",
        f"--op_profiling_output_file={file}",
    ]


RUN_MODEL_SIGN = "input_dir"
"""The flag that tells a ``run_model`` that takes an image from the older ones, in its ``--help``."""


def run_model_arguments(tool: str, model: str, delegate: Delegate, folder: str, gpu: Gpu) -> list[str]:
    """Let LiteRT's ``run_model`` (litert/tools/run_model.cc) run on the ``.raw`` files of a folder, named by input."""
    flags = {
        "graph": model,
        "input_dir": folder,
        "accelerator": delegate if delegate == "cpu" else f"{delegate},cpu",
        "gpu_precision": gpu.precision,
        "print_tensors": "true",
        "compare_numerical": "true",
    }
    return [tool, *(f"--{name}={value}" for name, value in flags.items())]
