"""LiteRT (TensorFlow Lite's successor) on the CPU and the GPU; tflite_runtime where LiteRT is not installed.

Stands above ``converters.tflite``, whose interpreter and builder it uses.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import weakref
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from converters.errors import ExportError
from converters.quiet import native_stderr
from converters.runtimes.protocol import Image, one_port
from converters.tflite.interpreter import decode, encode, interpreter


class Ports:
    """The input and the output of a TFLite model, float or 8-bit, between the model's values and those in [0, 1]."""

    def __init__(self, path: Path, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
        one_port(path, "output", [(item["name"], list(map(int, item["shape"]))) for item in outputs], 1, 3)
        shapes = [(item["name"], list(map(int, item["shape"]))) for item in inputs]
        _, height, width, _ = one_port(path, "input", shapes, 3, 3)
        self.size = (height, width)
        self._in_dtype, self.out_dtype = np.dtype(inputs[0]["dtype"]), np.dtype(outputs[0]["dtype"])
        for kind, dtype in (("input", self._in_dtype), ("output", self.out_dtype)):
            if dtype not in (np.float32, np.uint8):
                raise ExportError(
                    f"{path.name} has an {kind} of type {dtype}",
                    where=path,
                    expected="float32, or uint8 of scale 1/255",
                )

    def encode(self, image_nhwc: Image) -> Any:
        """An image in [0, 1] as the input takes it."""
        return encode(image_nhwc, self._in_dtype)

    def decode(self, matte_nhwc: Any) -> Image:
        """What the output gives as a matte in [0, 1]."""
        return decode(matte_nhwc)


class LiteRt:
    """A TFLite model with an NHWC image in and an NHWC matte out, on the CPU."""

    def __init__(self, path: Path, threads: int | None = None, *, xnnpack: bool = True) -> None:
        self._interpreter, self.engine = interpreter(path, threads, xnnpack=xnnpack)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.ports = Ports(path, inputs, outputs)
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

    @property
    def size(self) -> tuple[int, int]:
        return self.ports.size

    def run(self, image_nhwc: Image) -> Image:
        self._interpreter.set_tensor(self._input, self.ports.encode(image_nhwc))
        self._interpreter.invoke()
        return self.ports.decode(self._interpreter.get_tensor(self._output))


_DRIVERS = (Path("/usr/share/vulkan/icd.d"), Path("/etc/vulkan/icd.d"))


def _vulkan_device() -> str:
    """The machine's own Vulkan device or, where it has none, the software one; returns its name.

    Raises ExportError where there is neither.
    """
    from converters.runtimes import software_vulkan

    if software_vulkan.active:
        return software_vulkan.NAME
    named = os.environ.get("VK_DRIVER_FILES") or os.environ.get("VK_ICD_FILENAMES")
    drivers = [item for folder in _DRIVERS if folder.is_dir() for item in folder.glob("*.json")]
    if named or (drivers and software_vulkan.hardware()):
        try:
            ctypes.CDLL("libvulkan.so.1")
            return "Vulkan"
        except OSError:
            pass
    return software_vulkan.activate()


def _release(held: list[Any]) -> None:
    """Let go of the accelerator, which writes about it to stderr."""
    with native_stderr(stdout=True):
        held[0].close()
        held.clear()


@cache
def _quiet_exit() -> None:
    """Keep the accelerator quiet at the end of the process, when its own globals write to stderr."""
    atexit.register(os.dup2, os.open(os.devnull, os.O_WRONLY), 2)


class _Compiled:
    """A TFLite model as LiteRT's newer API, ``CompiledModel``, runs it."""

    def __init__(self, path: Path, **options: Any) -> None:
        """``options`` are those of LiteRT's ``Options``."""
        from ai_edge_litert.compiled_model import CompiledModel, Options

        with native_stderr(stdout=True):
            model = CompiledModel.from_file(str(path), options=Options(**options))
            self.fully_accelerated = bool(model.is_fully_accelerated())
            signature = next(iter(model.get_signature_list()))
            details = model.get_input_tensor_details(signature), model.get_output_tensor_details(signature)
            self._ports = Ports(path, *(list(found.values()) for found in details))
            # The model with its input and output, held in one place from which they are let go together.
            self._held = [model, *model.create_input_buffers(0), *model.create_output_buffers(0)]
            del model
        weakref.finalize(self, _release, self._held)
        _quiet_exit()

    @property
    def size(self) -> tuple[int, int]:
        return self._ports.size

    def run(self, image_nhwc: Image) -> Image:
        model, source, target = self._held
        with native_stderr(stdout=True):
            source.write(self._ports.encode(image_nhwc))
            model.run_by_index(0, [source], [target])
            found = target.read(self.size[0] * self.size[1], self._ports.out_dtype)
        return self._ports.decode(np.asarray(found).reshape(1, *self.size, 1))


def _require(name: str, what: str, oldest: str) -> None:
    """Raise ExportError where LiteRT's ``compiled_model`` has no ``name``."""
    try:
        getattr(import_module("ai_edge_litert.compiled_model"), name)
    except (ImportError, AttributeError):
        raise ExportError(
            f"{what} is not installed",
            expected=f"the package ai-edge-litert, {oldest} or newer",
            next_step="pip install ai-edge-litert",
        ) from None


class LiteRtGpu(_Compiled):
    """A TFLite model on LiteRT's GPU accelerator: a GPU with Vulkan, or its emulation in software.

    fp32 models compute in fp32; others in the precision that the accelerator chooses, as in an app. What it does not
    take runs on the CPU, as in an app that asks for both; ``engine`` says so, and which ops published rules exclude.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        _require("GpuOptions", "LiteRT's GPU accelerator", "2.1")
        from importlib.metadata import version

        from ai_edge_litert.compiled_model import GpuOptions, HardwareAccelerator

        # Not at the top: it needs ai-edge-litert, and tflite_runtime runs models on the CPU without it.
        from converters.tflite import builder as fb
        from converters.tflite.placement import ML_DRIFT, estimate

        device, data = _vulkan_device(), path.read_bytes()
        whole = not any(tensor.type == fb.TensorType.FLOAT16 for tensor in fb.read(data).subgraphs[0].tensors)
        either = HardwareAccelerator.GPU | HardwareAccelerator.CPU
        super().__init__(path, hardware_accelerators=either, gpu_options=GpuOptions(enforce_f32=whole))
        share = ""
        if not self.fully_accelerated:
            reasons = "; ".join(f"{count}: {why}" for why, count in estimate(data, ML_DRIFT).excluded.items())
            share = f", partly on the CPU ({reasons or 'no published rule says which ops'})"
        self.engine = f"LiteRT {version('ai-edge-litert')} GPU ({device}){share}"


# TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16 (google-ai-edge/LiteRT, tflite/delegates/xnnpack/xnnpack_delegate.h).
_FORCE_FP16 = 4


class LiteRtHalf(_Compiled):
    """A TFLite model in fp16 arithmetic on the CPU: what a CPU that has it does with a file that asks for it.

    XNNPACK rounds weights and every op's result to fp16; within an op each CPU's kernels round in their own way.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        _require("CpuOptions", "a LiteRT that can run XNNPACK in fp16", "2.3")
        from importlib.metadata import version

        from ai_edge_litert.compiled_model import CpuOptions, HardwareAccelerator

        cpu = CpuOptions(num_threads=threads or 0, xnnpack_flags=_FORCE_FP16)
        super().__init__(path, hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
        self.engine = f"LiteRT {version('ai-edge-litert')} in fp16"
