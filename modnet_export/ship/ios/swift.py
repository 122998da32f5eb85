"""Swift for an app: this project's own sources, and what is generated from a manifest."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modnet_export.record.recipes import recipe
from modnet_export.ship.exported import Exported
from modnet_export.ship.ios.swiftcode import literal

if TYPE_CHECKING:
    from jinja2 import Environment

    from modnet_export.record.manifest import Artefact

_HERE = Path(__file__).parent
# A wheel has the sources beside this file (setup.py); a checkout has them where they are written and tested.
_SOURCES = (_HERE / "mattingkit", _HERE.parents[2] / "ios_demo/MattingKit/Sources/MattingKit")
_UNITS = ("cpuOnly", "cpuAndGPU", "cpuAndNeuralEngine")


def sources() -> dict[str, bytes]:
    """The Swift files of ``ios_demo/MattingKit``, by name."""
    folder = next(item for item in _SOURCES if item.is_dir())
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.swift"))}


def constants(exported: Exported, *, kit: bool) -> bytes:
    """``ModnetModel.swift``: what an app knows of its models. ``kit``: MattingKit is a module of its own."""
    return _rendered("model.swift.j2", exported=exported, kit=kit)


def parity_test(exported: Exported, module: str, *, kit: bool) -> bytes:
    """``ModnetParityTests.swift``: each model on each compute unit, against the golden matte."""
    cases = [
        {"model": model.precision, "unit": unit, "limit": _limit(model)} for model in exported.models for unit in _UNITS
    ]
    return _rendered("parity_test.swift.j2", cases=cases, golden=exported.golden, module=module, kit=kit)


def _limit(model: Artefact) -> float:
    """The largest mean difference. At least fp16's, which GPUs and the Neural Engine compute in."""
    return max(model.tolerance.mad or 0, recipe("coreml", "fp16").limits(images=True).mad or 0)


def _rendered(template: str, **values: Any) -> bytes:
    return _environment().get_template(template).render(**values).encode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(loader=FileSystemLoader(_HERE), undefined=StrictUndefined, keep_trailing_newline=True)
    made.filters |= {"string": literal, "case": _case}
    return made


def _case(precision: str) -> str:
    """``int8-mixed`` as ``int8Mixed``."""
    first, *rest = precision.split("-")
    return first + "".join(map(str.capitalize, rest))
