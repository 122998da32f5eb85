"""What convolutions and norms read on photographs: what choosing a norm's form and rounding weights to fp16 need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from converters.onnx.graph import static_shape
from converters.onnx.passes.fold_batchnorm import conv_constants
from converters.onnx.passes.rewrite import attribute, conv_padding, is_op

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.float32]
# Patches that are looked at in the map of one image: neighbours say nearly the same.
_POSITIONS = 512
FEW, MANY = 320, 1300
"""Up to so many inputs of an output convolutions are observed, for fp16 and for int8. Moments of K x K take most of the
time, and of fp16's error the first ten convolutions made nearly all."""


@dataclass(frozen=True)
class Extremes:
    """What an instance norm met, over all images and channels."""

    largest_centred: float = 0.0
    """max |x - mean|."""
    least_variance: float = np.inf
    largest: float = 0.0
    """max |x|: what the norm reads."""
    largest_sum_of_squares: float = 0.0
    """The largest sum of (x - mean)^2 over a map: what a kernel's accumulator holds."""

    @classmethod
    def of(cls, x: npt.NDArray[Any]) -> Extremes:
        """Those of one input, N x C x H x W."""
        wide = x.astype(np.float64)
        centred = wide - wide.mean((2, 3), keepdims=True)
        squares = np.square(centred)
        return cls(
            float(np.abs(centred).max()),
            float(squares.mean((2, 3)).min()),
            float(np.abs(wide).max()),
            float(squares.sum((2, 3)).max()),
        )

    def joined(self, other: Extremes) -> Extremes:
        """Over all that either has met."""
        return Extremes(
            max(self.largest_centred, other.largest_centred),
            min(self.least_variance, other.least_variance),
            max(self.largest, other.largest),
            max(self.largest_sum_of_squares, other.largest_sum_of_squares),
        )


@dataclass(frozen=True)
class Observed:
    """By the names of nodes."""

    sums: dict[str, Array] = field(default_factory=dict)
    """Of convolutions but the large: of p p^T, p a patch (flattened as the weights are) with a 1 for the bias behind
    it: G x (K + 1) x (K + 1) for G groups."""
    count: dict[str, int] = field(default_factory=dict)
    """How many patches they have seen."""
    norms: dict[str, Extremes] = field(default_factory=dict)

    @property
    def moments(self) -> dict[str, Array]:
        """The mean of p p^T; convolutions that have seen fewer patches than K are left out."""
        return {name: each / self.count[name] for name, each in self.sums.items() if self.count[name] >= each.shape[-1]}

    def joined(self, other: Observed) -> Observed:
        """What both have seen, of one network at two sizes.

        Left out are convolutions that depend on the size, as a mean over a whole map does: they read other patches.
        """
        alike = [
            name for name, each in self.sums.items() if name in other.sums and each.shape == other.sums[name].shape
        ]
        return Observed(
            {name: self.sums[name] + other.sums[name] for name in alike},
            {name: self.count[name] + other.count[name] for name in alike},
            {name: each.joined(other.norms[name]) for name, each in self.norms.items()},
        )

    def replaced(self, joined: Observed) -> Observed:
        """This with what several sizes have seen in place of its own, but for what is left out there."""
        return Observed(self.sums | joined.sums, self.count | joined.count, joined.norms)


def observe(graph: ir.Model, images: Sequence[Image], most: int = FEW) -> Observed:
    """What the nodes of a graph read of images, each 1 x H x W x 3 in [0, 1]; run by ONNX Runtime.

    ``most``: how many inputs an output of a convolution may have that is looked at.
    """
    rng, sums, count, norms = np.random.default_rng(0), dict[str, Array](), dict[str, int](), dict[str, Extremes]()
    convolutions = {str(node.name): node for node in graph.graph if _observable(node, most)}
    instance = {str(node.name): node for node in graph.graph if is_op(node, "InstanceNormalization")}
    for values in _runs(graph, [*convolutions.values(), *instance.values()], images):
        for name, node in instance.items():
            met = Extremes.of(values[str(node.inputs[0].name)])  # type: ignore[union-attr]
            norms[name] = norms.get(name, Extremes()).joined(met)
        for name, node in convolutions.items():
            patches = _patches(values[str(node.inputs[0].name)], node, rng)  # type: ignore[union-attr]
            sums[name] = sums.get(name, np.float64(0)) + patches.swapaxes(1, 2) @ patches
            count[name] = count.get(name, 0) + patches.shape[1]
    return Observed(sums, count, norms)


def _observable(node: ir.Node, most: int) -> bool:
    constants = conv_constants(node) if is_op(node, "Conv") else None
    return (
        constants is not None
        and constants[0].ndim == 4
        and constants[0][0].size <= most
        and conv_padding(node) is not None
        and set(attribute(node, "dilations", (1, 1))) == {1}
    )


def _runs(graph: ir.Model, nodes: Sequence[ir.Node], images: Sequence[Image]) -> Iterator[dict[str, Any]]:
    """The first inputs of nodes, by name, for each image."""
    import onnx
    import onnxruntime

    proto = ir.to_proto(graph)
    port = proto.graph.input[0].name
    wanted = sorted({str(node.inputs[0].name) for node in nodes if node.inputs[0] is not None} - {port})
    given = {item.name for item in proto.graph.output}
    values = {str(value.name): value for node in graph.graph for value in node.outputs}
    proto.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, static_shape(values[name]))
        for name in wanted
        if name not in given
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
    )
    outputs = wanted or [proto.graph.output[0].name]  # none would be all
    for image_nhwc in images:
        image_nchw = np.ascontiguousarray(image_nhwc.transpose(0, 3, 1, 2), np.float32)
        yield {port: image_nchw, **dict(zip(outputs, session.run(outputs, {port: image_nchw}), strict=True))}


def _patches(x: npt.NDArray[Any], conv: ir.Node, rng: np.random.Generator) -> Array:
    """Some of the patches that a convolution reads, with a 1 behind each: G x P x (K + 1)."""
    weight, _ = conv_constants(conv) or (None, None)
    top, left, bottom, right = conv_padding(conv) or (0, 0, 0, 0)
    assert weight is not None
    rows, columns = weight.shape[2:]
    down, across = attribute(conv, "strides", (1, 1))
    padded = np.pad(x[0], [(0, 0), (top, bottom), (left, right)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), (1, 2))[:, ::down, ::across]
    height, width = windows.shape[1:3]
    chosen = rng.permutation(height * width)[:_POSITIONS]
    found = windows[:, chosen // width, chosen % width]  # C x P x kh x kw
    groups = int(attribute(conv, "group", 1))
    grouped = found.reshape(groups, -1, *found.shape[1:]).swapaxes(1, 2).reshape(groups, len(chosen), -1)
    return np.concatenate([grouped.astype(np.float64), np.ones((groups, len(chosen), 1))], axis=2)
