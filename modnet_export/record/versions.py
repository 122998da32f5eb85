"""The versions of what computes results, for manifests and results."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "modnet-export",
    "torch",
    "onnx",
    "onnxsim",
    "onnx-ir",
    "onnxruntime",
    "coremltools",
    "tensorflow",
    "tensorflow-cpu",
    "ai-edge-litert",
    "numpy",
)


def versions() -> dict[str, str]:
    """The installed version of every package that results depend on."""
    found: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
