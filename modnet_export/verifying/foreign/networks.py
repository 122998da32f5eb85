"""The reference's network, changed in the ways in which converters change it without saying so."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from converters.runtimes import Image
from modnet_export.model.checkpoint import Source
from modnet_export.model.reference import OnnxReference, Reference

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor

Mode = Literal["align_corners", "asymmetric", "nearest"]
Which = Literal["all", "enlarging", "shrinking"]


@dataclass(frozen=True)
class Change:
    """One change of the network: how images are resized within it, and how convolutions of stride 2 are padded."""

    resize: Mode | None = None
    which: Which = "all"
    """Which of the network's resizes."""
    same_padding: bool = False
    """TensorFlow's SAME: of an even side, the one missing pixel is added at the end, where PyTorch adds one on each."""

    def resizes(self, scale: float) -> bool:
        """Whether it changes a resize by this scale."""
        wanted = {"all": True, "enlarging": scale > 1, "shrinking": scale < 1}
        return self.resize is not None and wanted[self.which]


def mattes(source: Source, reference: Reference, change: Change | None, image_nhwc: Image) -> Image:
    """The matte of the network, changed or not, 1 x H x W x 1: in float32, which tells one fault from another as well
    as float64 does, and takes a fraction of its time."""
    if isinstance(reference, OnnxReference):
        return (reference if change is None else _changed_onnx(source, reference, change)).run(image_nhwc)
    with _torch_mode(change or Change()):
        return reference.rounded(image_nhwc)


def _torch_mode(change: Change) -> Any:
    """A context in which torch's ``interpolate`` and ``conv2d`` are those of the changed network."""
    import torch
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    class Changed(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = dict(kwargs or {})
            if function is functional.interpolate and change.resizes(given["scale_factor"]):
                return _resized(args[0], given["scale_factor"], change.resize)
            if function is torch.conv2d and change.same_padding and len(args) > 4:
                image, weight, bias, stride, padding, *others = args
                if tuple(stride) == (2, 2) and padding[0]:
                    padded = functional.pad(image, (0, 2 * padding[1] - 1, 0, 2 * padding[0] - 1))
                    return function(padded, weight, bias, stride, 0, *others)
            return function(*args, **given)

    return Changed()


def _resized(image_nchw: Tensor, scale: float, mode: Mode | None) -> Tensor:
    import torch

    for axis in (2, 3):
        before = image_nchw.shape[axis]
        matrix = torch.from_numpy(weights(before, round(before * scale), mode)).to(image_nchw.dtype)
        image_nchw = (image_nchw.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
    return image_nchw


def weights(before: int, after: int, mode: Mode | None) -> npt.NDArray[np.float64]:
    """The matrix, after x before, that resizes one axis linearly (or to the nearest), as ONNX's Resize defines it."""
    places: npt.NDArray[Any] = np.arange(after) * (before / after)
    if mode == "align_corners":
        places = np.arange(after) * ((before - 1) / max(after - 1, 1))
    elif mode == "nearest":
        places = np.floor(places)
    places = places.clip(0, before - 1)
    first = np.floor(places).astype(int)
    matrix = np.zeros((after, before))
    rows = np.arange(after)
    matrix[rows, first] += 1 - (places - first)
    matrix[rows, np.minimum(first + 1, before - 1)] += places - first
    return matrix


def _changed_onnx(source: Source, reference: OnnxReference, change: Change) -> OnnxReference:
    import onnx

    from converters.onnx.standard import in_float32
    from modnet_export.model.onnx_ports import read_onnx

    model = read_onnx(source.path, checked=False)
    in_float32(model)  # as the reference itself computes
    for node in model.graph.node:
        if node.op_type == "Resize" and change.resize is not None:
            _set_resize(model, node, change)
        if node.op_type == "Conv" and change.same_padding:
            values = {item.name: list(item.ints) for item in node.attribute}
            if values.get("strides") == [2, 2] and any(values.get("pads", [])):
                top, left = values["pads"][:2]
                _set(node, "pads", [0, 0, 2 * top - 1, 2 * left - 1])
    with tempfile.TemporaryDirectory(prefix="modnet_export_") as folder:
        path = Path(folder) / source.path.name
        onnx.save(model, path)
        return OnnxReference(path, reference.ports.input_range)


def _set_resize(model: ModelProto, node: Any, change: Change) -> None:
    from onnx import numpy_helper

    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer} | {
        item.output[0]: numpy_helper.to_array(item.attribute[0].t)
        for item in model.graph.node
        if item.op_type == "Constant" and item.attribute[0].name == "value"
    }
    scales = constants.get(node.input[2]) if len(node.input) > 2 else None
    if scales is not None and scales.size == 4:
        if not change.resizes(float(scales[-1])):
            return
    elif change.which != "all":  # sizes, which do not say by how much
        return
    if change.resize == "nearest":
        _set(node, "mode", "nearest")
        _set(node, "nearest_mode", "floor")
    mode = "align_corners" if change.resize == "align_corners" else "asymmetric"
    _set(node, "coordinate_transformation_mode", mode)


def _set(node: Any, name: str, value: Any) -> None:
    from onnx import helper

    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
