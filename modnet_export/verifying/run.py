"""A ``dist/`` folder checked against the reference: hashes, parity, agreement of engines, fp16 safety, suspects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from converters.choices import ComputeUnit, Delegate
from converters.errors import CheckFailedError
from converters.progress import Progress, silent
from converters.runtimes import Image
from modnet_export.images.inputs import Input, builtin
from modnet_export.model import checkpoint
from modnet_export.model.reference import Reference, open_reference
from modnet_export.record import manifest
from modnet_export.record.choices import Verdict
from modnet_export.record.manifest import Artefact, Manifest
from modnet_export.record.measures import Measurement
from modnet_export.record.versions import versions
from modnet_export.verifying import harness
from modnet_export.verifying.agreement import agreements, half_safety, suspect
from modnet_export.verifying.gates import describe, regressions
from modnet_export.verifying.parity import samples
from modnet_export.verifying.result import Agreement, HalfSafety, Link, Suspect, TruthErrors, Verification
from modnet_export.verifying.tolerances import Overrides


@dataclass(frozen=True)
class VerifyRequest:
    """What to verify, and the checks beyond measuring every artefact on the CPU."""

    dist: Path
    """A folder that ``export`` wrote."""
    inputs: tuple[Input, ...] = ()
    """None: the built-in ones."""
    checkpoint: str | None = None
    """Where the checkpoint is; None: where the manifest says. Its hash must match."""
    delegates: tuple[Delegate, ...] = ("cpu",)
    compute_unit: ComputeUnit = "ALL"
    tolerances: Overrides = field(default_factory=Overrides)
    bisect: bool = False
    fp16_safety: bool = False
    baseline: Verification | None = None
    workers: harness.Workers = field(default_factory=harness.Workers)
    state: Path | None = None
    """Keeps finished measurements, for a run that is stopped to go on from."""
    bundle: Path | None = None
    """A zip to write for a colleague with a Mac."""
    replayed: Path | None = None
    """The file that came back: its measurements stand for the Core ML packages."""


def verify(request: VerifyRequest, progress: Progress = silent) -> Verification:
    """Check the hashes of a ``dist/`` folder and the parity of every artefact; whether all is well is in the result.

    Raises CheckFailedError on a wrong hash, ExportError for bad input.
    """
    import tempfile
    import time

    started = time.monotonic()
    folder = request.dist
    recorded = manifest.load(folder)
    request.tolerances.check_names(recorded)
    manifest.check_hashes(recorded, folder)
    progress("loading the checkpoint")
    source = checkpoint.resolve(request.checkpoint or recorded.source.name)
    if source.sha256 != recorded.source.sha256:
        raise CheckFailedError(
            f"'{source.name}' is not the checkpoint that this folder was exported from",
            where=source.path,
            expected=f"SHA-256 {recorded.source.sha256}, found {source.sha256}",
            next_step="pass the one that it was exported from: `checkpoint=PATH`",
        )
    recorded = recorded.model_copy(
        update={
            "artefacts": tuple(
                item.model_copy(update={"tolerance": request.tolerances.of(item)}) for item in recorded.artefacts
            )
        }
    )
    inputs = list(request.inputs) or builtin()
    ways = [
        (artefact, delegate)
        for artefact in recorded.artefacts
        for delegate in request.delegates
        if delegate == "cpu" or artefact.format == "tflite"
    ]
    candidates = {
        (artefact.file, delegate): harness.Candidate(
            artefact.file,
            (folder / artefact.file).resolve(),
            artefact.sha256,
            delegate,
            request.compute_unit if artefact.format == "coreml" else "ALL",
        )
        for artefact, delegate in ways
    }
    by_file = {artefact.file: artefact for artefact in recorded.artefacts}

    def asked(candidate: harness.Candidate, item: Input) -> bool:
        return by_file[candidate.file].recipe.judged_on(item.name)

    with tempfile.TemporaryDirectory(prefix="modnet_export_") as scratch:
        measured = harness.run(
            source,
            recorded.size,
            inputs,
            list(candidates.values()),
            state=request.state or Path(scratch),
            asked=asked,
            workers=request.workers,
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
    if request.replayed is not None:
        from modnet_export.verifying.replay import import_results

        links = import_results(request.replayed, recorded, links)
    reference_rows = [measured.of(None, item) for item in readable]
    reference = open_reference(source) if request.bundle or request.bisect else None
    if request.bundle is not None and reference is not None:
        from modnet_export.verifying.replay import write_bundle

        progress(f"writing {request.bundle.name}")
        write_bundle(request.bundle, folder, recorded, samples(reference, recorded.size, readable))
    first = readable[0].load(recorded.size)[0] if readable else None
    agreed: list[Agreement] = []
    half: list[HalfSafety] = []
    for artefact in recorded.artefacts:
        if artefact.format != "tflite" or first is None:
            continue
        progress(f"comparing ways to run {artefact.file}")
        agreed += agreements(folder / artefact.file, artefact, first)
        if request.fp16_safety and artefact.precision == "fp16":
            progress(f"examining {artefact.file} for fp16")
            half.append(
                half_safety(folder / artefact.file, artefact, (item.load(recorded.size)[0] for item in readable))
            )
    suspects: list[Suspect] = []
    if request.bisect and first is not None and reference is not None:
        suspects = _suspects(folder, recorded, links, reference, first, progress)
    return Verification(
        source=recorded.source,
        size=recorded.size,
        reference=next((row.engine for row in reference_rows if row is not None), ""),
        versions=versions(),
        environment=_environment(),
        seconds=time.monotonic() - started,
        inputs=tuple(item.name for item in readable),
        unreadable=dict(measured.unreadable),
        links=tuple(links),
        truth=_mean_truth([row for row in reference_rows if row is not None]),
        agreements=tuple(agreed),
        half=tuple(half),
        suspects=tuple(suspects),
        regressions=() if request.baseline is None else regressions(links, request.baseline),
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
    measurements = tuple(Measurement.judged(item.name, row.values, artefact.tolerance) for item, row in taken)
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
        stage=artefact.recipe.stage,
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
    progress: Progress,
) -> list[Suspect]:
    """For every failed artefact whose parent is sound: the op at which they part."""
    from converters.diagnose.tracing import trace

    failed = {link.artefact for link in links if link.verdict == "failed" and link.delegate == "cpu"}
    found: list[Suspect] = []
    for artefact in recorded.artefacts:
        parent = recorded.parent_of(artefact)
        if artefact.file not in failed or (parent is not None and parent.file in failed):
            continue
        progress(f"looking for the op in {artefact.file}")
        steps = reference.trace(image_nhwc) if parent is None else trace(folder / parent.file, image_nhwc)
        name = "the reference" if parent is None else parent.file
        one = suspect(artefact, trace(folder / artefact.file, image_nhwc), name, steps)
        found += [] if one is None else [one]
    return found
