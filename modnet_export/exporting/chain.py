"""One ONNX model and what is derived from it, each intermediate model made once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from converters.choices import CoreMlPrecision, Tuning
from converters.eight_bit import to_bytes
from converters.progress import Progress, silent
from modnet_export.exporting.calibration import Calibration
from modnet_export.exporting.int8 import Integer
from modnet_export.exporting.request import ExportRequest
from modnet_export.record.contract import INPUT_NAME, OUTPUT_NAME, SOURCE_KEY, VERSION_KEY
from modnet_export.record.files import write_bytes
from modnet_export.record.manifest import SearchRecord
from modnet_export.record.recipes import Recipe

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

    from converters.tflite.moments import Moments

"""Creator-defined metadata of a Core ML package: ios_demo/MattingKit compares both with ``modnet.json``."""


class Chain:
    """Makes the artefacts of one request from the ONNX model of a source, whose file has the hash ``source_sha256``."""

    def __init__(
        self, model: onnx.ModelProto, source_sha256: str, request: ExportRequest, progress: Progress = silent
    ) -> None:
        self._model, self._source_sha256, self._request, self._progress = model, source_sha256, request, progress
        self._calibration = Calibration(request.calibration, request.size)
        self._moments: dict[Tuning, Mapping[int, Moments]] = {}
        self._graphs: dict[Tuning, ir.Model] = {}
        self._flatbuffers: dict[Tuning, bytes] = {}

    @property
    def calibration(self) -> str | None:
        """What the artefacts so far were calibrated with; None: nothing."""
        return self._calibration.record

    @property
    def searches(self) -> Mapping[str, SearchRecord]:
        """How the precision of artefacts so far was chosen, by their files."""
        return self._integer.records if "_integer" in self.__dict__ else {}

    def write(self, row: Recipe, path: Path) -> None:
        """Make one artefact, a file or a package."""
        tuning = row.tuned(self._request.tune)
        if row.format == "coreml":
            self._package(row, path)
        elif tuning is None:
            write_bytes(path, self._model.SerializeToString(deterministic=True))
        elif row.format == "onnx":
            write_bytes(path, self._onnx(row, tuning))
        else:
            write_bytes(path, self._tflite(row, tuning))

    def _graph(self, tuning: Tuning) -> ir.Model:
        from onnx_ir import from_proto

        from converters.onnx.passes import optimise

        if tuning not in self._graphs:
            self._graphs[tuning] = optimise(from_proto(self._model), tuning)
        return self._graphs[tuning]

    def _flatbuffer(self, tuning: Tuning) -> bytes:
        from converters.tflite.convert import convert

        if tuning not in self._flatbuffers:
            self._flatbuffers[tuning] = convert(self._graph(tuning))
        return self._flatbuffers[tuning]

    def _onnx(self, row: Recipe, tuning: Tuning) -> bytes:
        from onnx_ir import to_proto

        model = to_proto(self._graph(tuning))
        if row.precision == "fp32":
            return bytes(model.SerializeToString(deterministic=True))
        return self._integer.qdq(row, model, self._statistics("cpu")).model

    def _tflite(self, row: Recipe, tuning: Tuning) -> bytes:
        from converters.tflite.weights import fp16_weights, int8_weights

        if row.budget is not None:
            return self._integer.found(row).model
        data = self._flatbuffer(tuning)
        if row.precision == "fp32":
            return data
        if row.precision == "fp16":
            return fp16_weights(data)
        arithmetic: Literal["float", "dynamic"] = "float" if row.precision == "int8-weights" else "dynamic"
        return int8_weights(
            data, self._statistics(tuning), arithmetic, bits=4 if row.precision == "int4-weights" else 8
        )

    def _package(self, row: Recipe, path: Path) -> None:
        from converters.coreml.convert import convert
        from converters.coreml.package import Metadata

        convert(
            self._graph(row.tuned(self._request.tune) or "cpu"),
            precision=cast("CoreMlPrecision", row.precision),  # the recipes name only what it has
            target=self._request.coreml_target,
            ports=self._request.coreml_io,
            metadata=Metadata(
                author="modnet-export",
                licence="Apache-2.0",
                version=version("modnet-export"),
                description=f"MODNet portrait matting at {self._request.size}, {row.precision}",
                ports={INPUT_NAME: "The photo, RGB.", OUTPUT_NAME: "The matte: 0 background, full scale foreground."},
                creator_defined={SOURCE_KEY: self._source_sha256, VERSION_KEY: version("modnet-export")},
            ),
            package=path,
            representative=self._representative() if row.precision == "w8a8" else (),
        )

    @cached_property
    def _integer(self) -> Integer:
        fp32 = self._flatbuffer("cpu")
        return Integer(fp32, self._calibration, self._request, self._progress)

    def _statistics(self, tuning: Tuning) -> Mapping[int, Moments]:
        from converters.tflite.moments import collect

        if tuning not in self._moments:
            images = self._calibration.images(self._flatbuffer("cpu"))
            self._moments[tuning] = collect(self._flatbuffer(tuning), images, self._progress)
        return self._moments[tuning]

    def _representative(self) -> list[dict[str, object]]:
        """The calibration images as Core ML's Python interface takes them."""
        from PIL import Image as Picture

        images = self._calibration.images(self._flatbuffer("cpu"))
        if self._request.coreml_io == "multiarray":
            return [{INPUT_NAME: image.transpose(0, 3, 1, 2)} for image in images]
        return [{INPUT_NAME: Picture.fromarray(to_bytes(image[0]))} for image in images]
