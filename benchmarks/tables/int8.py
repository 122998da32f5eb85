"""int8: the exported models beside other quantizers' on the judging portraits, and what each step brings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.converting import convert_with
from benchmarks.tables.setting import Errors, Setting
from converters.runtimes import Image, open_runtime
from converters.tflite import builder
from converters.tflite.int8 import graph
from converters.tflite.int8.equalise import equalise
from converters.tflite.int8.ranges import Parameters, Spread, calibrate, observe, parameters
from converters.tflite.int8.write import mixed
from converters.tflite.interpreter import function
from converters.tflite.moments import Moments
from converters.tflite.rounding import Rounding
from converters.tflite.weights import int8_weights
from modnet_export.images import representative
from modnet_export.model import checkpoint

_ERRORS = ("mean", "worst image", "edges", "99.9 %", "largest")
_OURS = {
    "`int8`": "modnet_int8.tflite",
    "`int8-mixed`": "modnet_int8_mixed.tflite",
    "`int8-weights`": "modnet_int8_weights.tflite",
    "`int8-dynamic`": "modnet_int8_dynamic.tflite",
    "`int4-weights`": "modnet_int4_weights.tflite",
    "`int8` for ONNX": "modnet_int8.onnx",
}


def head(*columns: str) -> str:
    return f"| | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"


def numbers(found: Errors) -> str:
    """The cells of one row."""
    return f"{found.mean:.4f} | {found.worst:.4f} | {found.edges:.4f} | {found.p999:.2f} | {found.largest:.2f}"


def models(setting: Setting) -> str:
    """Every int8 model of the export, and two other quantizers' on the same float graph and images."""
    paths = {name: setting.file(file) for name, file in _OURS.items()}
    paths["litert-quantizer 0.11.0, static int8"] = _litert_quantizer(setting)
    paths[f"TensorFlow {_tensorflow_version()}, full int8"] = _tensorflow(setting)
    floats = {"`modnet_fp32.tflite`": setting.file("modnet_fp32.tflite")}
    times = setting.medians_ms(floats | paths)
    whole = times["`modnet_fp32.tflite`"]
    rows = [
        head("int8 multiplications", *_ERRORS, "MB", "time"),
        f"| fp32 | | | | | | | {_megabytes(floats['`modnet_fp32.tflite`'])} | 1.00 |",
    ]
    for name, path in paths.items():
        cells = [_share(setting, path), numbers(setting.errors(path)), _megabytes(path), f"{times[name] / whole:.2f}"]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*rows, "", f"Time is that of fp32 in the same run: {setting.conditions}."])


def another_checkpoint(setting: Setting) -> str:
    """The same for weights that nothing was tuned on: the checkpoint's, every convolution changed by a random 5 %."""
    import torch
    from safetensors.torch import save_file

    setting.work.mkdir(parents=True, exist_ok=True)
    path = setting.work / "perturbed.safetensors"
    if not path.exists():
        torch.manual_seed(1)
        modnet = checkpoint.load(checkpoint.resolve(setting.checkpoint))
        state = {key: value.clone() for key, value in modnet.state_dict().items() if "lr_branch.backbone" not in key}
        for value in state.values():
            if value.ndim == 4:
                value *= 1 + 0.05 * torch.randn_like(value)
        save_file(state, path)
    other = replace(setting, checkpoint=str(path), formats=("onnx", "tflite"), work=setting.work / "perturbed")
    rows = [head("int8 multiplications", *_ERRORS)]
    for name, path in ((name, other.file(file)) for name, file in _OURS.items()):
        rows.append(f"| {name} | {_share(other, path)} | {numbers(other.errors(path))} |")
    return "\n".join(rows)


def _share(setting: Setting, path: Path) -> str:
    """How much of a model's multiplications a search chose to have in int8; empty where there was none."""
    found = (item.search for item in setting.manifest.artefacts if item.file == path.name)
    search = next(found, None)
    return "" if search is None else f"{search.chosen.integer_macs:.0%}"


def steps(setting: Setting) -> str:
    """What each step brings: the model without it, at the same choice of tensors."""
    rows = [head(*_ERRORS)]
    for name, build in parts(setting).variants():
        rows.append(f"| {name} | {numbers(setting.errors(function(build())))} |")
    return "\n".join(rows)


def weights(setting: Setting) -> str:
    """Rounding of weights alone: with and without compensation, with and without the smallest in float."""
    made = parts(setting)
    rows = [head(*_ERRORS)]
    for arithmetic in ("float", "dynamic"):
        for name, compensate, keep in (
            ("nearest rounding of all", False, False),
            ("smallest weights stay floats", False, True),
            ("compensated rounding", True, False),
            ("both: what is exported", True, True),
        ):
            data = int8_weights(made.fp32, made.moments, arithmetic, compensate=compensate, keep_small=keep)
            title = f"`int8-{'weights' if arithmetic == 'float' else 'dynamic'}`, {name}"
            rows.append(f"| {title} | {numbers(setting.errors(function(data)))} |")
    return "\n".join(rows)


class _Made:
    """The parts that int8 models of the export are built from, and can be built without."""

    def __init__(self, setting: Setting) -> None:
        self.fp32 = setting.file("modnet_fp32.tflite").read_bytes()
        self.images = _calibration(setting)
        self.spreads, self.moments = self._calibrated(self.fp32)
        self.chosen = _int8_tensors(setting.file("modnet_int8.tflite").read_bytes())

    @staticmethod
    def _groups(data: bytes) -> list[graph.Group]:
        return graph.Graph(builder.read(data)).groups()

    def _calibrated(self, data: bytes) -> tuple[dict[int, Spread], Mapping[int, Moments]]:
        return calibrate(data, [tensor for group in self._groups(data) for tensor in group.tensors], self.images)

    @cached_property
    def even(self) -> tuple[bytes, dict[int, Spread], Mapping[int, Moments]]:
        """The equalised graph, and what its tensors and convolutions see."""
        tensors = [tensor for group in self._groups(self.fp32) for tensor in group.tensors]
        data = equalise(self.fp32, observe(self.fp32, tensors, representative.some(self.images)))
        return data, *self._calibrated(data)

    def variants(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        groups = self._groups(self.fp32)
        even, spreads, moments = self.even
        # Each keeps what it rounded, so that no two graphs may share one.
        ours, nearest = Rounding(moments), Rounding(moments, compensate=False)
        scales, plain = parameters(groups, spreads), parameters(groups, self.spreads)

        def build(
            data: bytes, rounding: Rounding, found: Mapping[int, Parameters], keep: bool = True, every: bool = False
        ) -> Callable[[], bytes]:
            names = self.chosen
            tensors = builder.read(data).subgraphs[0].tensors
            taken = {item: value for item, value in found.items() if every or tensors[item].name.decode() in names}
            return lambda: mixed(data, rounding, taken, bytes_in_and_out=True, keep_small=keep)

        yield (
            "every map int8, nearest rounding",
            build(self.fp32, Rounding(self.moments, compensate=False), plain, keep=False, every=True),
        )
        yield "every map int8, all of the below", build(even, ours, scales, every=True)
        yield "`int8`", build(even, ours, scales)
        yield "without equalisation", build(self.fp32, Rounding(self.moments), plain)
        yield "without compensated rounding", build(even, nearest, scales)
        yield "without float for the smallest weights", build(even, ours, scales, keep=False)
        yield "without either of the last two", build(even, nearest, scales, keep=False)
        for setting, name in (("percentile", "the 99.99th percentile"), ("mse", "the least square error")):
            yield f"ranges of {name}", build(even, ours, parameters(groups, spreads, setting))  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def parts(setting: Setting) -> _Made:
    """Calibrated once for both tables."""
    return _Made(setting)


def _int8_tensors(data: bytes) -> set[str]:
    """The names in the float graph of what an int8 model stores in int8."""
    tensors: list[Any] = builder.read(data).subgraphs[0].tensors
    return {item.name.decode().removesuffix("/int8") for item in tensors if item.type == builder.TensorType.INT8}


def _calibration(setting: Setting) -> list[Image]:
    return list(representative.images(None, setting.size, open_runtime(setting.file("modnet_fp32.tflite")).run))


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f}"


def _litert_quantizer(setting: Setting) -> Path:
    target, source = setting.work / "litert-quantizer.tflite", setting.file("modnet_fp32.tflite")
    if not target.exists():
        listed = setting.work / "representative.npy"
        np.save(listed, np.concatenate(_calibration(setting)))
        convert_with("litert-quantizer", (source.resolve(), listed.resolve(), target.resolve()), setting.work.resolve())
    return target


def _tensorflow_version() -> str:
    import tensorflow as tf

    return str(tf.__version__)


def _tensorflow(setting: Setting) -> Path:
    """TensorFlow's own full int8 of the same float graph, with byte ports."""
    import onnx_ir as ir
    import tensorflow as tf

    from converters.quiet import native_stderr
    from converters.tflite.tensorflow.convert import save

    target = setting.work / "tensorflow.tflite"
    if not target.exists():
        shown = _calibration(setting)
        with tempfile.TemporaryDirectory() as folder, native_stderr():
            save(ir.load(setting.file("modnet_opt_fp32.onnx")), folder)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ({"image": image} for image in shown)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
            target.write_bytes(converter.convert())
    return target
