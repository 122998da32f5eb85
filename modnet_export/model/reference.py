"""The reference that every artefact is compared with: the torch network, or a user's own ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from converters.diagnose.rerun import OnnxGraph
from converters.diagnose.tracing import Step, image_step, tensor, trace
from converters.errors import ExportError, reason
from converters.runtimes import Image
from modnet_export.model.checkpoint import Source, load
from modnet_export.record.choices import InputRange

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from modnet_export.model.network import MODNet


THREADS = 1
"""Of float32's own noise and of ONNX Runtime. Another number adds in another order: mattes move by up to 1e-5."""


# Beyond this it is no rounding: the graph is another one than the network's (asymmetric resizes of opset 10).
_NOISE_AT_MOST = 1e-3


class TorchReference:
    """The reference network in PyTorch, at any multiple of 32; ``threads`` None: torch's choice.

    ``exact``: in float64, so that nothing that is compared with it is blamed for float32's own rounding.
    """

    def __init__(self, source: Source | MODNet, threads: int | None = None, *, exact: bool = False) -> None:
        import torch

        from modnet_export.model.network import ContractNetwork
        from modnet_export.model.strips import in_strips

        self.engine = f"PyTorch {torch.__version__}{', float64' if exact else ''}"
        self.modnet = load(source) if isinstance(source, Source) else source
        self._network = ContractNetwork(self.modnet).eval()
        self._exact = deepcopy(self._network).double() if exact else None
        if self._exact is not None:
            in_strips(self._exact)
        self._threads = threads

    def run(self, image_nhwc: Image) -> Image:
        if self._exact is None:
            return self.rounded(image_nhwc)
        return _run_torch(self._exact, image_nhwc.astype(np.float64), self._threads)

    def rounded(self, image_nhwc: Image) -> Image:
        """The matte in float32: how far it is from ``run``'s is the noise of that arithmetic on this image."""
        return _run_torch(self._network, image_nhwc, self._threads)

    def beside_rounded(self, image_nhwc: Image) -> tuple[Image, Image]:
        """The mattes of ``run`` and ``rounded``."""
        return self.run(image_nhwc), self.rounded(image_nhwc)

    def trace(self, image_nhwc: Image) -> list[Step]:
        """Every ATen operation on an image-like tensor, named by the module that runs it."""
        return _trace_torch(self._network, image_step("image", image_nhwc), lambda: self.rounded(image_nhwc))


def _run_torch(network: nn.Module, image_nhwc: npt.NDArray[np.floating], threads: int | None) -> Image:
    import torch

    with torch.inference_mode(), _torch_threads(threads):
        image = torch.from_numpy(np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2)))
        matte_nchw: Image = network(image).float().numpy()
    return matte_nchw.transpose(0, 2, 3, 1)


@contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    """Torch on ``threads`` for the calling thread, and as before afterwards: the caller's own work is left alone."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
    """A user's own ONNX model as it is; only the image is brought to the range of values that it takes.

    ``input_range`` None: as the graph tells. ``exact``: a model that computes in 16-bit floats computes in float32, so
    that what is compared with it is not blamed for its rounding. Raises ExportError for a file that ONNX Runtime does
    not load, and for a model without one image in and a matte out.
    """

    def __init__(
        self, path: Path, input_range: InputRange | None = None, threads: int | None = None, *, exact: bool = False
    ) -> None:
        from converters.onnx.standard import in_float32
        from converters.runtimes.onnxruntime import ENGINE, started
        from modnet_export.model.onnx_ports import ports, read_onnx

        given = read_onnx(path, checked=False)
        widened = exact and in_float32(given)
        self.ports = ports(given, path, input_range)
        self._path = path
        self._network = _same_network(given) if exact else None
        try:
            self._session, self.engine, newer = started(given, threads)
        except Exception as error:
            raise ExportError(
                f"{ENGINE} cannot load {path.name}: {reason(error)}",
                where=path,
                expected="a model that ONNX Runtime runs",
                next_step="export it again for this version, or update onnxruntime",
            ) from error
        self._model = given if newer is None else newer
        if widened:
            self.engine += ", in float32"

    def taking(self, input_range: InputRange) -> OnnxReference:
        """The same session, for a model that takes that range of values."""
        other = copy(self)
        other.ports = replace(self.ports, input_range=input_range)
        return other

    def run(self, image_nhwc: Image) -> Image:
        """Raises ExportError where the model does not run at the image's size."""
        from modnet_export.model.onnx_ports import with_range

        image_nchw = image_nhwc.transpose(0, 3, 1, 2)
        values = with_range(image_nchw, self.ports.input_range).astype(self.ports.dtype)
        try:
            (matte_nchw,) = self._session.run([self.ports.matte], {self.ports.image: np.ascontiguousarray(values)})
            return np.array(matte_nchw, np.float32).reshape(1, 1, *image_nchw.shape[2:]).transpose(0, 2, 3, 1)
        except Exception as error:
            raise ExportError(
                f"{self._path.name} gives no matte of {'x'.join(map(str, image_nchw.shape[2:]))}: {reason(error)}",
                where=self._path,
                expected="one value in its last output for each pixel of the image",
                next_step="take the size that it was exported at, or export it again with dynamic height and width",
            ) from error

    def beside_rounded(self, image_nhwc: Image) -> tuple[Image, Image | None]:
        """The matte of ``run``, and that of the same weights in float64, which tells the noise of ``run``.

        None where the weights do not fit, or the graph computes something else with them.
        """
        matte_nhwc = self.run(image_nhwc)
        if self._network is None:
            return matte_nhwc, None
        exact_nhwc = self._network.run(image_nhwc)
        return matte_nhwc, exact_nhwc if np.abs(exact_nhwc - matte_nhwc).max() < _NOISE_AT_MOST else None

    def trace(self, image_nhwc: Image) -> list[Step]:
        """Every op of the user's model."""
        from modnet_export.model.onnx_ports import with_range

        return trace(OnnxGraph(self._model), with_range(image_nhwc, self.ports.input_range))


def _same_network(model: onnx.ModelProto) -> TorchReference | None:
    """MODNet with the weights of an ONNX model, in float64; None where they do not fit it."""
    from modnet_export.model.onnx_weights import network_of

    modnet = network_of(model)
    return None if modnet is None else TorchReference(modnet, exact=True)


Reference = TorchReference | OnnxReference


def open_reference(source: Source) -> Reference:
    """The exact reference for a source; raises ExportError for a file that does not load."""
    if source.kind == "onnx":
        return OnnxReference(source.path, source.input_range, THREADS, exact=True)
    return TorchReference(source, THREADS, exact=True)
