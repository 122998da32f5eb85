"""Which tensors of a graph can be int8 within a budget: a sensitivity of every group, then the fewest left in float.

Errors of many roundings add up like noise: their squares add. So the group whose squared error is largest for the
multiplications that it holds in int8 goes to float first, and a bisection over how many go, on the finished models,
finds the fewest that a budget needs. Predictions only order the groups; every point that is reported was measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from converters.budget import Budget, Point
from converters.errors import CheckFailedError, ExportError
from converters.runtimes.litert import interpreter
from converters.tflite import builder as fb
from converters.tflite.int8.graph import Graph, Group, Parameters, quantization

Image = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]
_LATENCY_RUNS = 5


@dataclass(frozen=True)
class Found:
    """The point that was chosen, its model, and every point that was measured on the way."""

    point: Point
    model: bytes
    chosen: Mapping[int, Parameters]
    points: tuple[Point, ...]


def _runner(model: bytes) -> Callable[[Image], Image]:
    """Of any graph: the runtime takes only those of an image and a matte."""
    loaded, _ = interpreter(model, None)
    source, target = loaded.get_input_details()[0], loaded.get_output_details()[0]
    in_bytes, out_bytes = (np.dtype(port["dtype"]) == np.uint8 for port in (source, target))

    def run(image_nhwc: Image) -> Image:
        loaded.set_tensor(source["index"], np.rint(image_nhwc * 255).astype(np.uint8) if in_bytes else image_nhwc)
        loaded.invoke()
        matte_nhwc: Image = loaded.get_tensor(target["index"])
        return np.asarray(matte_nhwc / np.float32(255) if out_bytes else matte_nhwc, np.float32)

    return run


def sensitivities(
    data: bytes,
    groups: Sequence[Group],
    scales: Mapping[int, Parameters],
    images: Sequence[Image],
    *,
    known: Mapping[str, float] | None = None,
    keep: Callable[[Mapping[str, float]], None] = lambda found: None,
    progress: Progress = lambda stage, done, total: None,
) -> list[float]:
    """The matte's mean absolute change when the tensors of one group alone are rounded to int8, for every group.

    ``known``: those of an earlier search, by the name of the group's first tensor; ``keep`` is told of each new one.
    """
    model = fb.read(data)
    (graph,) = model.subgraphs
    expected = [_runner(data)(image) for image in images]
    found = dict(known or {})
    for done, group in enumerate(groups):
        progress("measuring sensitivities", done, len(groups))
        name = graph.tensors[group.tensors[0]].name.decode()
        if name not in found:
            run = _runner(_with_rounding(model, {item: scales[item] for item in group.tensors}))
            errors = [float(np.abs(run(image) - matte).mean()) for image, matte in zip(images, expected, strict=True)]
            found[name] = float(np.mean(errors))
            keep(found)
    return [found[graph.tensors[group.tensors[0]].name.decode()] for group in groups]


def _with_rounding(model: Any, scales: Mapping[int, Parameters]) -> bytes:
    """A float graph in which some tensors pass through int8; the model is left as it was."""
    (graph,) = model.subgraphs
    operators, tensors, codes = list(graph.operators), len(graph.tensors), len(model.operatorCodes)
    changed: list[tuple[Any, str, Any]] = []
    result: list[Any] = []

    def copied(like: int, kind: int, scale: Any) -> int:
        tensor = fb.schema.TensorT()
        tensor.__dict__.update(vars(graph.tensors[like]))
        tensor.name, tensor.type, tensor.quantization = tensor.name + b"/rounding", kind, scale
        graph.tensors.append(tensor)
        return len(graph.tensors) - 1

    def through_int8(source: int, target: int, scale: Parameters) -> None:
        stored = copied(source, fb.TensorType.INT8, quantization([scale.scale], [scale.zero_point]))
        for name, version, before, after in (("QUANTIZE", 1, source, stored), ("DEQUANTIZE", 2, stored, target)):
            extra = fb.schema.OperatorT()
            extra.opcodeIndex = fb.builtin_code(model, getattr(fb.BuiltinOperator, name), version)
            extra.inputs, extra.outputs = [before], [after]
            result.append(extra)

    def change(op: Any, field: str, value: list[int]) -> None:
        changed.append((op, field, getattr(op, field)))
        setattr(op, field, value)

    for tensor in map(int, graph.inputs):
        if tensor in scales:
            rounded = copied(tensor, fb.TensorType.FLOAT32, None)
            through_int8(tensor, rounded, scales[tensor])
            for op in operators:
                if tensor in op.inputs:
                    change(op, "inputs", [rounded if item == tensor else item for item in op.inputs])
    for op in operators:
        result.append(op)
        output = int(op.outputs[0])
        if output in scales:
            raw = copied(output, fb.TensorType.FLOAT32, None)
            change(op, "outputs", [raw])
            through_int8(raw, output, scales[output])
    graph.operators = result
    data = fb.write(model)
    graph.operators = operators
    del graph.tensors[tensors:], model.operatorCodes[codes:]
    for op, field, value in reversed(changed):
        setattr(op, field, value)
    return data


def search(
    data: bytes,
    groups: Sequence[Group],
    scales: Mapping[int, Parameters],
    images: Sequence[Image],
    budget: Budget,
    build: Callable[[Mapping[int, Parameters]], bytes],
    *,
    required: bool = True,
    extra_points: int = 0,
    state: Path | None = None,
    variant: str = "",
    progress: Progress = lambda stage, done, total: None,
) -> Found:
    """The most int8 that holds a budget. ``build`` makes the model in which the given tensors are int8.

    ``extra_points`` more are measured evenly between all and none, for a Pareto plot. ``state`` keeps sensitivities
    and points, those of a ``variant`` of ``build``, so that an interrupted search goes on. Where no choice holds the
    budget: raises CheckFailedError with the nearest point, or gives that where the budget is not ``required``.
    """
    whole = Graph(fb.read(data))
    saved = _State(state, variant, _key(data, images))
    errors = sensitivities(
        data, groups, scales, images[:2], known=saved.sensitivities, keep=saved.keep, progress=progress
    )
    # Groups that no multiplication needs go first; those whose error is least for what they hold go last.
    order = sorted(range(len(groups)), key=lambda item: -(errors[item] ** 2) / (groups[item].macs + 1))
    total = sum(whole.macs(index) for index in range(len(whole.names)))
    run = _runner(data)
    expected = [run(image) for image in images]
    models: dict[int, bytes] = {}
    points: dict[int, Point] = {point.left_in_float: point for point in saved.points}

    def chosen(count: int) -> dict[int, Parameters]:
        return {tensor: scales[tensor] for item in order[count:] for tensor in groups[item].tensors}

    def model(count: int) -> bytes:
        if count not in models:
            models.clear()  # one at a time: they are megabytes
            models[count] = build(chosen(count))
        return models[count]

    def measured(count: int) -> Point:
        progress("searching", len(points), 0)
        if count not in points:
            made, quantized = model(count), chosen(count)
            share = sum(whole.macs(index) for index in range(len(whole.names)) if whole.static(index, quantized))
            points[count] = _point(count, share / total, made, images, expected)
            saved.add(points[count])
        return points[count]

    low, high = -1, len(order)
    while high - low > 1:  # at ``high`` the budget is taken to be held, at ``low`` it is not
        middle = (low + high) // 2
        low, high = (low, middle) if budget.held(measured(middle)) else (middle, high)
    for count in np.linspace(0, len(order), extra_points).round().astype(int):
        measured(int(count))
    measured(high)
    held = [point for point in points.values() if budget.held(point)]
    everything = tuple(sorted(points.values(), key=lambda point: point.left_in_float))
    nearest = min(everything, key=budget.excess)
    if not held and not required:
        held = [nearest]
    if not held:
        raise CheckFailedError(
            f"no choice of int8 holds {budget}",
            expected=str(budget),
            next_step=f"the nearest: mad {nearest.mad:.2g}, p999 {nearest.p999:.2g}, max "
            f"{nearest.max_abs_difference:.2g}, {nearest.latency_ms:.0f} ms, {nearest.size_mb:.1f} MB, with "
            f"{nearest.integer_macs:.0%} of the multiplications in int8: allow that, or choose another precision",
        )
    best = max(held, key=lambda point: (point.integer_macs, -point.left_in_float))
    return Found(best, model(best.left_in_float), chosen(best.left_in_float), everything)


def _point(count: int, share: float, model: bytes, images: Sequence[Image], expected: Sequence[Image]) -> Point:
    run = _runner(model)
    differences = [np.abs(run(image) - matte) for image, matte in zip(images, expected, strict=True)]
    times = []
    for _ in range(_LATENCY_RUNS):
        start = time.perf_counter()
        run(images[0])
        times.append((time.perf_counter() - start) * 1e3)
    return Point(
        left_in_float=count,
        integer_macs=share,
        mad=float(np.mean([item.mean() for item in differences])),
        p999=float(np.max([np.quantile(item, 0.999) for item in differences])),
        max_abs_difference=float(np.max([item.max() for item in differences])),
        latency_ms=min(times),
        size_mb=len(model) / 1e6,
    )


def _key(data: bytes, images: Sequence[Image]) -> str:
    """Of all that decides a search's results: the model, the images, and the code that makes the models."""
    digest = hashlib.sha256(data)
    for image in images:
        digest.update(image.tobytes())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


class _State:
    """What a search has found so far, in a file."""

    def __init__(self, path: Path | None, variant: str, key: str) -> None:
        self._path, self._variant, self._key = path, variant, key
        self.sensitivities: dict[str, float] = {}
        self._points: dict[str, list[Point]] = {}
        if path is not None and path.exists():
            try:
                saved = json.loads(path.read_text(encoding="utf-8"))
                if saved["key"] != key:
                    return
                self.sensitivities = {str(key): float(value) for key, value in saved["sensitivities"].items()}
                self._points = {
                    str(name): [Point(**item) for item in points] for name, points in saved["points"].items()
                }
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ExportError(
                    f"cannot read {path.name} as the state of a search",
                    where=path,
                    next_step="delete it: the search then begins anew",
                ) from error

    @property
    def points(self) -> list[Point]:
        return self._points.setdefault(self._variant, [])

    def keep(self, found: Mapping[str, float]) -> None:
        self.sensitivities = dict(found)
        self._write()

    def add(self, point: Point) -> None:
        self.points.append(point)
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        points = {name: [asdict(point) for point in points] for name, points in self._points.items()}
        text = json.dumps({"key": self._key, "sensitivities": self.sensitivities, "points": points})
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._path)
