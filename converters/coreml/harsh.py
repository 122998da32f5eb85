"""The evaluator with the worst that a kernel may do in fp16: sums of few terms stay fp16, in the order that is worst.

Adding the largest terms first loses the most of the small ones. So add depthwise convolutions (the cascades of the
norms among them), pools and means here; every product is rounded too. Other convolutions, whose sums of thousands of
terms no engine keeps in fp16, and ``instance_norm``, whose kernel is taken at its word, compute as in the evaluator.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as nnf

from converters.coreml.interpreter import Evaluator
from converters.coreml.semantics import Value
from converters.coreml.semantics.table import integers, torch_pads


def worst_sum(terms: Tensor) -> Tensor:
    """The sum over the last axis, the largest first, each partial sum rounded to fp16."""
    terms = terms.half()
    order = terms.abs().argsort(dim=-1, descending=True)
    total = torch.zeros(terms.shape[:-1], dtype=torch.float16)
    for term in terms.gather(-1, order).unbind(-1):
        total = (total.float() + term.float()).half()
    return total.float()


def _windows(x: Tensor, kernel: list[int], strides: list[int], pads: list[int]) -> Tensor:
    """N x C x h x w x K windows of a padded N x C x H x W map."""
    padded = nnf.pad(x, torch_pads(torch.tensor(pads), 2))
    windows = padded.unfold(2, kernel[0], strides[0]).unfold(3, kernel[1], strides[1])
    return windows.reshape(*windows.shape[:4], -1)


def _depthwise(x: Tensor, weight: Tensor, strides: Value, pad: Value, bias: Value = None) -> Tensor:
    windows = _windows(x, list(weight.shape[2:]), integers(strides), integers(pad))
    terms = windows * weight.reshape(1, len(weight), 1, 1, -1)
    if bias is not None:
        terms = torch.cat([terms, bias.reshape(1, -1, 1, 1, 1).expand(*terms.shape[:4], 1)], -1)
    return worst_sum(terms)


class HarshEvaluator(Evaluator):
    """See the module."""

    def _call(self, name: str, arguments: dict[str, Value]) -> Value:
        x: Any = arguments.get("x")
        if name == "reduce_mean":
            axes = sorted(axis % x.ndim for axis in integers(arguments["axes"]))
            total = worst_sum(x.flatten(axes[0]))
            count = x[0, 0].numel()
            shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
            return (total / count).reshape(shape)
        if name == "avg_pool":
            kernel = integers(arguments["kernel_sizes"])
            windows = _windows(x.float(), kernel, integers(arguments["strides"]), integers(arguments["pad"]))
            return worst_sum(windows) / windows.shape[-1]
        weight: Any = arguments.get("weight")
        if name == "conv" and x.shape[1] == len(weight) == int(arguments["groups"]) > 1:
            bias = arguments.get("bias")
            bias = None if bias is None else bias.float()
            return _depthwise(x.float(), weight.float(), arguments["strides"], arguments["pad"], bias)
        return super()._call(name, arguments)
