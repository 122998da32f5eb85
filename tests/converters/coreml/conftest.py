"""Core ML packages of the demo network, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from converters.coreml.convert import convert
from converters.coreml.package import Metadata
from converters.coreml.tuned import for_ports
from converters.onnx.passes import optimise
from tests.graphs import run

META = Metadata(
    "an author", "a licence", "1.2", "a description", {"image": "a photo", "matte": "its matte"}, {"io.key": "a value"}
)


@pytest.fixture(scope="session")
def graph(small_onnx):
    return optimise(ir.from_proto(small_onnx), "cpu")


@pytest.fixture(scope="session")
def packages(graph, shared):
    """A package by precision, ports and target, made once."""

    def get(precision="fp32", ports="multiarray", target="iOS16") -> Path:
        name = f"{precision}_{ports}_{target}.mlpackage"

        def make(folder: Path) -> None:
            options = {"precision": precision, "target": target, "ports": ports}
            convert(for_ports(graph, ports), metadata=META, package=folder / name, **options)

        return shared(name, make) / name

    return get


@pytest.fixture(scope="session")
def photo():
    from modnet_export.images.imaging import demo_photo, fit_image

    image, _ = fit_image(demo_photo(), (96, 128), "letterbox")
    return (np.rint(image * 255) / 255).astype(np.float32)


@pytest.fixture(scope="session")
def expected(small_onnx, photo):
    (matte,) = run(small_onnx, {"image": photo.transpose(0, 3, 1, 2)})
    return matte.transpose(0, 2, 3, 1)


@pytest.fixture
def copy(packages, tmp_path):
    """A package to damage."""
    target = tmp_path / "broken.mlpackage"
    shutil.copytree(packages(), target)
    return target
