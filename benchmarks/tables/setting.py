"""What tables are measured on: one export of everything, and the judging portraits in all their forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path

import numpy as np

from benchmarks.host.conditions import host_conditions
from benchmarks.peers.timing import interleaved
from converters.choices import CoreMlPorts
from converters.progress import Progress, silent
from converters.runtimes import Image, open_runtime
from converters.runtimes.raw import open_raw
from modnet_export import ExportRequest, Size, export
from modnet_export.images.compositing import save_image
from modnet_export.images.framing import FORMS, framed
from modnet_export.images.imaging import read_image
from modnet_export.images.inputs import Input, images
from modnet_export.images.representative import portraits
from modnet_export.model import checkpoint
from modnet_export.record import manifest
from modnet_export.record.choices import Format, Precision
from modnet_export.record.manifest import Manifest
from modnet_export.verifying import harness, metrics
from modnet_export.verifying.harness import Plan
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.state import code_sha256

PORTRAITS = Path("tests/data/portraits")
"""The twelve that nothing is calibrated, searched or tuned on."""
COUNT = 6 * len(FORMS)
"""How many framed portraits are judged: each form of six portraits, and all twelve portraits."""
_PICTURES = ("camera.png", "ihc.png", "coins.png", "hubble_deep_field.jpg")
"""What stands behind small persons: pictures of scikit-image that calibration has not seen."""
_PRECISIONS: tuple[Precision, ...] = (
    "fp32", "fp16", "int8", "int8-mixed", "int8-weights", "int8-dynamic", "int4-weights",
    "palettized8", "palettized6", "palettized4",
)  # fmt: skip

_COREML_CODE = ("converters.coreml", "converters.onnx", "modnet_export.exporting")
"""What makes Core ML packages. TFLite's searches keep their own points by the code that found them."""


def judging(folder: Path, portraits_folder: Path = PORTRAITS, count: int = COUNT) -> list[Path]:
    """The judging portraits, framed, as files of ``folder`` that are named by portrait and form."""
    folder.mkdir(parents=True, exist_ok=True)
    behind = [read_image(Path(str(files("skimage.data") / name))) for name in _PICTURES]
    people, names = portraits(portraits_folder), list(FORMS)
    paths = [
        folder / f"{index % len(people) + 1:02}-{names[index % len(names)].replace(' ', '-')}.png"
        for index in range(count)
    ]
    for path, item in zip(paths, framed(people, behind, count), strict=True):
        if not path.exists():  # what was measured of a file is known by its date
            save_image(path, item.photo)
    return paths


@dataclass(frozen=True)
class Errors:
    """A model's mattes against the reference's, over all samples."""

    mean: float
    worst: float
    """The mean absolute difference on the sample where it is largest."""
    edges: float
    p999: float
    """The largest 99.9th percentile of any sample."""
    largest: float
    least_correlation: float


@dataclass(frozen=True)
class Setting:
    """One run of tables. ``work`` keeps what was made, for the next run."""

    work: Path
    checkpoint: str = "demo"
    size: Size = field(default_factory=lambda: Size(height=512, width=512))
    portraits: Path = PORTRAITS
    count: int = COUNT
    formats: tuple[Format, ...] = ("onnx", "tflite", "coreml")
    threads: int = 2
    rounds: int = 13
    progress: Progress = silent

    @cached_property
    def dist(self) -> Path:
        """The export of every precision, also of those that miss their limits; Core ML packages have float ports."""
        return self.exported("dist", self.formats, _PRECISIONS, "multiarray")

    @cached_property
    def packages(self) -> Path:
        """The Core ML packages of fp16 arithmetic, of pixels as apps hand them over, with mattes that show all errors:
        a multi-array's image is rounded to fp16, and an 8-bit matte rounds errors away."""
        return self.exported("coreml", ("coreml",), tuple(item for item in _PRECISIONS if item != "fp32"), "image-fp16")

    def exported(
        self,
        name: str,
        formats: tuple[Format, ...],
        precisions: tuple[Precision, ...],
        ports: CoreMlPorts = "multiarray",
    ) -> Path:
        """An export, which is made anew where the kept one is of another checkpoint, or lacks something, or was made by
        other code of Core ML's: what a table says is then what users get."""
        folder, made_by = self.work / name, self.work / f"{name}.txt"
        request = ExportRequest(
            self.checkpoint,
            size=self.size,
            formats=formats,
            precisions=precisions,
            coreml_io=ports,
            keep_failing=True,
            out=folder,
        )
        code = code_sha256(_COREML_CODE)
        kept = made_by.exists() and made_by.read_text(encoding="utf-8") == code
        if not kept or not self._holds(folder, {row.file for row in request.recipes()}):
            export(request, self.progress)
            made_by.write_text(code, encoding="utf-8")
        return folder

    def _holds(self, folder: Path, files: set[str]) -> bool:
        """Whether a folder has these artefacts of the checkpoint."""
        if not (folder / manifest.FILE_NAME).exists():
            return False
        found = manifest.load(folder)
        same = found.source.sha256 == checkpoint.resolve(self.checkpoint).sha256
        return same and files <= {item.file for item in found.artefacts}

    @cached_property
    def manifest(self) -> Manifest:
        return manifest.load(self.dist)

    @cached_property
    def inputs(self) -> tuple[Input, ...]:
        """The judging portraits in their forms."""
        return tuple(images(judging(self.work / "judging", self.portraits, self.count)))

    @property
    def state(self) -> Path:
        """Where the reference's mattes are kept."""
        return self.work / f"state-{checkpoint.resolve(self.checkpoint).sha256[:12]}-{self.size}"

    @cached_property
    def samples(self) -> list[Sample]:
        """The judging portraits in their forms, with the reference's mattes in float64."""
        source = checkpoint.resolve(self.checkpoint)
        found = harness.run(Plan(source, self.size, self.inputs, (), self.state), progress=self.progress)
        return [found.sample(item) for item in self.inputs]

    def file(self, name: str) -> Path:
        return self.dist / name

    def errors(self, model: Path | Callable[[Image], Image]) -> Errors:
        """How far a model's mattes are from the reference's."""
        run = self._opened(model) if isinstance(model, Path) else model
        pairs = [(item.shown(run(item.image_nhwc)), item.shown(item.matte_nhwc)) for item in self.samples]
        means = [metrics.mad(*pair) for pair in pairs]
        bands = [(pair, metrics.edge_band(pair[1])) for pair in pairs]
        return Errors(
            mean=float(np.mean(means)),
            worst=max(means),
            edges=float(np.mean([metrics.mad(*pair, band) for pair, band in bands if band.any()])),
            p999=max(metrics.quantile(*pair, 0.999) for pair in pairs),
            largest=max(metrics.max_abs_difference(*pair) for pair in pairs),
            least_correlation=min(metrics.correlation(*pair) for pair in pairs),
        )

    def _opened(self, path: Path, threads: int | None = None) -> Callable[[Image], Image]:
        """A model of an export, or another quantizer's with ports of any type."""
        if (path.parent / manifest.FILE_NAME).exists():
            return open_runtime(path, threads=threads).run
        raw = open_raw(path, threads=threads)
        return lambda image_nhwc: raw.run(image_nhwc)[0]

    def medians_ms(self, models: dict[str, Path]) -> dict[str, float]:
        """The models' median latencies, one run of each in every round."""
        image_nhwc = self.samples[0].image_nhwc
        calls = {name: partial(self._opened(path, self.threads), image_nhwc) for name, path in models.items()}
        runs = interleaved(calls, rounds=self.rounds, conditions={})
        return {run.name: run.median_ms for run in runs}

    @property
    def conditions(self) -> str:
        """Of latencies: one sentence."""
        found = host_conditions(self.threads, ("ai-edge-litert", "onnxruntime"))
        return ", ".join(f"{key} {value}" for key, value in found.items())
