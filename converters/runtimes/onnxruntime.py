"""ONNX Runtime on the CPU."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime as ort

from converters.runtimes.protocol import Image, one_port

if TYPE_CHECKING:
    import onnx

# The first opset whose Resize took the place of Upsample; ONNX Runtime has it for every size.
_NEWER_OPSET = 18
ENGINE = f"ONNX Runtime {ort.__version__}"


def started(
    model: Path | onnx.ModelProto, threads: int | None = None
) -> tuple[ort.InferenceSession, str, onnx.ModelProto | None]:
    """A session of anybody's model, the engine in words, and the newer form that it runs; None: the model as it is.

    ONNX Runtime has no Upsample of opset 9 that makes an image smaller, but the Resize that took its place: a model
    that it does not load, with an Upsample, is brought to a newer opset. Raises what ONNX Runtime raises.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what fails is raised as well
    if threads is not None:
        options.intra_op_num_threads = threads
    start = partial(ort.InferenceSession, sess_options=options, providers=["CPUExecutionProvider"])
    try:
        return start(str(model) if isinstance(model, Path) else model.SerializeToString()), ENGINE, None
    except Exception:
        import onnx

        from converters.onnx.standard import with_opset

        loaded = onnx.load(model) if isinstance(model, Path) else model
        if not any(node.op_type == "Upsample" for node in loaded.graph.node):
            raise
        newer = with_opset(loaded, _NEWER_OPSET)
        return start(newer.SerializeToString()), f"{ENGINE}, brought to opset {_NEWER_OPSET}", newer


class OnnxRuntime:
    """An ONNX model, a file or in memory, with an NCHW image in and an NCHW matte out."""

    def __init__(self, model: Path | onnx.ModelProto, threads: int | None = None) -> None:
        self._session, self.engine, _ = started(model, threads)
        path = model if isinstance(model, Path) else Path("model.onnx")
        inputs = [(item.name, item.shape) for item in self._session.get_inputs()]
        one_port(path, "output", [(item.name, item.shape) for item in self._session.get_outputs()], 1, 1)
        _, _, height, width = one_port(path, "input", inputs, 3, 1)
        self._input, self._size = inputs[0][0], (height, width)

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def run(self, image_nhwc: Image) -> Image:
        image_nchw = np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2))
        (matte_nchw,) = self._session.run(None, {self._input: image_nchw})
        # A copy: ONNX Runtime's own array keeps all memory of the session, 200 MB at 512x512, as long as it lives.
        return np.array(matte_nchw, np.float32).transpose(0, 2, 3, 1)
