"""ONNX files of other exporters, with the weights of the demo checkpoint; README.md says where they come from."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import onnx

from tests.official.make import made

FOLDER = Path(__file__).parent
NAMES = tuple(sorted(path.name.removesuffix(".onnx.gz") for path in FOLDER.glob("*.onnx.gz")))


def official(name: str, modnet) -> onnx.ModelProto:
    """A file's structure with a network's weights."""
    state = {key: value.numpy() for key, value in modnet.state_dict().items()}
    model = onnx.ModelProto.FromString(gzip.decompress((FOLDER / f"{name}.onnx.gz").read_bytes()))
    for tensor in model.graph.initializer:
        if tensor.doc_string:
            tensor.raw_data = np.ascontiguousarray(made(state, tensor.doc_string), np.float32).tobytes()
            tensor.doc_string = ""
    return model
