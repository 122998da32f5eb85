"""The reference that every artefact is compared with: the torch network, or a user's own ONNX model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from converters.runtimes import Image
from modnet_export.checkpoint import Source, load


class TorchReference:
    """The reference network in PyTorch, float32, at any size that is a multiple of 32."""

    def __init__(self, source: Source) -> None:
        import torch

        from modnet_export.network import ContractNetwork

        self.engine = f"PyTorch {torch.__version__}"
        self.modnet = load(source)
        self._network = ContractNetwork(self.modnet).eval()

    def run(self, image_nhwc: Image) -> Image:
        import torch

        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2)))
            matte_nchw: Image = self._network(image).numpy()
        return matte_nchw.transpose(0, 2, 3, 1)


class OnnxReference:
    """A user's own ONNX model, as it is: only its declared value range is brought to the contract's."""

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        from modnet_export.onnx_export import is_contract_model, model_ports, read_onnx

        model = read_onnx(path)
        image, matte = model_ports(model, path)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self.engine = f"ONNX Runtime {ort.__version__}"
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input, self._output = image.name, matte.name
        self._released_range = not is_contract_model(model)

    def run(self, image_nhwc: Image) -> Image:
        image_nchw = np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2))
        if self._released_range:
            image_nchw = (image_nchw - np.float32(0.5)) * np.float32(2)
        (matte_nchw,) = self._session.run([self._output], {self._input: image_nchw})
        return np.asarray(matte_nchw, np.float32).transpose(0, 2, 3, 1)


Reference = TorchReference | OnnxReference


def open_reference(source: Source) -> Reference:
    """The reference for a source; raises ExportError for a file that does not load."""
    return OnnxReference(source.path) if source.kind == "onnx" else TorchReference(source)
