"""Kotlin for an app: this project's own sources, and what is generated from a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modnet_export.record.contract import Port
from modnet_export.record.manifest import Artefact, Manifest
from modnet_export.record.recipes import recipe

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = "io/modnet/matting"
GOLDEN_FOLDER = "modnet"
"""Of the golden image and matte, in the assets of the tests."""
_HALF_STEP = 0.5 / 255
_HERE = Path(__file__).parent
# A wheel has the sources beside this file (setup.py); a checkout has them where they are written and tested.
_SOURCES = (_HERE / "matting", _HERE.parents[2] / "android_demo/matting/src/main/kotlin" / PACKAGE)


def sources() -> dict[str, bytes]:
    """The Kotlin files of ``android_demo/matting``, by name."""
    folder = next(item for item in _SOURCES if item.is_dir())
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.kt"))}


def constants(manifest: Manifest, models: Sequence[Artefact]) -> bytes:
    """``ModnetModel.kt``: what an app knows of its models."""
    return _rendered("model.kt.j2", models=models, size=manifest.size, weights=manifest.source.sha256)


def parity_test(manifest: Manifest, models: Sequence[Artefact]) -> bytes:
    """``ModnetParityTest.kt``: each model on the CPU, and those of floats on the GPU, against the golden matte."""
    cases = [
        {"model": model.precision, "processor": processor, "limit": _limit(model)}
        for model in models
        for processor in ("CPU", "GPU")
        if processor == "CPU" or model.precision in ("fp32", "fp16")
    ]
    return _rendered("parity_test.kt.j2", cases=cases, golden=manifest.golden, folder=GOLDEN_FOLDER)


def _limit(model: Artefact) -> float:
    """The largest mean difference. At least fp16's: GPUs compute in it, and a PNG is coarser than fp32."""
    return max(model.tolerance.mad or 0, recipe("tflite", "fp16").tolerance.mad or 0) + _HALF_STEP


def _rendered(template: str, **values: Any) -> bytes:
    return _environment().get_template(template).render(**values).encode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(loader=FileSystemLoader(_HERE), undefined=StrictUndefined, keep_trailing_newline=True)
    made.filters |= {"string": _string, "port": _port, "constant": _constant, "test_name": _test_name}
    return made


def _string(text: str) -> str:
    """A Kotlin literal of any text."""
    escaped = {'"': '\\"', "\\": "\\\\", "$": "\\$"}
    plain = (escaped.get(c) or (c if " " <= c <= "~" else _units(c)) for c in text)
    return f'"{"".join(plain)}"'


def _units(character: str) -> str:
    r"""A character as Kotlin's ``\uXXXX``, two of them beyond the first 65536."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _port(port: Port) -> str:
    _, height, width, channels = port.shape
    name, layout = _string(port.name), _string(port.layout)
    size = f"{height}, {width}, {channels}"
    return f"ModelPort({name}, PortType.{port.dtype.upper()}, {layout}, {size}, {port.minimum}f, {port.maximum}f)"


def _constant(precision: str) -> str:
    return precision.upper().replace("-", "_")


def _test_name(precision: str) -> str:
    first, *rest = precision.split("-")
    return first + "".join(map(str.capitalize, rest))
