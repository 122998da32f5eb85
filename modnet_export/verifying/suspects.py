"""Which op of a failing artefact is to blame: the first at which its graph leaves its parent's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converters.progress import Progress, silent
from converters.runtimes import Image
from modnet_export.model.reference import Reference
from modnet_export.record.manifest import Artefact, Manifest
from modnet_export.verifying.result import Link, Suspect

if TYPE_CHECKING:
    from converters.diagnose.bisect import Divergence
    from converters.diagnose.tracing import Step


def suspects(
    folder: Path,
    recorded: Manifest,
    links: Sequence[Link],
    reference: Callable[[], Reference],
    image_nhwc: Image,
    progress: Progress = silent,
) -> list[Suspect]:
    """For every failed artefact whose parent is sound, the op at which the two part.

    ``reference`` loads the reference, which is the parent of the first artefacts; ``image_nhwc`` is run through both
    graphs.
    """
    from converters.diagnose.tracing import trace

    failed = {link.artefact for link in links if link.verdict == "failed" and link.delegate == "cpu"}
    found: list[Suspect] = []
    for artefact in recorded.artefacts:
        parent = recorded.parent_of(artefact)
        if artefact.file not in failed or (parent is not None and parent.file in failed):
            continue
        progress(f"looking for the op in {artefact.file}")
        steps = reference().trace(image_nhwc) if parent is None else trace(folder / parent.file, image_nhwc)
        name = "the reference" if parent is None else parent.file
        one = suspect(artefact, trace(folder / artefact.file, image_nhwc), name, steps)
        found += [] if one is None else [one]
    return found


def suspect(artefact: Artefact, graph: Sequence[Step], parent_name: str, parent: Sequence[Step]) -> Suspect | None:
    """The first op at which an artefact's graph leaves its parent's; None where they are alike throughout."""
    from converters.diagnose.bisect import diverge

    found = diverge(graph, parent, artefact.recipe.least_snr_db)
    if found is None:
        return None
    return Suspect(
        artefact=artefact.file,
        parent=parent_name,
        op=_named(found.op),
        tensor=found.op.tensor,
        reader=_named(found.reader),
        parent_op=_named(found.parent_op),
        snr_db=_finite(found.snr_db),
        inputs_snr_db=_finite(found.inputs_snr_db),
        explanation=_explanation(found, parent_name),
    )


def _named(step: Step | None) -> str:
    return "" if step is None else f"{step.op} {step.name}"


def _explanation(found: Divergence, parent_name: str) -> str:
    if found.kind == "drops":
        return "all tensors correspond; the largest loss of precision is in this op"
    reads = f"everything that it reads agrees with {parent_name}"
    if found.kind == "scales":
        return f"{reads}, but its result is a multiple of what it should be"
    text = f"{reads}, but its result does not: compare it with {_named(found.parent_op)}"
    if found.parent_op is None:
        text = f"{reads}, but its result equals no tensor there"
    return text + (f", or look at {_named(found.reader)}, which reads it" if found.reader is not None else "")


def _finite(value: float) -> float | None:
    return round(value, 1) if math.isfinite(value) else None
