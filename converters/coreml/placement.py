"""Where a program's ops may run, estimated by published rules: no Mac, no compiler and no device is asked.

Which unit runs an op is decided on the device, when it loads the model. Each rule below has its source; an op that none
of them excludes counts as one that the Neural Engine may take. ``MLComputePlan`` on a Mac knows: see the replay bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from converters.coreml.package import Package
from converters.coreml.quiet import MIL_pb2
from converters.placement import Placement, Rule, counted, excluding

_GUIDE = "ane-guide.readthedocs.io, 17. Model-design rules"
_UNSUPPORTED = "hollance/neural-engine, docs/unsupported-layers.md"
# Of these no version has been seen on the Neural Engine.
_NEVER = (
    "gru",
    "lstm",
    "rnn",
    "gather",
    "gather_nd",
    "scatter",
    "scatter_nd",
    "non_maximum_suppression",
    "reduce_prod",
)
_INTEGERS = ("INT32", "INT16", "UINT16")


@dataclass(frozen=True)
class _Op:
    name: str
    kinds: tuple[str, ...]
    """The element types of what it reads and makes, but for constants."""
    shapes: tuple[tuple[int, ...], ...]
    constants: Mapping[str, tuple[int, ...]]
    """The shapes of its constants, by argument."""


def _largest(op: _Op, *axes: int) -> int:
    return max((shape[axis] for shape in op.shapes for axis in axes if len(shape) >= -axis), default=0)


RULES: tuple[Rule[_Op], ...] = (
    Rule("computes in float32", "apple/coremltools#2585", lambda op: "FLOAT32" in op.kinds and op.name != "cast"),
    Rule("computes in integers", _GUIDE, lambda op: any(kind in _INTEGERS for kind in op.kinds)),
    Rule("a height or width above 16384", _GUIDE, lambda op: _largest(op, -1, -2) > 16384),
    Rule("more than 65536 channels", _GUIDE, lambda op: _largest(op, -3) > 65536),
    Rule(
        "a kernel wider than 13",
        _GUIDE,
        lambda op: op.name == "conv" and max(op.constants.get("weight", (0, 0, 0))[2:]) > 13,
    ),
    Rule("more than 5 axes", "MIL's tensors, Core ML's specification", lambda op: any(len(s) > 5 for s in op.shapes)),
    Rule("an operator that it does not have", _UNSUPPORTED, lambda op: op.name in _NEVER),
)


def estimate(package: Package) -> Placement:
    """Which ops of a package published rules exclude from the Neural Engine; each counts for the first such rule."""
    ops = list(_ops(package))
    return Placement("the Neural Engine", len(ops), counted(excluding(RULES, op) for op in ops))


def _ops(package: Package) -> list[_Op]:
    kinds: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    constants: set[str] = set()

    def note(item: Any) -> None:
        kinds[item.name] = MIL_pb2.DataType.Name(item.type.tensorType.dataType)
        shapes[item.name] = tuple(size.constant.size for size in item.type.tensorType.dimensions)

    for port in package.inputs:
        note(port)
    found = []
    for item in package.operations:
        for output in item.outputs:
            note(output)
        if item.type == "const" or item.type.startswith("constexpr_"):
            constants.add(item.outputs[0].name)
            continue
        read = {
            key: [binding.name for binding in value.arguments if binding.WhichOneof("binding") == "name"]
            for key, value in item.inputs.items()
        }
        moving = [name for names in read.values() for name in names if name not in constants]
        moving += [output.name for output in item.outputs]
        fixed = {key: shapes[names[0]] for key, names in read.items() if names and names[0] in constants}
        found.append(_Op(item.type, tuple(kinds[n] for n in moving), tuple(shapes[n] for n in moving), fixed))
    return found
