"""The reference that every artefact is compared with: the torch network, or a user's own ONNX model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converters.diagnose.tracing import Step, image_step, tensor, trace
from converters.runtimes import Image
from modnet_export.model.checkpoint import Source, load

if TYPE_CHECKING:
    from torch import nn


class TorchReference:
    """The reference network in PyTorch, float32, at any size that is a multiple of 32."""

    def __init__(self, source: Source) -> None:
        import torch

        from modnet_export.model.network import ContractNetwork

        self.engine = f"PyTorch {torch.__version__}"
        self.modnet = load(source)
        self._network = ContractNetwork(self.modnet).eval()

    def run(self, image_nhwc: Image) -> Image:
        import torch

        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2)))
            matte_nchw: Image = self._network(image).numpy()
        return matte_nchw.transpose(0, 2, 3, 1)

    def trace(self, image_nhwc: Image) -> list[Step]:
        """Every ATen operation on an image-like tensor, named by the module that runs it."""
        return _trace_torch(self._network, image_step("image", image_nhwc), lambda: self.run(image_nhwc))


def _trace_torch(network: nn.Module, image: Step, run: Callable[[], object]) -> list[Step]:
    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode

    steps = [image]
    # By id. When a tensor is gone, a new one may get its id and overwrite it here: the old one is no input any more.
    made: dict[int, int] = {}
    inside: list[str] = []

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            flat = [item for argument in args for item in (argument if isinstance(argument, list) else [argument])]
            sources = tuple(sorted({made[id(item)] for item in flat if isinstance(item, Tensor) and id(item) in made}))
            for value in result if isinstance(result, (list, tuple)) else [result]:
                if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim < 2:
                    continue
                operator = str(function.name()).removeprefix("aten::").split(".")[0]
                if operator == "lift_fresh":  # a NumPy array that becomes a tensor
                    continue
                name = f"{inside[-1] if inside else 'network'}/{operator}"
                steps.append(Step(name, operator, name, sources or (0,), tensor(value.detach().numpy().copy())))
                made[id(value)] = len(steps) - 1
            return result

    hooks = [
        hook
        for name, module in network.named_modules()
        for hook in (
            module.register_forward_pre_hook(lambda _, __, name=name: inside.append(name)),
            module.register_forward_hook(lambda *_: inside.remove(inside[-1])),
        )
    ]
    try:
        with Recorder():  # type: ignore[no-untyped-call]
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return steps


class OnnxReference:
    """A user's own ONNX model as it is; only the image is brought to the range of values that it takes."""

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        from modnet_export.model.onnx_ports import is_contract_model, model_ports, read_onnx

        model = read_onnx(path)
        image, matte = model_ports(model, path)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self.engine = f"ONNX Runtime {ort.__version__}"
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input, self._output = image.name, matte.name
        self._released_range, self._path = not is_contract_model(model), path

    def run(self, image_nhwc: Image) -> Image:
        image_nchw = np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2))
        if self._released_range:
            image_nchw = (image_nchw - np.float32(0.5)) * np.float32(2)
        (matte_nchw,) = self._session.run([self._output], {self._input: image_nchw})
        return np.asarray(matte_nchw, np.float32).transpose(0, 2, 3, 1)

    def trace(self, image_nhwc: Image) -> list[Step]:
        """Every op of the user's model."""
        return trace(self._path, (image_nhwc - np.float32(0.5)) * np.float32(2) if self._released_range else image_nhwc)


Reference = TorchReference | OnnxReference


def open_reference(source: Source) -> Reference:
    """The reference for a source; raises ExportError for a file that does not load."""
    return OnnxReference(source.path) if source.kind == "onnx" else TorchReference(source)
