"""MODNet as an ONNX graph, written from PyTorch's symbolic trace of the network (``torch.fx``).

``torch.onnx.export`` does it for every network that PyTorch can express, and takes ten times as long. The tests hold
that both give the same graph.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, cat, fx, nn, sigmoid
from torch.nn.functional import interpolate

from modnet_export.model.network import ContractNetwork, MODNet
from modnet_export.record.contract import INPUT_NAME, OPSET, OUTPUT_NAME, Size

if TYPE_CHECKING:
    import onnx

_IR_VERSION = 10
"""What ``torch.onnx.export`` writes at this opset."""


def traced(modnet: MODNet, size: Size) -> onnx.ModelProto:
    """MODNet behind the artefact contract: ``image`` 1 x 3 x H x W in [0, 1] to ``matte`` 1 x 1 x H x W.

    It is written as traced: ``onnx.finished`` simplifies and checks it.
    """
    trace = fx.symbolic_trace(ContractNetwork(modnet).eval())
    trace.graph.eliminate_dead_code()  # the check of the size
    return _Writer(trace).write(size)


class _Writer(fx.Interpreter):
    """Runs a trace with names of ONNX tensors for tensors, and writes a node for each step."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._constants: dict[object, str] = {}

    def write(self, size: Size) -> onnx.ModelProto:
        matte = self.run(INPUT_NAME)
        self._nodes[-1].output[:] = [OUTPUT_NAME if name == matte else name for name in self._nodes[-1].output]
        image, output = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, size.height, size.width])
            for name, channels in ((INPUT_NAME, 3), (OUTPUT_NAME, 1))
        )
        graph = helper.make_graph(self._nodes, "main_graph", [image], [output], list(self._initializers.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)

    def run_node(self, n: fx.Node) -> Any:
        self._step = n
        return super().run_node(n)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        layer = self.fetch_attr(target)
        return _FORMS[type(layer)](self, layer, *args, **kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        return _FORMS[target](self, *args, **kwargs)

    call_method = call_function

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Write a node, named after its layer; the name of its output."""
        (output,) = self.node_of(1, op_type, *inputs, **attributes)
        return output

    def node_of(self, outputs: int, op_type: str, *inputs: str, **attributes: Any) -> list[str]:
        """As ``node``, with several outputs."""
        step = self._step
        layers = [str(step.target)] if step.op == "call_module" else list(step.meta.get("nn_module_stack", [""]))
        layer = layers[-1].removeprefix("modnet").removeprefix(".")
        name = f"{layer}/{op_type if step.op == 'call_module' else step.name}".removeprefix("/")
        made = [name] if outputs == 1 else [f"{name}_{index}" for index in range(outputs)]
        self._nodes.append(helper.make_node(op_type, inputs, made, name, **attributes))
        return made

    def constant(self, values: Any, dtype: type[np.generic] = np.float32) -> str:
        """The name of an initializer with these values, the same one wherever they are needed."""
        array = np.asarray(values, dtype)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._initializer(array, f"constant_{len(self._constants)}")
        return self._constants[key]

    def weights(self, *names: str) -> list[str]:
        """The names of initializers with the present layer's parameters and buffers, of those that it has."""
        paths = [f"{self._step.target}.{name}" for name in names]
        found = {path: cast("Tensor | None", self.fetch_attr(path)) for path in paths}
        return [self._initializer(item.detach().numpy(), path) for path, item in found.items() if item is not None]

    def _initializer(self, array: np.ndarray[Any, Any], name: str) -> str:
        self._initializers[name] = numpy_helper.from_array(array, name)
        return name


def _convolution(to: _Writer, layer: nn.Conv2d, x: str) -> str:
    top, left = cast("tuple[int, int]", layer.padding)
    shape: dict[str, Any] = {"kernel_shape": layer.kernel_size, "pads": (top, left, top, left), "strides": layer.stride}
    return to.node("Conv", x, *to.weights("weight", "bias"), **shape, dilations=layer.dilation, group=layer.groups)


def _batch_norm(to: _Writer, layer: nn.BatchNorm2d, x: str) -> str:
    weights = to.weights("weight", "bias", "running_mean", "running_var")
    return to.node("BatchNormalization", x, *weights, epsilon=layer.eps)


def _instance_norm(to: _Writer, layer: nn.InstanceNorm2d, x: str) -> str:
    scale, bias = (to.constant(np.full(layer.num_features, value)) for value in (1, 0))
    return to.node("InstanceNormalization", x, scale, bias, epsilon=layer.eps)


def _linear(to: _Writer, layer: nn.Linear, x: str) -> str:
    return to.node("Gemm", x, *to.weights("weight", "bias"), transB=1)


def _resize(to: _Writer, x: str, *, scale_factor: float, mode: str, **others: object) -> str:
    assert mode == "bilinear"
    assert not any(others.values())  # aligned corners, antialiasing
    scales = to.constant([1, 1, scale_factor, scale_factor])
    return to.node("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")


def _mean(to: _Writer, x: str, *, dim: tuple[int, ...]) -> str:
    return to.node("ReduceMean", x, to.constant(dim, np.int64), keepdims=0)


def _split(to: _Writer, x: str, sizes: list[int], *, dim: int) -> list[str]:
    return to.node_of(len(sizes), "Split", x, to.constant(sizes, np.int64), axis=dim)


def _item(to: _Writer, x: Any, index: int | tuple[slice | None, ...]) -> str:
    if isinstance(index, int):  # one of the results of a split
        return str(x[index])
    assert all(item in (slice(None), None) for item in index)
    return to.node("Unsqueeze", str(x), to.constant([at for at, item in enumerate(index) if item is None], np.int64))


def _of_two(op_type: str) -> Callable[..., str]:
    def form(to: _Writer, x: str, y: str | float) -> str:
        return to.node(op_type, x, y if isinstance(y, str) else to.constant(y))

    return form


_FORMS: Mapping[object, Callable[..., Any]] = {
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _batch_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.Linear: _linear,
    nn.ReLU: lambda to, _, x: to.node("Relu", x),
    nn.ReLU6: lambda to, _, x: to.node("Clip", x, to.constant(0), to.constant(6)),
    nn.Sigmoid: lambda to, _, x: to.node("Sigmoid", x),
    sigmoid: lambda to, x: to.node("Sigmoid", x),
    interpolate: _resize,
    cat: lambda to, parts, *, dim: to.node("Concat", *parts, axis=dim),
    operator.add: _of_two("Add"),
    operator.sub: _of_two("Sub"),
    operator.mul: _of_two("Mul"),
    operator.getitem: _item,
    "mean": _mean,
    "split": _split,
}
"""How a layer, a function or a tensor's method of MODNet is written."""
