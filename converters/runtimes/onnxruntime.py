"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from converters.runtimes.protocol import Image, one_port


class OnnxRuntime:
    """An ONNX model with an NCHW image in and an NCHW matte out."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        inputs = [(item.name, item.shape) for item in self._session.get_inputs()]
        one_port(path, "output", [(item.name, item.shape) for item in self._session.get_outputs()], 1, 1)
        _, _, height, width = one_port(path, "input", inputs, 3, 1)
        self._input, self._size = inputs[0][0], (height, width)

    @property
    def engine(self) -> str:
        return f"ONNX Runtime {ort.__version__}"

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def run(self, image_nhwc: Image) -> Image:
        image_nchw = np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2))
        (matte_nchw,) = self._session.run(None, {self._input: image_nchw})
        return np.asarray(matte_nchw, np.float32).transpose(0, 2, 3, 1)
