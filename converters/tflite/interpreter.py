"""LiteRT's interpreter (TensorFlow Lite's successor), or tflite_runtime's where LiteRT is not installed.

``converters.runtimes`` stands above the formats: its LiteRT engines use this interpreter and ``builder``, and nothing
in ``converters.tflite`` imports ``converters.runtimes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.eight_bit import from_bytes, to_bytes
from converters.errors import ExportError
from converters.progress import Progress, counted
from converters.quiet import native_stderr

Array = npt.NDArray[np.float32]


def _interpreter_module() -> tuple[Any, str]:
    from importlib import import_module
    from importlib.metadata import version

    for package, module, name in (
        ("ai-edge-litert", "ai_edge_litert.interpreter", "LiteRT"),
        ("tflite-runtime", "tflite_runtime.interpreter", "tflite_runtime"),
    ):
        try:
            return import_module(module), f"{name} {version(package)}"
        except ImportError:
            continue
    raise ExportError(
        "no LiteRT is installed",
        expected="the package ai-edge-litert, or tflite-runtime",
        next_step="pip install ai-edge-litert",
    )


def interpreter(
    model: Path | bytes, threads: int | None, *, xnnpack: bool = True, preserve: bool = False
) -> tuple[Any, str]:
    """An allocated interpreter and its engine's name and version; None threads: the engine's choice.

    ``xnnpack``: with the delegate that a phone's CPU uses by default; without it, the built-in kernels.
    ``preserve``: every tensor can be read after a run (without XNNPACK, which keeps its own).
    """
    module, engine = _interpreter_module()
    options: dict[str, Any] = {"model_path": str(model)} if isinstance(model, Path) else {"model_content": model}
    if not xnnpack:
        options["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    if preserve:
        options["experimental_preserve_all_tensors"] = True
    with native_stderr():
        loaded = module.Interpreter(**options, num_threads=threads)
        loaded.allocate_tensors()
    return loaded, engine if xnnpack else f"{engine} without XNNPACK"


def encode(values: Array, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Values in [0, 1] as a port of this type takes them: float32, or uint8 of scale 1/255 and zero point 0."""
    return to_bytes(values) if np.dtype(dtype) == np.uint8 else np.ascontiguousarray(values, np.float32)


def decode(stored: npt.NDArray[Any]) -> Array:
    """What a port gives, float32 or uint8 of scale 1/255 and zero point 0, as float32."""
    return from_bytes(stored) if stored.dtype == np.uint8 else np.asarray(stored, np.float32)


def function(model: bytes) -> Callable[[Array], Array]:
    """A model of one input and one output as a function of values in [0, 1], whatever the types of its ports."""
    loaded, _ = interpreter(model, None)
    source, target = loaded.get_input_details()[0], loaded.get_output_details()[0]

    def run(values: Array) -> Array:
        loaded.set_tensor(source["index"], encode(values, source["dtype"]))
        loaded.invoke()
        return decode(loaded.get_tensor(target["index"]))

    return run


def runs(data: bytes, inputs: Iterable[npt.NDArray[Any]], stage: str, progress: Progress) -> Iterator[Any]:
    """The interpreter after a run on each input (as the model's only port takes it); all its tensors can be read."""
    loaded, _ = interpreter(data, None, xnnpack=False, preserve=True)
    port = loaded.get_input_details()[0]["index"]
    for item in counted(inputs, stage, progress):
        loaded.set_tensor(port, item)
        loaded.invoke()
        yield loaded
