"""Checkpoint to verified ``dist/``: the stages in order, each handing its result to the next."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.budget import Budget
from converters.errors import CheckFailedError, CrashedError, ExportError, ExportWarning
from converters.progress import Progress, silent
from converters.runtimes import Image, open_runtime
from modnet_export.exporting.beside import Beside, Referenced, beside
from modnet_export.exporting.chain import Chain
from modnet_export.exporting.request import ExportRequest
from modnet_export.images.compositing import save_image
from modnet_export.images.inputs import builtin
from modnet_export.images.matting import require_matte, settled
from modnet_export.model import checkpoint
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import open_reference
from modnet_export.record import manifest
from modnet_export.record.contract import OPSET, Size
from modnet_export.record.files import replaced_folder, sha256, size_in_bytes, write_bytes
from modnet_export.record.manifest import (
    Artefact,
    FunctionRecord,
    Golden,
    GoldenFile,
    Manifest,
    PlacementRecord,
    SourceRecord,
    function_name,
)
from modnet_export.record.recipes import Recipe
from modnet_export.record.seen import seen_on
from modnet_export.record.versions import MAKING, SECOND_CONVERTER, versions
from modnet_export.verifying.gates import decided
from modnet_export.verifying.parity import Sample, compare

if TYPE_CHECKING:
    from onnx import ModelProto

_Mattes = Mapping[Size, Mapping[str, Image]]
"""Of an artefact: its mattes of the built-in inputs, 1 x H x W x 1, by size and name."""

_GOLDEN_IMAGE, _GOLDEN_MATTE = "golden_image.png", "golden_matte.png"


def export(request: ExportRequest, progress: Progress = silent) -> Manifest:
    """Export, verify every artefact against the reference, and put ``dist/`` in place in one step.

    The folder is written only if every artefact is within its tolerance, or with ``keep_failing``, whose result says
    whether it ``passed``. Raises CheckFailedError otherwise, and ExportError for bad input; an existing folder is then
    left as it was.
    """
    request.check()  # before minutes of work, not after
    rows = request.recipes()
    replaced = _old_files(request.out, [row.file for row in rows] + [_GOLDEN_IMAGE, _GOLDEN_MATTE])
    progress("loading the checkpoint")
    source = settled(checkpoint.resolve(request.checkpoint), request.input_range)
    sizes = (request.size, *request.functions)
    with beside(source, sizes) as other:
        progress("exporting to ONNX")
        models = _graphs(source, sizes, other)
        of_size = [replace(request, size=size, functions=()) for size in request.functions]
        further = [Chain(model, source.sha256, each) for model, each in zip(models[1:], of_size, strict=True)]
        chain = Chain(models[0], source.sha256, request, progress, further)
        with _reference_first(other):
            chain.begin(rows)
        stay = {item.name for item in request.out.iterdir()} - replaced if request.out.exists() else set[str]()
        with replaced_folder(request.out, keep=stay) as folder:
            return _filled(folder, rows, request, source, chain, other)


@contextmanager
def _reference_first(other: Beside) -> Iterator[None]:
    """Of two errors, raise the reference's: where a model gives no mattes, that is why it does not convert or run."""
    try:
        yield
    except ExportError:
        other.reference()
        raise


def _filled(
    folder: Path, rows: Sequence[Recipe], request: ExportRequest, source: Source, chain: Chain, other: Beside
) -> Manifest:
    """Write and run every artefact, then compare: the reference's mattes are computed meanwhile."""
    images = {
        size: {item.name: item.load(size)[0] for item in builtin()} for size in (request.size, *request.functions)
    }

    def reference() -> Referenced:
        seen = other.reference()
        for item in seen.samples[request.size]:
            require_matte(item.matte_nhwc, source.name)
        return seen

    ran: list[tuple[Artefact, _Mattes]] = []
    for row in rows:
        if row.precision not in ("fp32", "fp16"):
            reference()  # before minutes of a search, whether there are mattes at all
        with _reference_first(other):
            ran.append(_ran(row, request, chain, folder, images))
    chain.progress("waiting for the reference")
    seen = reference()
    chain.progress("comparing with the reference")
    result = Manifest(
        source=SourceRecord(name=source.name, kind=source.kind, sha256=source.sha256, input_range=source.input_range),
        size=request.size,
        reference=seen.engine,
        versions=versions(MAKING if request.converter == "direct" else MAKING + SECOND_CONVERTER),
        calibration=chain.calibration,
        artefacts=tuple(_measured(artefact, mattes, seen.samples) for artefact, mattes in ran),
        golden=_golden(seen.samples[request.size][0], folder),
    )
    if not request.keep_failing:
        require_parity(result.artefacts, [item.name for item in seen.samples[request.size]])
    write_bytes(folder / manifest.FILE_NAME, manifest.dump(result))
    return result


def _graphs(source: Source, sizes: Sequence[Size], other: Beside) -> list[ModelProto]:
    """The ONNX model of a source at each size; raises ExportError where there is none, or no reference of it."""
    from modnet_export.exporting import onnx

    if source.kind == "checkpoint":
        return [onnx.finished(model) for model in other.graphs()]
    try:
        models = [onnx.from_onnx(source, size) for size in sizes]
        onnx.require_modnet(models[0], source.path)
    except ExportError:
        open_reference(source)  # why nothing could be compared with it comes first
        raise
    return models


def _ran(
    row: Recipe, request: ExportRequest, chain: Chain, folder: Path, images: Mapping[Size, Mapping[str, Image]]
) -> tuple[Artefact, _Mattes]:
    """Write an artefact and run it; its record, without measurements yet, and its mattes."""
    path = folder / row.file
    chain.progress(f"writing {row.file}")
    chain.write(row, path)
    chain.progress(f"running {row.file}")
    mattes: dict[Size, dict[str, Image]] = {}
    engine = ""
    for size, each in images.items():
        try:
            runtime = open_runtime(
                path,
                delegate="cpu-fp16" if request.asks_for_fp16(row) else "cpu",
                function=function_name(size) if request.functions else None,
            )
            engine = engine or runtime.engine
            mattes[size] = {name: runtime.run(image_nhwc) for name, image_nhwc in each.items() if row.judged_on(name)}
        except CrashedError as error:  # the other artefacts have their rows
            engine, mattes[size] = error.what, {}
            warnings.warn(str(error), ExportWarning, stacklevel=2)
    tuning, searched = row.tuned(request.tune), chain.searches.get(row.file)
    artefact = Artefact(
        file=row.file,
        format=row.format,
        precision=row.precision,
        optimised=tuning is not None,
        tuning=tuning,
        opset=OPSET if row.format == "onnx" else None,
        bytes=size_in_bytes(path),
        sha256=sha256(path),
        contract=request.contract(row),
        tolerance=request.tolerance(row, None if searched is None else Budget.parse(searched.budget)),
        cpu_fp16=request.asks_for_fp16(row),
        engine=engine,
        parity=(),
        search=searched,
        norms=chain.norms(row),
        **(_as_tflite(path) if row.format == "tflite" else {}),
    )
    return artefact, mattes


def _measured(artefact: Artefact, mattes: _Mattes, samples: Mapping[Size, Sequence[Sample]]) -> Artefact:
    """The record of an artefact with its parity at each of its sizes."""
    first, *further = (
        FunctionRecord(
            size=size,
            parity=tuple(
                compare(item, found[item.name], artefact.tolerance) for item in samples[size] if item.name in found
            ),
        )
        for size, found in mattes.items()
    )
    return Artefact(**{**dict(artefact), "parity": first.parity, "functions": tuple(further)})


def _as_tflite(path: Path) -> dict[str, Any]:
    """What is known of the accelerators and the runtimes of a TFLite file."""
    from converters.tflite import builder as fb
    from converters.tflite.placement import ACCELERATORS, estimates
    from converters.tflite.versions import minimum_runtime

    data = path.read_bytes()
    operators = fb.operators(fb.read(data))
    found = estimates(data, ACCELERATORS)
    return {
        "placement": tuple(PlacementRecord(possible=item.possible, **asdict(item)) for item in found),
        "minimum_runtime": minimum_runtime(operators),
        "seen_on": seen_on(operators),
    }


def _golden(sample: Sample, folder: Path) -> Golden:
    """Write an input as models take it, and the reference's matte of it, for tests on devices."""
    save_image(folder / _GOLDEN_IMAGE, sample.image_nhwc[0])
    save_image(folder / _GOLDEN_MATTE, sample.matte_nhwc[0, :, :, 0])
    image, matte = (GoldenFile(file=name, sha256=sha256(folder / name)) for name in (_GOLDEN_IMAGE, _GOLDEN_MATTE))
    return Golden(input=sample.name, image=image, matte=matte)


def _old_files(out: Path, files: Sequence[str]) -> set[str]:
    """Names in ``out`` that a new export of ``files`` replaces; raises ExportError for what is somebody else's."""
    if not out.exists() or not any(out.iterdir()):
        return set()
    try:
        ours = {manifest.FILE_NAME, *dict(manifest.load(out).files)}
    except ExportError as error:
        raise ExportError(
            f"{out} is not empty, and no export that can be replaced: {error.what}",
            where=out,
            expected=f"a new folder, or one with this tool's {manifest.FILE_NAME}",
            next_step="choose another folder as `out`",
        ) from error
    foreign = sorted(name for name in files if name not in ours and (out / name).exists())
    if foreign:
        raise ExportError(
            f"{', '.join(foreign)} in {out} was not written by this tool",
            where=out / foreign[0],
            expected=f"only what {manifest.FILE_NAME} names is replaced",
            next_step="move it away, or choose another folder as `out`",
        )
    return ours


def require_parity(artefacts: Sequence[Artefact], inputs: Collection[str]) -> None:
    """Raise CheckFailedError naming every artefact outside its tolerance, the first in the chain first.

    ``inputs`` are the names of those that every artefact was to be measured on, where it is judged on them.
    """
    decisions = {
        name: decided(tuple(filter(artefact.recipe.judged_on, inputs)), parity, artefact.tolerance)
        for artefact in artefacts
        for name, parity in artefact.parities.items()
    }
    failed = {file: reason for file, (verdict, reason) in decisions.items() if verdict != "passed"}
    if not failed:
        return
    lines = [f"{len(failed)} of {len(decisions)} artefact(s) differ from the reference by more than their tolerance:"]
    lines += [f"  {file}: {reason}" for file, reason in failed.items()]
    raise CheckFailedError(
        "\n".join(lines),
        next_step=f"{next(iter(failed))} is the first in the chain that differs: look there",
    )
