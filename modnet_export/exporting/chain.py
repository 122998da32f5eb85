"""One ONNX model and what is derived from it, each intermediate model made once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, reduce
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from converters.choices import CoreMlPrecision, Tuning
from converters.progress import Progress, silent
from modnet_export.exporting.calibration import Calibration
from modnet_export.exporting.int8 import Integer
from modnet_export.exporting.request import ExportRequest
from modnet_export.images import representative
from modnet_export.model import checkpoint
from modnet_export.record.contract import INPUT_NAME, OUTPUT_NAME, SOURCE_KEY, VERSION_KEY
from modnet_export.record.files import scratch_folder, write_bytes
from modnet_export.record.manifest import NormRecord, SearchRecord, function_name
from modnet_export.record.recipes import Recipe

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

    from converters.coreml.compress import Compression
    from converters.coreml.observed import Observed
    from converters.coreml.package import Metadata
    from converters.coreml.tuned import Tuned
    from converters.tflite.moments import Moments
    from modnet_export.images.representative import Matting


class Chain:
    """Makes the artefacts of one request from the ONNX model of a source, whose file has the hash ``source_sha256``."""

    def __init__(
        self,
        model: onnx.ModelProto,
        source_sha256: str,
        request: ExportRequest,
        progress: Progress = silent,
        further: Sequence[Chain] = (),
    ) -> None:
        """``further``: those of the same weights at other sizes, of which Core ML packages have a function each."""
        self._model, self._source_sha256, self._request, self.progress = model, source_sha256, request, progress
        self._all = (self, *further)
        self._calibration = Calibration(request.calibration, request.size, self._matting)
        self._moments: dict[Tuning, Mapping[int, Moments]] = {}
        self._graphs: dict[Tuning, ir.Model] = {}
        self._flatbuffers: dict[Tuning, bytes] = {}
        self._observed: dict[bool, tuple[Observed, ...]] = {}
        self._halves: dict[Compression | None, tuple[Tuned, ...]] = {}

    @property
    def calibration(self) -> str | None:
        """What the artefacts so far were calibrated with; None: nothing."""
        return self._calibration.record

    @property
    def searches(self) -> Mapping[str, SearchRecord]:
        """How the precision of artefacts so far was chosen, by their files."""
        return self._integer.records if "_integer" in self.__dict__ else {}

    def begin(self, rows: Sequence[Recipe]) -> None:
        """Make what artefacts are written from, as far as that takes seconds and needs no images."""
        for row in rows:
            tuning = row.tuned(self._request.tune)
            if tuning is None or row.format == "coreml":
                continue
            if row.format == "onnx":
                self._graph(tuning)
            else:
                self._flatbuffer(tuning)

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
        if tuning not in self._flatbuffers:
            self._flatbuffers[tuning] = self._converted(tuning)
        return self._flatbuffers[tuning]

    def _converted(self, tuning: Tuning) -> bytes:
        graph = self._graph(tuning)
        if self._request.converter == "tensorflow":
            from converters.tflite.tensorflow.convert import convert as through_tensorflow

            return through_tensorflow(graph)
        from converters.tflite.convert import convert

        description = f"MODNet portrait matting, modnet-export {version('modnet-export')}"
        return convert(graph, description, for_gpu=tuning == "gpu")

    def _onnx(self, row: Recipe, tuning: Tuning) -> bytes:
        from onnx_ir import to_proto

        model = to_proto(self._graph(tuning))
        if row.precision == "fp32":
            return bytes(model.SerializeToString(deterministic=True))
        return self._integer.qdq(row, model, self._statistics("cpu")).model

    def _tflite(self, row: Recipe, tuning: Tuning) -> bytes:
        from converters.tflite.bias_last import bias_last
        from converters.tflite.weights import fp16_weights, int8_weights

        if row.budget is not None:
            return self._integer.found(row).model
        data = self._flatbuffer(tuning)
        if row.precision == "fp32":
            return bias_last(data) if tuning == "cpu" else data  # GPUs add it last, and kernels are dear there
        if row.precision == "int16x8":
            from modnet_export.exporting.int16 import int16x8

            return int16x8(data, self._calibration, self.progress)
        if row.precision == "fp16":
            return fp16_weights(data, cpu_fp16=self._request.cpu_fp16)
        arithmetic: Literal["float", "dynamic"] = "float" if row.precision == "int8-weights" else "dynamic"
        return int8_weights(
            data, self._statistics(tuning), arithmetic, bits=4 if row.precision == "int4-weights" else 8
        )

    def _package(self, row: Recipe, path: Path) -> None:
        from converters.coreml.functions import join

        tuning = row.tuned(self._request.tune) or "cpu"
        tuned = self._tuned(_compression(row)) if tuning == "ane" and row.precision != "fp32" else ()
        if len(self._all) == 1:
            return self._function(row, tuning, tuned[0] if tuned else None, path)
        with scratch_folder() as scratch:
            parts = {}
            for index, chain in enumerate(self._all):
                part = parts[function_name(chain._request.size)] = scratch / f"{index}.mlpackage"
                chain._function(row, tuning, tuned[index] if tuned else None, part)
            join(parts, self._metadata(row), path)
        return None

    def _function(self, row: Recipe, tuning: Tuning, tuned: Tuned | None, path: Path) -> None:
        """A package of this size alone."""
        from converters.coreml.convert import convert
        from converters.coreml.tuned import for_ports

        convert(
            for_ports(self._graph(tuning), self._request.coreml_io) if tuned is None else tuned.graph,
            precision=cast("CoreMlPrecision", row.precision),  # the recipes name only what it has
            target=self._request.coreml_target,
            ports=self._request.coreml_io,
            wide_statistics=tuned is None,
            metadata=self._metadata(row),
            package=path,
        )

    def _metadata(self, row: Recipe) -> Metadata:
        from converters.coreml.package import Metadata

        sizes = " and ".join(str(chain._request.size) for chain in self._all)
        return Metadata(
            author=self._said(self._request.coreml_author, "modnet-export"),
            licence=self._said(self._request.coreml_licence, "Apache-2.0"),
            version=self._said(self._request.coreml_version, version("modnet-export")),
            description=f"MODNet portrait matting at {sizes}, {row.precision}",
            ports={INPUT_NAME: "The photo, RGB.", OUTPUT_NAME: "The matte: 0 background, full scale foreground."},
            creator_defined={SOURCE_KEY: self._source_sha256, VERSION_KEY: version("modnet-export")},
        )

    def _said(self, asked: str | None, known: str) -> str:
        """What a package says of its weights: of a user's own, what the user says."""
        return asked if asked is not None else known if self._request.checkpoint in checkpoint.names() else ""

    def _seen(self, *, compressed: bool) -> tuple[Observed, ...]:
        """What each size shows of its own, and all sizes together of what they share."""
        from converters.coreml.observed import Observed
        from converters.coreml.tuned import seen

        if compressed not in self._observed:
            self.progress(f"measuring norms and weights for {'compression' if compressed else 'fp16'}")
            ports = self._request.coreml_io
            found = [
                seen(
                    chain._graph("ane"), ports, representative.some(chain._calibration.images()), compressed=compressed
                )
                for chain in self._all
            ]
            joined = reduce(Observed.joined, found)
            self._observed[compressed] = tuple(own.replaced(joined) for own in found)
        return self._observed[compressed]

    def _tuned(self, compression: Compression | None) -> tuple[Tuned, ...]:
        """The graph of each size, all with the same weights and norms: by what all sizes have seen."""
        from converters.coreml.tuned import for_half

        if compression not in self._halves:
            ports, norms = self._request.coreml_io, self._request.coreml_norms
            self._halves[compression] = tuple(
                for_half(chain._graph("ane"), ports, observed, norms, compression=compression)
                for chain, observed in zip(self._all, self._seen(compressed=compression is not None), strict=True)
            )
        return self._halves[compression]

    def norms(self, row: Recipe) -> tuple[NormRecord, ...]:
        """How the norms of an artefact that was written are computed, where that was a choice."""
        tuned = self._halves.get(_compression(row))
        if tuned is None or row.format != "coreml" or row.precision == "fp32":
            return ()
        return tuple(
            NormRecord(
                name=item.name,
                shape=item.shape,
                largest_centred=item.extremes.largest_centred,
                least_variance=item.extremes.least_variance,
                largest_sum_of_squares=item.extremes.largest_sum_of_squares,
                form=item.form,
                why=item.why,
            )
            for item in tuned[0].norms
        )

    def _matting(self) -> Matting:
        """The ONNX model as a function of an image."""
        from converters.runtimes.onnxruntime import OnnxRuntime

        return OnnxRuntime(self._model).run

    @cached_property
    def _integer(self) -> Integer:
        fp32 = self._flatbuffer("cpu")
        return Integer(fp32, self._calibration, self._request, self.progress)

    def _statistics(self, tuning: Tuning) -> Mapping[int, Moments]:
        from converters.tflite.moments import collect

        if tuning not in self._moments:
            images = self._calibration.images()
            self._moments[tuning] = collect(self._flatbuffer(tuning), images, self.progress)
        return self._moments[tuning]


def _compression(row: Recipe) -> Compression | None:
    """What makes the weights of a Core ML package smaller than fp16."""
    return None if row.precision in ("fp32", "fp16") else cast("Compression", row.precision)
