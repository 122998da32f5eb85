"""Packages of one network at several sizes as one package of several functions, which share their weights (iOS 18)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from converters.coreml.package import Metadata, save
from converters.coreml.quiet import ct, quiet
from converters.coreml.typed import check_types


def join(parts: Mapping[str, Path], metadata: Metadata, package: Path) -> None:
    """Write the packages ``parts``, by the names that their functions get, to ``package``; the first is the default.

    Their programs stay as they are; weights that are equal in two of them are stored once. Only iOS 18 and newer have
    functions, so the parts are converted for one of these.
    """
    joined = ct.utils.MultiFunctionDescriptor()
    for name, part in parts.items():
        joined.add_function(str(part), "main", name)
    joined.default_function_name = next(iter(parts))
    with quiet(), TemporaryDirectory() as folder:
        written = str(Path(folder, "joined.mlpackage"))
        ct.utils.save_multifunction(joined, written)
        save(ct.models.MLModel(written, skip_model_load=True), package, metadata)
    check_types(package)
