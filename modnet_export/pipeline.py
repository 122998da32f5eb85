"""Checkpoint to verified ``dist/``: the stages in order, each handing its result to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from converters.errors import CheckFailedError, ExportError
from converters.runtimes import ComputeUnit, Delegate, Image
from modnet_export import checkpoint, harness, manifest, parity
from modnet_export.checks import agreements, half_safety, suspect
from modnet_export.contract import (
    INPUT_NAME,
    OPSET,
    OUTPUT_NAME,
    Contract,
    CoreMlPorts,
    CoreMlTarget,
    Format,
    Precision,
    Size,
    Tolerance,
    Tuning,
    tolerance,
)
from modnet_export.files import cache, replaced_folder, sha256, size_in_bytes, writable_folder, write_bytes
from modnet_export.inputs import Input, builtin
from modnet_export.manifest import Artefact, Manifest, SearchRecord, SourceRecord
from modnet_export.reference import Reference, TorchReference, open_reference
from modnet_export.verification import (
    Agreement,
    HalfSafety,
    Link,
    Overrides,
    Suspect,
    TruthErrors,
    Verdict,
    Verification,
    describe,
    parent_of,
    regressions,
    stage_of,
)

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

    from converters.coreml.convert import Precision as CoreMl
    from converters.tflite.calibration import Moments
    from converters.tflite.integer import Group, Parameters
    from converters.tflite.rounding import Rounding
    from converters.tflite.search import Found

TFLITE_PRECISIONS: tuple[Precision, ...] = (
    "fp32", "fp16", "int8-weights", "int8-dynamic", "int8", "int8-mixed", "int4-weights",
)  # fmt: skip
BUDGETS: dict[Precision, str] = {"int8": "mad<=0.0018", "int8-mixed": "mad<=0.001"}
"""What the search for the most int8 holds where nothing else is asked for, on the calibration images."""
COREML_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8", "palettized6", "palettized4", "w8a8")

_PACKAGES = (
    "modnet-export",
    "torch",
    "onnx",
    "onnxsim",
    "onnx-ir",
    "onnxruntime",
    "coremltools",
    "tensorflow",
    "tensorflow-cpu",
    "ai-edge-litert",
    "numpy",
)


@dataclass(frozen=True)
class _Plan:
    """One artefact to make."""

    file: str
    format: Format
    precision: Precision
    tuning: Tuning | None


@dataclass(frozen=True)
class Request:
    """What to export. ``tune`` None: each artefact for its own use (fp32 for CPUs, fp16 for GPUs)."""

    checkpoint: str = checkpoint.EMBEDDED
    size: Size = field(default_factory=lambda: Size(height=512, width=512))
    formats: tuple[Format, ...] = ("onnx", "tflite")
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    tune: Tuning | None = None
    coreml_ports: CoreMlPorts = "image"
    coreml_target: CoreMlTarget = "iOS16"
    calibration: Path | None = None
    """A folder of photographs for quantization; None: the built-in set."""
    budget: str | None = None
    """For int8 and int8-mixed; see ``converters.tflite.search.Budget``. None: ``BUDGETS``, as near as can be had."""
    pareto_points: int = 0
    """Further models that their search measures, for a plot."""
    out: Path = Path("dist")

    def plans(self) -> list[_Plan]:
        """The artefacts in the order of the chain; raises ExportError when the choice leaves none of a format."""
        every = [
            _Plan("modnet_fp32.onnx", "onnx", "fp32", None),
            _Plan("modnet_opt_fp32.onnx", "onnx", "fp32", self.tune or "cpu"),
            _Plan("modnet_int8.onnx", "onnx", "int8", "cpu"),
            *(
                _Plan(
                    f"modnet_{precision.replace('-', '_')}.tflite",
                    "tflite",
                    precision,
                    # Integer arithmetic is a CPU's here, whatever the floats are for.
                    "cpu" if precision in BUDGETS else self.tune or ("gpu" if precision == "fp16" else "cpu"),
                )
                for precision in TFLITE_PRECISIONS
            ),
            *(
                _Plan(f"modnet_{precision}.mlpackage", "coreml", precision, self.tune or "cpu")
                for precision in COREML_PRECISIONS
            ),
        ]
        chosen = [plan for plan in every if plan.format in self.formats and plan.precision in self.precisions]
        for name in self.formats:
            if not any(plan.format == name for plan in chosen):
                available = ", ".join(sorted({plan.precision for plan in every if plan.format == name}))
                raise ExportError(
                    f"there is no {name} artefact in {', '.join(self.precisions)}",
                    where="--precisions",
                    expected=f"{name} comes in {available}",
                    next_step=f"add one of these precisions, or leave {name} out of --formats",
                )
        return chosen


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _old_artefacts(out: Path) -> set[str]:
    """Names in ``out`` that a new export replaces; raises ExportError if the folder is somebody else's."""
    if not out.exists() or not any(out.iterdir()):
        return set()
    if not (out / manifest.FILE_NAME).exists():
        raise ExportError(
            f"{out} is not empty and was not written by this tool",
            where=out,
            expected=f"a new folder, or one with a {manifest.FILE_NAME}",
            next_step="choose another folder with --out",
        )
    try:
        return {manifest.FILE_NAME, *(artefact.file for artefact in manifest.load(out).artefacts)}
    except ExportError:  # a broken manifest is replaced like a sound one; nothing else is touched
        return {manifest.FILE_NAME}


@dataclass(frozen=True)
class _Equalised:
    """A float graph ready to be quantized in parts."""

    data: bytes
    groups: Sequence[Group]
    scales: Mapping[int, Parameters]
    rounding: Rounding


class _Chain:
    """One ONNX model and what is derived from it, each made once."""

    def __init__(self, model: onnx.ModelProto, request: Request, progress: harness.Progress = harness.silent) -> None:
        self._model, self._request, self._progress = model, request, progress
        self._images: Sequence[Image] | None = None
        self._moments: dict[Tuning, Mapping[int, Moments]] = {}
        self._equalised: _Equalised | None = None
        self._found: dict[Precision, Found] = {}
        self.searches: dict[Precision, SearchRecord] = {}
        self._graphs: dict[Tuning, ir.Model] = {}
        self._flatbuffers: dict[Tuning, bytes] = {}

    def _graph(self, tuning: Tuning) -> ir.Model:
        from onnx_ir import from_proto

        from converters.passes import optimise

        if tuning not in self._graphs:
            self._graphs[tuning] = optimise(from_proto(self._model), tuning)
        return self._graphs[tuning]

    def _flatbuffer(self, tuning: Tuning) -> bytes:
        from converters.tflite.convert import convert

        if tuning not in self._flatbuffers:
            self._flatbuffers[tuning] = convert(self._graph(tuning))
        return self._flatbuffers[tuning]

    def _package(self, plan: _Plan, path: Path) -> None:
        from converters.coreml.convert import Metadata, convert

        convert(
            self._graph(plan.tuning or "cpu"),
            precision=cast("CoreMl", plan.precision),  # the plans name only what it has
            target=self._request.coreml_target,
            ports=self._request.coreml_ports,
            metadata=Metadata(
                author="modnet-export",
                licence="Apache-2.0",
                version=version("modnet-export"),
                description=f"MODNet portrait matting at {self._request.size}, {plan.precision}",
                ports={INPUT_NAME: "The photo, RGB.", OUTPUT_NAME: "The matte: 0 background, full scale foreground."},
            ),
            package=path,
            representative=self._representative() if plan.precision == "w8a8" else (),
        )

    @property
    def calibrated(self) -> bool:
        """Whether an artefact so far needed the calibration images."""
        return self._images is not None

    def _calibration_images(self) -> Sequence[Image]:
        from converters.runtimes.litert import interpreter
        from modnet_export import representative

        if self._images is None:
            loaded, _ = interpreter(self._flatbuffer("cpu"), None)
            source, target = loaded.get_input_details()[0]["index"], loaded.get_output_details()[0]["index"]

            def matting(image_nhwc: Image) -> Image:
                loaded.set_tensor(source, image_nhwc)
                loaded.invoke()
                matte_nhwc: Image = loaded.get_tensor(target)
                return matte_nhwc

            self._images = representative.images(self._request.calibration, self._request.size, matting)
        return self._images

    def _statistics(self, tuning: Tuning) -> Mapping[int, Moments]:
        from converters.tflite.calibration import collect

        if tuning not in self._moments:
            images = self._calibration_images()
            self._moments[tuning] = collect(
                self._flatbuffer(tuning),
                images,
                lambda done: self._progress("calibrating", done, len(images)),
            )
        return self._moments[tuning]

    def _even(self) -> _Equalised:
        """The CPU's graph with evened channels, and what its tensors and convolutions see."""
        from converters.tflite import flatbuffer, integer
        from converters.tflite.calibration import Spread, collect, observe
        from converters.tflite.equalise import equalise
        from converters.tflite.rounding import Rounding

        if self._equalised is None:
            images, data = self._calibration_images(), self._flatbuffer("cpu")

            def groups(model: bytes) -> list[integer.Group]:
                return integer.Graph(flatbuffer.read(model)).groups()

            def tensors(model: bytes) -> list[int]:
                return [tensor for group in groups(model) for tensor in group.tensors]

            some = images[::3]
            seen = observe(data, tensors(data), some, lambda done: self._progress("looking at ranges", done, len(some)))
            data = equalise(data, seen)
            spreads: dict[int, Spread] = {}
            moments = collect(
                data,
                images,
                lambda done: self._progress("calibrating", done, len(images)),
                tensors=tensors(data),
                spreads=spreads,
            )
            self._equalised = _Equalised(
                data, groups(data), integer.parameters(groups(data), spreads), Rounding(moments)
            )
        return self._equalised

    def _integer(self, precision: Precision) -> Found:
        """int8 arithmetic wherever the budget allows it."""
        if precision not in self._found:
            self._found[precision] = self._searched(precision)
        return self._found[precision]

    def _searched(self, precision: Precision) -> Found:
        import hashlib
        import warnings

        from converters.budget import Budget
        from converters.errors import ExportWarning
        from converters.tflite.quantize import mixed
        from converters.tflite.search import search

        budget = Budget.parse(self._request.budget or BUDGETS[precision])
        even, ports = self._even(), precision == "int8"
        state = cache() / "search" / f"{hashlib.sha256(even.data).hexdigest()[:16]}.json"
        state.parent.mkdir(parents=True, exist_ok=True)
        found = search(
            even.data,
            even.groups,
            even.scales,
            self._calibration_images(),
            budget,
            lambda chosen: mixed(even.data, even.rounding, chosen, bytes_in_and_out=ports),
            required=self._request.budget is not None,
            extra_points=self._request.pareto_points,
            state=state,
            variant=precision,
            progress=self._progress,
        )
        if not budget.held(found.point):
            warnings.warn(
                f"{precision} does not hold its usual {budget} for this checkpoint: mad is {found.point.mad:.2g} with "
                f"{found.point.integer_macs:.0%} of the multiplications in int8",
                ExportWarning,
                stacklevel=2,
            )
        self.searches[precision] = SearchRecord(
            budget=str(budget),
            held=budget.held(found.point),
            chosen=found.point,
            points=found.points,
        )
        return found

    def _qdq(self) -> bytes:
        """For ONNX Runtime: int8 where ``int8-mixed`` has it; of the other convolutions only the weights."""
        from onnx_ir import to_proto

        from converters.onnx_quantize import Weight, fingerprint, qdq
        from converters.tflite import flatbuffer, integer
        from converters.tflite.calibration import convolutions
        from converters.tflite.quantize import kept_in_float
        from converters.tflite.rounding import Rounding

        chosen, data = self._integer("int8-mixed").chosen, self._flatbuffer("cpu")
        # Equalisation changes weights and no op's place.
        whole = integer.Graph(flatbuffer.read(self._even().data))
        rounding = Rounding(self._statistics("cpu"))
        found = convolutions(flatbuffer.read(data))
        floats = [item for item in found if not whole.static(item.index, chosen)]
        kept = kept_in_float(floats, len(data))
        names = {item.index: fingerprint(item.oihw(item.weight)) for item in found}
        stored = {}
        for item in floats:
            if item.index not in kept:
                rounded = rounding(item)
                stored[names[item.index]] = Weight(item.oihw(rounded.weight), rounded.scale, rounded.bias_change)
        fast = set(names.values()) - {names[item.index] for item in floats}
        images = [image.transpose(0, 3, 1, 2).copy() for image in self._calibration_images()]
        model = qdq(to_proto(self._graph("cpu")), images, fast, stored)
        return bytes(model.SerializeToString(deterministic=True))

    def _representative(self) -> list[dict[str, object]]:
        """The calibration images as Core ML's Python interface takes them."""
        import numpy as np
        from PIL import Image as Picture

        images = self._calibration_images()
        if self._request.coreml_ports == "multiarray":
            return [{INPUT_NAME: image.transpose(0, 3, 1, 2)} for image in images]
        return [{INPUT_NAME: Picture.fromarray(np.rint(image[0] * 255).astype(np.uint8))} for image in images]

    def write(self, plan: _Plan, path: Path) -> None:
        """Make one artefact, a file or a package."""
        from onnx_ir import to_proto

        if plan.format == "coreml":
            self._package(plan, path)
        elif plan.tuning is None:
            write_bytes(path, self._model.SerializeToString(deterministic=True))
        elif plan.format == "onnx" and plan.precision == "int8":
            write_bytes(path, self._qdq())
        elif plan.format == "onnx":
            write_bytes(path, to_proto(self._graph(plan.tuning)).SerializeToString(deterministic=True))
        elif plan.precision == "fp32":
            write_bytes(path, self._flatbuffer(plan.tuning))
        else:
            write_bytes(path, self._compressed(plan.precision, plan.tuning))

    def _compressed(self, precision: Precision, tuning: Tuning) -> bytes:
        from converters.tflite.quantize import half_size_weights, int8_weights

        if precision in BUDGETS:
            return self._integer(precision).model
        data = self._flatbuffer(tuning)
        if precision == "fp16":
            return half_size_weights(data)
        arithmetic: Literal["float", "dynamic"] = "float" if precision == "int8-weights" else "dynamic"
        return int8_weights(data, self._statistics(tuning), arithmetic, bits=4 if precision == "int4-weights" else 8)


def _allowing(limits: Tolerance, budget: str) -> Tolerance:
    """A tolerance that the user's own budget does not contradict: one photograph may have twice the mean of all."""
    from converters.budget import Budget

    asked = 2 * Budget.parse(budget).limits.get("mad", 0.0)
    return limits.model_copy(update={"mad": max(limits.mad or 0.0, asked)})


def _calibration_of(request: Request) -> str:
    from modnet_export.representative import BUILT_IN

    return BUILT_IN if request.calibration is None else str(request.calibration)


def _asked(plan: _Plan, inputs: Sequence[parity.Sample]) -> list[parity.Sample]:
    return [sample for sample in inputs if parity.asked_of(plan.format, plan.precision, sample.name)]


def export(request: Request, progress: harness.Progress = harness.silent) -> Manifest:
    """Export, verify every artefact against the reference, and put ``dist/`` in place in one step.

    The folder is written only if every artefact is within its tolerance: raises CheckFailedError
    otherwise, and ExportError for bad input; an existing folder is then left as it was.
    """
    plans = request.plans()
    writable_folder(request.out)
    replaced = _old_artefacts(request.out)
    progress("loading the checkpoint")
    source = checkpoint.resolve(request.checkpoint)

    from converters.runtimes import open_runtime
    from modnet_export import onnx_export

    reference = open_reference(source)
    progress("exporting to ONNX")
    if isinstance(reference, TorchReference):
        onnx_model = onnx_export.from_network(reference.modnet, request.size)
    else:
        onnx_model = onnx_export.from_onnx(source.path, request.size)
    progress("running the reference")
    inputs = parity.samples(reference, request.size)

    chain = _Chain(onnx_model, request, progress)
    artefacts: list[Artefact] = []
    stay = {item.name for item in request.out.iterdir()} - replaced if request.out.exists() else set[str]()
    with replaced_folder(request.out, keep=stay) as folder:
        for plan in plans:
            progress(f"writing {plan.file}")
            path = folder / plan.file
            chain.write(plan, path)
            progress(f"verifying {plan.file}")
            images = plan.format == "coreml" and request.coreml_ports == "image"
            eight_bit = plan.format == "tflite" and plan.precision == "int8"
            limits, runtime = tolerance(plan.precision, eight_bit=images or eight_bit), open_runtime(path)
            if request.budget is not None and plan.precision in BUDGETS and plan.format == "tflite":
                limits = _allowing(limits, request.budget)
            artefacts.append(
                Artefact(
                    file=plan.file,
                    format=plan.format,
                    precision=plan.precision,
                    optimised=plan.tuning is not None,
                    tuning=plan.tuning,
                    opset=OPSET if plan.format == "onnx" else None,
                    bytes=size_in_bytes(path),
                    sha256=sha256(path),
                    contract=Contract.of(plan.format, request.size, images=images, eight_bit=eight_bit),
                    tolerance=limits,
                    engine=runtime.engine,
                    parity=parity.measure(runtime, _asked(plan, inputs), limits),
                    search=chain.searches.get(plan.precision) if plan.format == "tflite" else None,
                )
            )
        result = Manifest(
            source=SourceRecord(name=source.name, kind=source.kind, sha256=source.sha256),
            size=request.size,
            reference=reference.engine,
            versions=_versions(),
            calibration=_calibration_of(request) if chain.calibrated else None,
            artefacts=tuple(artefacts),
        )
        require_parity(result.artefacts)
        write_bytes(folder / manifest.FILE_NAME, manifest.dump(result))
    return result


def require_parity(artefacts: Sequence[Artefact]) -> None:
    """Raise CheckFailedError naming every artefact outside its tolerance, the first in the chain first."""
    failed = [artefact for artefact in artefacts if not artefact.passed]
    if not failed:
        return
    lines = [f"{len(failed)} of {len(artefacts)} artefact(s) differ from the reference by more than their tolerance:"]
    lines += [f"  {artefact.file}: {describe(artefact.parity, artefact.tolerance)}" for artefact in failed]
    raise CheckFailedError(
        "\n".join(lines),
        next_step=f"{failed[0].file} is the first in the chain that differs: look there",
    )


@dataclass(frozen=True)
class Checks:
    """What ``verify`` does beyond measuring every artefact on the CPU."""

    delegates: tuple[Delegate, ...] = ("cpu",)
    compute_unit: ComputeUnit = "ALL"
    tolerances: Overrides = field(default_factory=Overrides)
    bisect: bool = False
    half: bool = False
    baseline: Verification | None = None
    jobs: int | None = None
    engine: harness.Engine = "processes"
    address: str | None = None
    """Of a running dask cluster."""
    state: Path | None = None
    """Keeps finished measurements, for a run that is stopped to go on from."""


def verify(
    folder: Path,
    inputs: Sequence[Input] = (),
    *,
    checkpoint_name: str | None = None,
    bundle: Path | None = None,
    results: Path | None = None,
    checks: Checks | None = None,
    progress: harness.Progress = harness.silent,
) -> Verification:
    """Check the hashes of a ``dist/`` folder and the parity of every artefact; whether all is well is in the result.

    The reference is the checkpoint that the manifest names (its hash must match), or
    ``checkpoint_name``. ``inputs``: the built-in ones where none are given. ``bundle`` names a zip to
    write for a colleague with a Mac; ``results`` is the file that came back, whose measurements then
    stand for the Core ML packages. Raises CheckFailedError on a wrong hash, ExportError for bad input.
    """
    import tempfile
    import time

    started = time.monotonic()
    checks = checks or Checks()
    recorded = manifest.load(folder)
    checks.tolerances.check_names(recorded)
    manifest.check_hashes(recorded, folder)
    progress("loading the checkpoint")
    source = checkpoint.resolve(checkpoint_name or recorded.source.name)
    if source.sha256 != recorded.source.sha256:
        raise CheckFailedError(
            f"'{source.name}' is not the checkpoint that this folder was exported from",
            where=source.path,
            expected=f"SHA-256 {recorded.source.sha256}, found {source.sha256}",
            next_step="pass the one that was: --checkpoint PATH",
        )
    recorded = recorded.model_copy(
        update={
            "artefacts": tuple(
                item.model_copy(update={"tolerance": checks.tolerances.of(item)}) for item in recorded.artefacts
            )
        }
    )
    inputs = list(inputs) or builtin()
    ways = [
        (artefact, delegate)
        for artefact in recorded.artefacts
        for delegate in checks.delegates
        if delegate == "cpu" or artefact.format == "tflite"
    ]
    candidates = {
        (artefact.file, delegate): harness.Candidate(
            artefact.file,
            (folder / artefact.file).resolve(),
            artefact.sha256,
            delegate,
            checks.compute_unit if artefact.format == "coreml" else "ALL",
        )
        for artefact, delegate in ways
    }
    by_file = {artefact.file: artefact for artefact in recorded.artefacts}

    def asked(candidate: harness.Candidate, item: Input) -> bool:
        artefact = by_file[candidate.file]
        return parity.asked_of(artefact.format, artefact.precision, item.name)

    with tempfile.TemporaryDirectory(prefix="modnet_export_") as scratch:
        measured = harness.run(
            source,
            recorded.size,
            inputs,
            list(candidates.values()),
            state=checks.state or Path(scratch),
            asked=asked,
            jobs=checks.jobs,
            engine=checks.engine,
            address=checks.address,
            progress=progress,
        )
    readable = [item for item in inputs if item.name not in measured.unreadable]
    links = [
        _link(
            artefact,
            candidates[artefact.file, delegate],
            [i for i in readable if asked(candidates[artefact.file, delegate], i)],
            measured,
        )
        for artefact, delegate in ways
    ]
    if results is not None:
        from modnet_export.bundle import import_results

        links = import_results(results, recorded, links)
    reference_rows = [measured.of(None, item) for item in readable]
    reference = open_reference(source) if bundle or checks.bisect else None
    if bundle is not None and reference is not None:
        from modnet_export.bundle import write_bundle

        progress(f"writing {bundle.name}")
        write_bundle(bundle, folder, recorded, parity.samples(reference, recorded.size, readable))
    first = readable[0].load(recorded.size)[0] if readable else None
    agreed: list[Agreement] = []
    half: list[HalfSafety] = []
    for artefact in recorded.artefacts:
        if artefact.format != "tflite" or first is None:
            continue
        progress(f"comparing ways to run {artefact.file}")
        agreed += agreements(folder / artefact.file, artefact, first)
        if checks.half and artefact.precision == "fp16":
            progress(f"examining {artefact.file} for fp16")
            half.append(
                half_safety(folder / artefact.file, artefact, (item.load(recorded.size)[0] for item in readable))
            )
    suspects: list[Suspect] = []
    if checks.bisect and first is not None and reference is not None:
        suspects = _suspects(folder, recorded, links, reference, first, progress)
    return Verification(
        source=recorded.source,
        size=recorded.size,
        reference=next((row.engine for row in reference_rows if row is not None), ""),
        versions=_versions(),
        environment=_environment(),
        seconds=time.monotonic() - started,
        inputs=tuple(item.name for item in readable),
        unreadable=dict(measured.unreadable),
        links=tuple(links),
        truth=_mean_truth([row for row in reference_rows if row is not None]),
        agreements=tuple(agreed),
        half=tuple(half),
        suspects=tuple(suspects),
        regressions=() if checks.baseline is None else regressions(links, checks.baseline),
    )


def _environment() -> dict[str, str]:
    import os
    import platform

    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cpus": str(os.cpu_count()),
    }


def _mean_truth(rows: Sequence[harness.Row]) -> TruthErrors | None:
    errors = [row.truth for row in rows if row.truth]
    if not errors:
        return None
    means = {name: sum(item[name] for item in errors) / len(errors) for name in errors[0]}
    return TruthErrors.model_validate({"images": len(errors), **means})


def _link(artefact: Artefact, candidate: harness.Candidate, inputs: Sequence[Input], measured: harness.Results) -> Link:
    rows = [(item, row) for item in inputs if (row := measured.of(candidate, item)) is not None]
    refused = next((row.error for _, row in rows if row.error), None)
    taken = [(item, row) for item, row in rows if not row.error]
    measurements = tuple(parity.judge(item.name, row.values, artefact.tolerance) for item, row in taken)
    notes = list(dict.fromkeys(note for _, row in taken for note in row.notes))
    verdict: Verdict = "passed"
    if refused is not None or not measurements:
        verdict, reason = "not run", refused or "none of the inputs is one that it is judged on"
    else:
        reason = describe(measurements, artefact.tolerance)
        if reason or harness.FALLBACK in notes:
            verdict = "failed"
        reason = "; ".join([*filter(None, [reason]), *notes])
    return Link(
        artefact=artefact.file,
        delegate=candidate.delegate,
        stage=stage_of(artefact),
        engine=next((row.engine for _, row in taken), ""),
        tolerance=artefact.tolerance,
        verdict=verdict,
        reason=reason,
        measurements=measurements,
        truth=_mean_truth([row for _, row in taken]),
    )


def _suspects(
    folder: Path,
    recorded: Manifest,
    links: Sequence[Link],
    reference: Reference,
    image_nhwc: Image,
    progress: harness.Progress,
) -> list[Suspect]:
    """For every failed artefact whose parent is sound: the op at which they part."""
    from converters.tracing import trace

    failed = {link.artefact for link in links if link.verdict == "failed" and link.delegate == "cpu"}
    found: list[Suspect] = []
    for artefact in recorded.artefacts:
        parent = parent_of(artefact, recorded)
        if artefact.file not in failed or (parent is not None and parent.file in failed):
            continue
        progress(f"looking for the op in {artefact.file}")
        steps = reference.trace(image_nhwc) if parent is None else trace(folder / parent.file, image_nhwc)
        name = "the reference" if parent is None else parent.file
        one = suspect(artefact, trace(folder / artefact.file, image_nhwc), name, steps)
        found += [] if one is None else [one]
    return found
