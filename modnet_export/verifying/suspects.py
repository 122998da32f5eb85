"""Which op of a failing artefact is to blame: the first at which its graph leaves its parent's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from converters.progress import Progress, silent
from converters.runtimes import Image
from modnet_export.model.reference import Reference
from modnet_export.record.manifest import Manifest
from modnet_export.verifying.links import Judged
from modnet_export.verifying.result import Link, Suspect

if TYPE_CHECKING:
    from converters.diagnose.bisect import Divergence
    from converters.diagnose.rerun import Graph
    from converters.diagnose.tracing import Step


def suspects(
    folder: Path,
    recorded: Manifest,
    links: Sequence[Link],
    reference: Callable[[], Reference],
    image_of: Callable[[str], Image],
    progress: Progress = silent,
) -> list[Suspect]:
    """For every failed artefact whose parent is sound, the op at which the two part, on the first input that failed.

    ``reference`` loads the reference, which is the parent of the first artefacts; ``image_of`` gives an input by name.
    """
    from converters.diagnose.rerun import open_graph
    from converters.diagnose.tracing import trace

    failed = {link.artefact: link for link in links if link.verdict == "failed" and link.delegate == "cpu"}
    found: list[Suspect] = []
    for artefact in recorded.artefacts:
        parent = recorded.parent_of(artefact)
        link = failed.get(artefact.file)
        missed = None if link is None else next((item.input for item in link.measurements if not item.passed), None)
        if missed is None or (parent is not None and parent.file in failed):
            continue
        progress(f"looking for the op in {artefact.file}")
        image_nhwc = image_of(missed)
        steps = reference().trace(image_nhwc) if parent is None else trace(folder / parent.file, image_nhwc)
        name = "the reference" if parent is None else parent.file
        one = suspect(artefact, open_graph(folder / artefact.file), name, steps, image_nhwc)
        found += [] if one is None else [one]
    return found


def suspect(
    artefact: Judged, graph: Graph, parent_name: str, parent: Sequence[Step], image_nhwc: Image
) -> Suspect | None:
    """The op at which an artefact's graph leaves its parent's; None where every op computes exactly the same."""
    from converters.diagnose.bisect import diverge

    found = diverge(graph, parent, image_nhwc, artefact.recipe.least_snr_db)
    if found is None:
        return None
    return Suspect(
        artefact=artefact.file,
        rounding=found.kind == "rounding",
        parent=parent_name,
        op=f"{found.op.op} {found.op.name}",
        tensor=found.op.outputs[0],
        reader="" if found.reader is None else f"{found.reader.op} {found.reader.name}",
        parent_op="" if found.parent_op is None else f"{found.parent_op.op} {found.parent_op.name}",
        snr_db=round(found.own_db, 1) if math.isfinite(found.own_db) else None,
        explanation=_explanation(found, artefact, parent_name),
    )


def _explanation(found: Divergence, artefact: Judged, parent_name: str) -> str:
    given = f"run on {parent_name}'s own values"
    if found.kind == "rounding":
        return (
            f"no op is wrong: {given}, every one agrees with {parent_name} as well as {artefact.recipe.precision} can. "
            f"The difference is rounding, and this op's moves the matte most ({found.own_db:.0f} dB)"
        )
    if found.kind == "not finite":
        return f"{given}, which are finite, it makes NaN or infinity"
    where = "" if found.channel is None else f" in channel {found.channel}"
    text = f"{given}, its result is wrong{where}"
    if found.parent_op is not None:
        text += f": it should be that of {found.parent_op.op} {found.parent_op.name}"
    if found.beside:
        text += f" (together with {', '.join(f'{node.op} {node.name}' for node in found.beside[-3:])})"
    return text
