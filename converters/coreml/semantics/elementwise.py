"""Operators that work element by element, reductions and normalisations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as nnf

from converters.coreml.semantics.table import OPERATORS, Value, integers, operator

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "relu6": nnf.relu6,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "abs": torch.abs,
    "square": torch.square,
    "silu": nnf.silu,
    "softplus": nnf.softplus,
    "erf": torch.erf,
    "identity": torch.clone,
}
_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "pow": torch.pow,
}
_REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "reduce_mean": torch.mean,
    "reduce_sum": torch.sum,
    "reduce_max": torch.amax,
    "reduce_min": torch.amin,
}


def _unary(x: Tensor, *, function: Callable[[Tensor], Tensor]) -> Tensor:
    return function(x)


def _binary(x: Value, y: Value, *, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    return function(torch.as_tensor(x), torch.as_tensor(y))


def _reduce(x: Tensor, axes: Value = None, keep_dims: Value = False, *, function: Callable[..., Tensor]) -> Tensor:
    return function(x, dim=integers(axes) if axes is not None else list(range(x.ndim)), keepdim=bool(keep_dims))


OPERATORS.update({name: partial(_unary, function=function) for name, function in _UNARY.items()})
OPERATORS.update({name: partial(_binary, function=function) for name, function in _BINARY.items()})
OPERATORS.update({name: partial(_reduce, function=function) for name, function in _REDUCTIONS.items()})


@operator("inverse")
def _inverse(x: Tensor, epsilon: Value = 1e-4) -> Tensor:
    return 1 / (x + float(epsilon))


@operator("rsqrt")
def _rsqrt(x: Tensor, epsilon: Value = 1e-12) -> Tensor:
    return torch.rsqrt(x + float(epsilon))


@operator("clip")
def _clip(x: Tensor, alpha: Value, beta: Value) -> Tensor:
    return x.clamp(float(alpha), float(beta))


@operator("leaky_relu")
def _leaky_relu(x: Tensor, alpha: Value) -> Tensor:
    return nnf.leaky_relu(x, float(alpha))


@operator("prelu")
def _prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return nnf.prelu(x, alpha)


@operator("elu")
def _elu(x: Tensor, alpha: Value = 1.0) -> Tensor:
    return nnf.elu(x, float(alpha))


@operator("gelu")
def _gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return nnf.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@operator("sigmoid_hard")
def _sigmoid_hard(x: Tensor, alpha: Value = 0.2, beta: Value = 0.5) -> Tensor:
    return (x * float(alpha) + float(beta)).clamp(0, 1)


@operator("softmax")
def _softmax(x: Tensor, axis: Value = -1) -> Tensor:
    return x.softmax(int(axis))


@operator("cast")
def _cast(x: Tensor, dtype: str) -> Tensor:
    if dtype.startswith(("int", "uint")):
        return x.trunc().to(torch.int32)
    return x.to(torch.bool) if dtype == "bool" else x.float()


@operator("batch_norm")
def _batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, gamma: Value = None, beta: Value = None, epsilon: Value = 1e-5
) -> Tensor:
    return nnf.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


@operator("instance_norm")
def _instance_norm(x: Tensor, gamma: Value = None, beta: Value = None, epsilon: Value = 1e-5) -> Tensor:
    return nnf.instance_norm(x, weight=gamma, bias=beta, eps=float(epsilon))


@operator("layer_norm")
def _layer_norm(x: Tensor, axes: Value, gamma: Value = None, beta: Value = None, epsilon: Value = 1e-5) -> Tensor:
    shape = [x.shape[axis] for axis in integers(axes)]
    return nnf.layer_norm(x, shape, gamma, beta, float(epsilon))
