"""What Core ML's type system refuses, refused here: its compiler is only on a Mac.

Core ML's compiler refuses an op whose inputs differ in type, and one whose declared result is not what its inputs give.
coremltools' own reader of saved programs builds each op anew, which infers its result, and compares both.
"""

from __future__ import annotations

from pathlib import Path

from converters.coreml.package import Package
from converters.coreml.quiet import quiet
from converters.errors import ExportError, reason


def check_types(path: Path) -> None:
    """Raise ExportError unless every op of a package has inputs that it takes, and the result that it declares."""
    package = Package(path)
    with quiet():
        from coremltools.converters.mil.frontend.milproto.load import load

        try:
            load(package.spec, package.spec.specificationVersion, str(package.weights))
        except Exception as error:  # coremltools raises AssertionError, ValueError, TypeError and others
            raise ExportError(
                f"Core ML would not compile {path.name}: {reason(error)}",
                where=path,
                expected="ops whose inputs and results have the types that Core ML's operators declare",
                next_step="report it, with the model: this is a fault of the conversion",
            ) from error
