"""int8 arithmetic for one checkpoint: equalised channels, measured sensitivities, and a search within a budget."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from converters.budget import Budget
from converters.errors import ExportWarning
from converters.progress import Progress
from converters.runtimes import Image
from modnet_export.exporting.calibration import Calibration
from modnet_export.exporting.request import ExportRequest
from modnet_export.images import representative
from modnet_export.record.files import kept_in_cache, scratch_folder
from modnet_export.record.manifest import SearchRecord
from modnet_export.record.recipes import Recipe

if TYPE_CHECKING:
    import onnx

    from converters.tflite.int8.graph import Group
    from converters.tflite.int8.ranges import Parameters
    from converters.tflite.int8.search import Found
    from converters.tflite.moments import Moments
    from converters.tflite.rounding import Rounding


@dataclass(frozen=True)
class _Equalised:
    """A float graph with evened channels, and what its tensors and convolutions see."""

    data: bytes
    groups: Sequence[Group]
    scales: Mapping[int, Parameters]
    rounding: Rounding


class Integer:
    """The models with int8 arithmetic that are made of one fp32 flatbuffer, each search run once."""

    def __init__(self, fp32: bytes, calibration: Calibration, request: ExportRequest, progress: Progress) -> None:
        self._fp32, self._calibration, self._request, self._progress = fp32, calibration, request, progress
        self._found: dict[str, Found] = {}
        self.records: dict[str, SearchRecord] = {}
        """What was found, by the artefact's file."""

    @cached_property
    def _even(self) -> _Equalised:
        from converters.tflite import builder
        from converters.tflite.int8 import graph
        from converters.tflite.int8.equalise import equalise
        from converters.tflite.int8.ranges import calibrate, observe, parameters
        from converters.tflite.rounding import Rounding

        images = self._calibration.images()

        def groups(model: bytes) -> list[Group]:
            return graph.Graph(builder.read(model)).groups()

        def tensors(model: bytes) -> list[int]:
            return [tensor for group in groups(model) for tensor in group.tensors]

        seen = observe(self._fp32, tensors(self._fp32), representative.some(images), self._progress)
        data = equalise(self._fp32, seen)
        spreads, moments = calibrate(data, tensors(data), images, self._progress)
        return _Equalised(data, groups(data), parameters(groups(data), spreads), Rounding(moments))

    @cached_property
    def _mattes(self) -> list[Image]:
        from converters.tflite.int8.search import mattes

        return mattes(self._even.data, self._calibration.images())

    def found(self, row: Recipe) -> Found:
        """TFLite with int8 arithmetic wherever the budget allows it."""
        from converters.tflite.int8.write import mixed

        even = self._even
        return self._once(row, lambda chosen: mixed(even.data, even.rounding, chosen, bytes_in_and_out=row.eight_bit))

    def qdq(self, row: Recipe, model: onnx.ModelProto, moments: Mapping[int, Moments]) -> Found:
        """The same for ONNX Runtime, by QuantizeLinear and DequantizeLinear.

        ``model`` is the optimised ONNX, ``moments`` are those of the fp32 flatbuffer's convolutions. Of convolutions
        that compute in float the weights are int8.
        """
        from converters.onnx.quantize import Weight, fingerprint, qdq
        from converters.runtimes.onnxruntime import OnnxRuntime
        from converters.tflite import builder
        from converters.tflite.convolutions import convolutions
        from converters.tflite.int8 import graph
        from converters.tflite.rounding import Rounding
        from converters.tflite.weights import kept_in_float

        # Equalisation changes weights and no op's place.
        whole = graph.Graph(builder.read(self._even.data))
        found = convolutions(builder.read(self._fp32))
        names = {item.index: fingerprint(item.oihw(item.weight)) for item in found}
        rounding, rounded = Rounding(moments), dict[int, Weight]()
        images = [image.transpose(0, 3, 1, 2).copy() for image in self._calibration.images()]

        def build(chosen: Mapping[int, Parameters], ranges: Path) -> bytes:
            floats = [item for item in found if not whole.in_int8(item.index, chosen)]
            kept = kept_in_float(floats, len(self._fp32))
            for item in floats:
                if item.index not in kept and item.index not in rounded:
                    weight = rounding(item)
                    rounded[item.index] = Weight(item.oihw(weight.weight), weight.scale, weight.bias_change)
            stored = {names[item.index]: rounded[item.index] for item in floats if item.index not in kept}
            fast = set(names.values()) - {names[item.index] for item in floats}
            return bytes(qdq(model, images, fast, stored, ranges).SerializeToString(deterministic=True))

        with scratch_folder() as scratch:

            def run(data: bytes) -> Callable[[Image], Image]:
                path = scratch / "model.onnx"
                path.write_bytes(data)
                return OnnxRuntime(path).run

            return self._once(row, lambda chosen: build(chosen, scratch / "ranges.json"), run)

    def _once(
        self,
        row: Recipe,
        build: Callable[[Mapping[int, Parameters]], bytes],
        run: Callable[[bytes], Callable[[Image], Image]] | None = None,
    ) -> Found:
        if row.file not in self._found:
            self._found[row.file] = self._search(row, build, run)
        return self._found[row.file]

    def _search(
        self,
        row: Recipe,
        build: Callable[[Mapping[int, Parameters]], bytes],
        run: Callable[[bytes], Callable[[Image], Image]] | None,
    ) -> Found:
        from converters.tflite.int8.search import Search, search
        from converters.tflite.interpreter import function

        budget = self._request.budget or Budget.parse(row.budget or "")
        even = self._even
        states = kept_in_cache("search")
        state = None if states is None else states / f"{hashlib.sha256(even.data).hexdigest()[:16]}.json"
        request = Search(
            even.data,
            even.groups,
            even.scales,
            self._calibration.images(),
            self._mattes,
            budget,
            build,
            run or function,
            variant=row.file,
            required=self._request.budget is not None,
            extra_points=self._request.pareto_points,
        )
        found = search(request, state=state, progress=self._progress)
        if not budget.held(found.point):
            warnings.warn(
                f"{row.file} does not hold its usual {budget} for this checkpoint and size: 8-bit weights alone "
                f"take most of it. It was searched with {found.budget}; mad is {found.point.mad:.2g}, "
                f"{found.point.p95_mad:.2g} in 95 % of the images, {found.point.worst_mad:.2g} in the worst, "
                f"with {found.point.integer_macs:.0%} of the multiplications in int8",
                ExportWarning,
                stacklevel=2,
            )
        self.records[row.file] = SearchRecord(
            budget=str(found.budget),
            held=found.budget.held(found.point),
            chosen=found.point,
            points=found.points,
        )
        return found
