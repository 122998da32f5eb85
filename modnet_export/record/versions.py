"""The versions of what computes results, for manifests and results."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

MAKING = (
    "modnet-export",
    "torch",
    "onnx",
    "onnxsim",
    "onnx-ir",
    "onnxruntime",
    "coremltools",
    "ai-edge-litert",
    "flatbuffers",
    "numpy",
)
"""The packages that artefacts depend on, and their measurements."""
SECOND_CONVERTER = ("tensorflow", "tensorflow-cpu")
"""What they depend on as well where TensorFlow wrote them."""
MEASURING = (
    "modnet-export",
    "torch",
    "onnxruntime",
    "onnxruntime-gpu",
    "coremltools",
    "ai-edge-litert",
    "ai-edge-litert-nightly",
    "tflite-runtime",
    "numpy",
    "scipy",
    "opencv-python",
    "opencv-python-headless",
    "pillow",
)
"""The packages that decide what a finished artefact's measurements are."""


def versions(packages: Iterable[str] = MAKING) -> dict[str, str]:
    """The versions of those of the ``packages`` that are installed."""
    found: dict[str, str] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def system() -> dict[str, str]:
    """The processor and the operating system that engines run on. Core ML is a part of macOS, whose version is its."""
    release = platform.mac_ver()[0]
    return {"system": f"{platform.system()} {platform.machine()}", **({"macOS": release} if release else {})}
