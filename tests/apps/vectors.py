"""Shared vectors that say otherwise: what tests against them are tested with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

VECTORS = Path(__file__).parents[1] / "vectors"
_FIELDS = {
    "letterbox": "top", "frames": "upright", "packing": "packed", "restoring": "restored",
    "foreground": "foreground", "compositing": "composite", "delay": "shown",
    "steadying": "steadied",
}  # fmt: skip


def falsified(into: Path) -> int:
    """Copies every file of vectors into a folder, one value of it changed; returns how many there are."""
    for path in VECTORS.glob("*.json"):
        shutil.copy(path, into)
    for name, field in _FIELDS.items():
        vectors = json.loads((into / f"{name}.json").read_text())
        case = vectors["cases"][0]
        if field == "shown":
            case[field][1][0] += 0.01
        elif field == "top":
            case[field] += 1
        else:
            # In the middle: a place that is neither padding nor a tie.
            middle = next(i for i in range(len(case[field]) // 2, len(case[field])) if i not in case.get("ties", []))
            case[field][middle] += 0.01 if isinstance(case[field][middle], float) else 3
        (into / f"{name}.json").write_text(json.dumps(vectors))
    return len(_FIELDS)
