"""Runs a saved Core ML package on any machine, operation by operation, from its specification and weights.

Every operation computes in float32 and rounds its result to the type that the program declares for it, so that fp16
programs show fp16's rounding. What a device's own kernels round within an operation is not modelled.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from converters.coreml.package import Package
from converters.coreml.quiet import MIL_pb2
from converters.coreml.semantics import OPERATORS, Value
from converters.errors import ExportError, reason


class Evaluator:
    """A loaded package, ready to run.

    Raises ExportError where the package has an operation that is not known here, or its constants are damaged.
    """

    def __init__(self, package: Package) -> None:
        self.package = package
        unknown = Counter(
            item.type for item in package.operations if item.type != "const" and item.type not in OPERATORS
        )
        if unknown:
            listing = ", ".join(f"{count} {name}" for name, count in sorted(unknown.items()))
            raise ExportError(
                f"the evaluator does not know these ops: {listing}",
                where=package.path,
                expected="ops of an image network",
                next_step="run the package with Core ML on a Mac",
            )
        self._constants = self._load_constants()
        last = {
            binding.name: position
            for position, item in enumerate(package.operations)
            for argument in item.inputs.values()
            for binding in argument.arguments
            if binding.WhichOneof("binding") == "name"
        }
        self._last_read: dict[int, list[str]] = {}
        for name, position in last.items():
            if name not in self._constants and name not in package.output_names:
                self._last_read.setdefault(position, []).append(name)

    @property
    def constants(self) -> Mapping[str, Value]:
        """The program's constants by name, compressed ones as what they stand for."""
        return self._constants

    def _load_constants(self) -> dict[str, Value]:
        known: dict[str, Value] = {}
        for item in self.package.operations:
            if item.type == "const":
                known[item.outputs[0].name] = self.package.value(item.attributes["val"])
            elif item.type.startswith("constexpr_"):
                # Compressed weights keep their data in attributes (iOS 16) or inputs (iOS 18).
                arguments = {key: self.package.value(value) for key, value in item.attributes.items() if key != "name"}
                arguments |= {key: self._argument(value, known) for key, value in item.inputs.items()}
                known[item.outputs[0].name] = self._rounded(item, 0, self._call(item.type, arguments))
        return known

    def _argument(self, argument: Any, values: Mapping[str, Value]) -> Value:
        bindings = [
            values[binding.name] if binding.WhichOneof("binding") == "name" else self.package.value(binding.value)
            for binding in argument.arguments
        ]
        return bindings[0] if len(bindings) == 1 else bindings

    def _call(self, name: str, arguments: dict[str, Value]) -> Value:
        try:
            # Half-precision kernels differ by machine: every operation computes in float32 and is rounded after.
            return OPERATORS[name](**{key: _wide(value) for key, value in arguments.items()})
        except (TypeError, ValueError, RuntimeError, KeyError) as error:
            raise ExportError(
                f"the evaluator cannot run this form of {name}: {reason(error)}",
                where=self.package.path,
                next_step="run the package with Core ML on a Mac",
            ) from error

    @staticmethod
    def _rounded(item: Any, index: int, value: Tensor) -> Tensor:
        kind = MIL_pb2.DataType.Name(item.outputs[index].type.tensorType.dataType)
        return value.to(torch.float16) if kind == "FLOAT16" else value

    def run(
        self, inputs: dict[str, Tensor], observe: Callable[[str, Tensor], None] = lambda name, value: None
    ) -> dict[str, Tensor]:
        """Execute the main function: its outputs by name as float32 tensors, from float32 tensors for its inputs.

        Tensors have the shapes that the program declares (NCHW for images, in [0, 255]). ``observe`` is given the
        name and the value of every output of every operation. Raises ExportError for an operation in a form that is
        not known here.
        """
        half = self.package.half_inputs
        values: dict[str, Value] = {
            name: value.to(torch.float16) if name in half else value for name, value in inputs.items()
        }
        for position, item in enumerate(self.package.operations):
            if item.outputs[0].name in self._constants:
                continue
            found = self.evaluate(item, values)
            for output, value in zip(item.outputs, found, strict=True):
                values[output.name] = value
                observe(output.name, value)
            for name in self._last_read.get(position, ()):  # large maps need not outlive their last reader
                values.pop(name, None)
        return {name: ChainMap(values, self._constants)[name].float() for name in self.package.output_names}

    def evaluate(self, item: Any, values: dict[str, Value]) -> list[Tensor]:
        """What one operation of the program makes of the activations in ``values``: its outputs, in order."""
        known = ChainMap(values, self._constants)
        with torch.inference_mode():
            arguments = {key: self._argument(argument, known) for key, argument in item.inputs.items()}
            if item.type == "concat" and not isinstance(arguments["values"], list):
                arguments["values"] = [arguments["values"]]
            result = self._call(item.type, arguments)
            outputs = result if isinstance(result, list) else [result]
            return [self._rounded(item, index, outputs[index]) for index in range(len(item.outputs))]


def _wide(value: Value) -> Value:
    """A float16 tensor as float32, in lists too; anything else as it is."""
    if isinstance(value, list):
        return [_wide(item) for item in value]
    return value.float() if isinstance(value, Tensor) and value.dtype is torch.float16 else value
