"""Random graphs over the ops that passes match: values and constants are shared, outputs unused or read twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st

from tests.graphs import model, node

Shape = tuple[int, ...]
SCALARS = [0.5, 2.0, -1.5, 3.0]


class Drawn:
    """A graph that grows node by node; every value made so far may be read again."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes: dict[str, Shape] = {}

    # Choices

    def pick(self, items: Any) -> Any:
        return self.draw(st.sampled_from(list(items)))

    def maybe(self) -> bool:
        return self.draw(st.booleans())

    def value(self, fits: Callable[[Shape], bool] = lambda shape: True) -> str | None:
        """Some value made so far, or None where none fits; the newest are the likeliest."""
        names = [name for name, shape in self.shapes.items() if fits(shape)]
        return names[-1 - min(self.draw(st.integers(0, 5)), len(names) - 1)] if names else None

    def map(self) -> str:
        name = self.value(lambda shape: len(shape) == 4)
        assert name is not None  # the input is one
        return name

    # Building

    def add(self, op_type: str, inputs: str, shape: Shape, **attributes: Any) -> str:
        return self.several(op_type, inputs, [shape], **attributes)[0]

    def several(self, op_type: str, inputs: str, shapes: list[Shape], **attributes: Any) -> list[str]:
        names = [f"v{len(self.shapes) + index}" for index in range(len(shapes))]
        self.nodes.append(node(op_type, inputs, " ".join(names), **attributes))
        self.shapes |= dict(zip(names, map(tuple, shapes), strict=True))
        return names

    def constant(self, array: Any) -> str:
        """An initializer, which may be one that another node reads already."""
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        for name, other in self.constants.items():
            if other.dtype == array.dtype and np.array_equal(other, array) and other.shape == array.shape:
                return name
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def numbers(self, *shape: int, low: float = -1.0, high: float = 1.0) -> str:
        """Random float constants; two seeds, so that equal shapes are often the same initializer."""
        rng = np.random.default_rng(self.draw(st.integers(0, 1)))
        return self.constant(rng.uniform(low, high, shape))

    # Single ops

    def activation(self, x: str | None = None) -> str:
        x = x or self.value()
        assert x is not None
        kind = self.pick(["Relu", "Sigmoid", "Clip", "Identity", "LeakyRelu"])
        if kind == "Clip":
            return self.add("Clip", f"{x} {self.constant(-0.5)} {self.constant(0.7)}", self.shapes[x])
        return self.add(kind, x, self.shapes[x])

    def affine(self, x: str | None = None) -> str:
        """A scalar constant before or after a value."""
        x = x or self.map()
        number = self.constant(np.full([1] * self.draw(st.sampled_from([0, 1, 4, 5, 0, 0])), self.pick(SCALARS)))
        rank = max(len(self.shapes[x]), self.constants[number].ndim)
        op = self.pick(["Mul", "Add", "Sub", "Div"])
        order = f"{number} {x}" if op in ("Mul", "Add", "Sub") and self.maybe() else f"{x} {number}"
        return self.add(op, order, (1,) * (rank - len(self.shapes[x])) + self.shapes[x])

    def binary(self, x: str | None = None) -> str:
        """Two values that broadcast, often one and the same."""
        x = x or self.value()
        assert x is not None
        shape = self.shapes[x]
        y = self.value(lambda other: len(other) == len(shape) and _broadcast(shape, other) is not None)
        assert y is not None
        order = [x, y] if self.maybe() else [y, x]
        return self.add(self.pick(["Mul", "Add", "Sub"]), " ".join(order), _broadcast(shape, self.shapes[y]) or ())

    def conv(self, x: str | None = None) -> str:
        x = x or self.map()
        batch, channels, height, width = self.shapes[x]
        kernel = [self.draw(st.integers(1, min(3, size))) for size in (height, width)]
        pads = [self.draw(st.integers(0, 1)) for _ in range(4)] if self.maybe() else [0] * 4
        strides = [self.draw(st.integers(1, 2)) for _ in range(2)]
        group = channels if self.maybe() and channels > 1 else 1
        outputs = group * self.draw(st.integers(1, 2)) if group > 1 else self.draw(st.integers(1, 5))
        inputs = f"{x} {self.numbers(outputs, channels // group, *kernel)}"
        if self.maybe():
            inputs += f" {self.numbers(outputs)}"
        sizes = [
            (size + pads[axis] + pads[axis + 2] - kernel[axis]) // strides[axis] + 1
            for axis, size in enumerate((height, width))
        ]
        attributes: dict[str, Any] = {"pads": pads}
        if self.draw(st.integers(0, 5)) == 0:
            attributes = {"auto_pad": self.pick(["SAME_UPPER", "SAME_LOWER", "VALID"])}
            if attributes["auto_pad"] == "VALID":
                sizes = [(size - kernel[axis]) // strides[axis] + 1 for axis, size in enumerate((height, width))]
            else:
                sizes = [-(-size // strides[axis]) for axis, size in enumerate((height, width))]
        return self.add("Conv", inputs, (batch, outputs, *sizes), strides=strides, group=group, **attributes)

    def conv_transpose(self, x: str | None = None) -> str:
        x = x or self.map()
        batch, channels, height, width = self.shapes[x]
        group = channels if self.maybe() else 1
        each, stride = self.draw(st.integers(1, 3)), self.draw(st.integers(1, 2))
        inputs = f"{x} {self.numbers(channels, each, 2, 3)}"
        if self.maybe():
            inputs += f" {self.numbers(each * group)}"
        shape = (batch, each * group, (height - 1) * stride + 2, (width - 1) * stride + 3)
        return self.add("ConvTranspose", inputs, shape, strides=[stride, stride], group=group)

    def batch_norm(self, x: str | None = None) -> str:
        x = x or self.map()
        channels = self.shapes[x][1]
        inputs = [self.numbers(channels, low=0.5, high=1.5) for _ in range(4)]
        return self.add("BatchNormalization", " ".join([x, *inputs]), self.shapes[x], epsilon=1e-3)

    def instance_norm(self, x: str | None = None) -> str:
        x = x or self.map()
        channels = self.shapes[x][1]
        plain = self.maybe()
        gain = self.constant(np.ones(channels)) if plain else self.numbers(channels, low=0.5, high=1.5)
        shift = self.constant(np.zeros(channels)) if plain else self.numbers(channels)
        return self.add("InstanceNormalization", f"{x} {gain} {shift}", self.shapes[x], epsilon=0.01)

    def split(self, x: str | None = None, axis: int = 1) -> list[str]:
        x = x or self.value(lambda shape: len(shape) == 4 and shape[axis] > 1)
        if x is None:
            return []
        shape = self.shapes[x]
        cut = self.draw(st.integers(1, shape[axis] - 1))
        shapes = [(*shape[:axis], size, *shape[axis + 1 :]) for size in (cut, shape[axis] - cut)]
        if self.maybe():
            lengths = self.constant(np.array([cut, shape[axis] - cut]))
            return self.several("Split", f"{x} {lengths}", shapes, axis=self.pick([axis, axis - 4]))
        ends = [(0, cut), (cut, self.pick([shape[axis], 2**62]))]
        return [
            self.add("Slice", " ".join([x, *(self.constant(np.array([i])) for i in (*span, axis))]), shapes[index])
            for index, span in enumerate(ends)
        ]

    def concat(self, x: str | None = None, axis: int = 1) -> str:
        x = x or self.map()
        shape = self.shapes[x]
        fits = [
            name
            for name, other in self.shapes.items()
            if len(other) == 4 and _without(other, axis) == _without(shape, axis)
        ]
        names = [x, *self.draw(st.lists(st.sampled_from(fits[-4:]), min_size=1, max_size=2))]
        names = names[::-1] if self.maybe() else names
        total = sum(self.shapes[name][axis] for name in names)
        return self.add("Concat", " ".join(names), (*shape[:axis], total, *shape[axis + 1 :]), axis=axis)

    def resize(self, x: str | None = None, shrink: bool | None = None) -> str:
        x = x or self.map()
        shape = self.shapes[x]
        shrink = self.maybe() if shrink is None else shrink
        factors = [1.0, 1.0, *(self.pick([0.5, 0.25, 0.4, 1] if shrink else [2, 3, 1.3, 1]) for _ in range(2))]
        if self.draw(st.integers(0, 5)) == 0:
            factors[1] = 2.0
        after = [max(int(np.floor(np.float32(f) * size)), 1) for f, size in zip(factors, shape, strict=True)]
        exact = all(int(np.floor(np.float32(f) * size)) >= 1 for f, size in zip(factors, shape, strict=True))
        mode = self.pick(["linear", "linear", "linear", "nearest", "cubic"]) if factors[1] == 1 else "nearest"
        attributes: dict[str, Any] = {
            "mode": mode,
            "coordinate_transformation_mode": self.pick(
                ["half_pixel", "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
            ),
        }
        on = [0, 1, 2, 3]
        if factors[1] == 1 and self.maybe():
            on = self.pick([[2, 3], [3, 2]])
            attributes["axes"] = on
        if exact and self.maybe():
            inputs = f"{x} - {self.constant(np.array([factors[axis] for axis in on], np.float32))}"
        else:
            inputs = f"{x} - - {self.constant(np.array([after[axis] for axis in on]))}"
        if self.draw(st.integers(0, 7)) == 0 and mode == "linear" and "axes" not in attributes and "- -" not in inputs:
            attributes |= {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.0}
            inputs = inputs.replace(" - ", f" {self.constant(np.array([0, 0, 0, 0, 1, 1, 1.2, 1], np.float32))} ", 1)
        return self.add("Resize", inputs, tuple(after), **attributes)

    def pool(self, x: str | None = None) -> str:
        x = x or self.map()
        batch, channels, height, width = self.shapes[x]
        kernel = [self.draw(st.integers(1, min(2, size))) for size in (height, width)]
        strides = [self.draw(st.integers(1, 2)) for _ in range(2)]
        attributes: dict[str, Any] = {"count_include_pad": int(self.maybe())}
        sizes = [(size - kernel[axis]) // strides[axis] + 1 for axis, size in enumerate((height, width))]
        if self.draw(st.integers(0, 3)) == 0:
            attributes["auto_pad"] = self.pick(["SAME_UPPER", "SAME_LOWER"])
            strides = [min(stride, side) for stride, side in zip(strides, kernel, strict=True)]  # ONNX Runtime's rule
            sizes = [-(-size // strides[axis]) for axis, size in enumerate((height, width))]
        return self.add("AveragePool", x, (batch, channels, *sizes), kernel_shape=kernel, strides=strides, **attributes)

    def mean(self, x: str | None = None, keepdims: int | None = None) -> str:
        x = x or self.map()
        keepdims = int(self.maybe()) if keepdims is None else keepdims
        batch, channels, *_ = self.shapes[x]
        if keepdims and self.maybe():
            return self.add("GlobalAveragePool", x, (batch, channels, 1, 1))
        axes = self.constant(np.array(self.pick([[2, 3], [-1, -2]])))
        shape = (batch, channels, 1, 1) if keepdims else (batch, channels)
        return self.add("ReduceMean", f"{x} {axes}", shape, keepdims=keepdims)

    def flatten(self, x: str | None = None) -> str | None:
        x = x or self.value(lambda shape: len(shape) == 4 and shape[2:] == (1, 1))
        if x is None:
            return None
        shape = self.shapes[x][:2]
        kind = self.pick(["Reshape", "Flatten", "Squeeze"])
        extra = {"Reshape": np.array(shape), "Squeeze": np.array([2, 3])}
        return self.add(kind, f"{x} {self.constant(extra[kind])}" if kind in extra else x, shape)

    def unflatten(self, x: str | None = None) -> str | None:
        x = x or self.value(lambda shape: len(shape) == 2)
        if x is None:
            return None
        shape = (*self.shapes[x], 1, 1)
        kind = self.pick(["Reshape", "Unsqueeze"])
        extra = np.array(shape if kind == "Reshape" else [2, 3])
        return self.add(kind, f"{x} {self.constant(extra)}", shape)

    def linear(self, x: str | None = None) -> str | None:
        x = x or self.value(lambda shape: len(shape) == 2)
        if x is None:
            return None
        (batch, inputs), outputs = self.shapes[x], self.draw(st.integers(1, 4))
        if self.maybe():
            return self.add("MatMul", f"{x} {self.numbers(inputs, outputs)}", (batch, outputs))
        transposed = int(self.maybe())
        names = f"{x} {self.numbers(*([outputs, inputs] if transposed else [inputs, outputs]))}"
        bias = self.pick([None, (outputs,), (1, outputs), (batch, 1), (batch, outputs), (1,), ()])
        if bias is not None:
            names += f" {self.numbers(*bias)}"
        return self.add("Gemm", names, (batch, outputs), transB=transposed, alpha=self.pick([1.0, 0.5]), beta=2.0)

    def expand(self, x: str | None = None) -> str:
        """An Expand, often read by an op that broadcasts."""
        x = x or self.value(lambda shape: len(shape) == 4 and 1 in shape) or self.mean(keepdims=1)
        other = self.value(lambda shape: len(shape) == 4 and _broadcast(shape, self.shapes[x]) == shape)
        shape = self.shapes[other] if other else tuple(2 if size == 1 else size for size in self.shapes[x])
        expanded = self.add("Expand", f"{x} {self.constant(np.array(shape))}", shape)
        second = self.pick([expanded, other or expanded])
        order = [expanded, second] if self.maybe() else [second, expanded]
        return self.add(self.pick(["Mul", "Add", "Sub"]), " ".join(order), shape)

    # Patterns, whose values the ops above may read too

    def partial_norm(self) -> None:
        x = self.conv()
        while self.shapes[x][1] < 2:
            x = self.conv()
        parts = self.split(x)
        norms = [self.batch_norm, self.instance_norm] if self.maybe() else [self.instance_norm, self.batch_norm]
        normed = [norm(part) for norm, part in zip(norms, parts, strict=True)]
        self.add("Concat", " ".join(normed), self.shapes[x], axis=1)

    def squeeze_excitation(self) -> None:
        x = self.map()
        batch, channels, *_ = self.shapes[x]
        flat = self.mean(x, keepdims=0) if self.maybe() else self.flatten(self.mean(x, keepdims=1))
        hidden = self.activation(self.linear(flat))
        back = self.add("MatMul", f"{hidden} {self.numbers(self.shapes[hidden][1], channels)}", (batch, channels))
        gate = self.unflatten(self.activation(back))
        if self.maybe():
            gate = self.add("Expand", f"{gate} {self.constant(np.array(self.shapes[x]))}", self.shapes[x])
        self.add("Mul", f"{x} {gate}", self.shapes[x])

    def scaled_convs(self) -> None:
        x = self.affine()
        if len(self.shapes[x]) != 4:
            return
        for _ in range(self.draw(st.integers(1, 2))):
            y = x
            for step in self.draw(st.lists(st.sampled_from([self.pool, self.resize, self.concat]), max_size=2)):
                y = step(y)
            self.conv(y)

    def enlarged_conv(self) -> None:
        x = self.resize(shrink=False)
        batch, channels, height, width = self.shapes[x]
        size = 3 if channels >= 9 and min(height, width) >= 3 else 1
        pads = [self.draw(st.integers(0, size // 2)) for _ in range(4)]
        after = (height + pads[0] + pads[2] - size + 1, width + pads[1] + pads[3] - size + 1)
        outputs = max(channels // size**2, 1)
        self.add("Conv", f"{x} {self.numbers(outputs, channels, size, size)}", (batch, outputs, *after), pads=pads)

    def halved(self) -> None:
        """A shrink by whole numbers, even where the size allows it."""
        x = self.map()
        shape = self.shapes[x]
        factors = [self.pick([f for f in (2, 4, 1) if size % f == 0]) for size in shape[2:]]
        after = (*shape[:2], *(size // factor for size, factor in zip(shape[2:], factors, strict=True)))
        scales = self.constant(np.array([1, 1, *(1 / factor for factor in factors)], np.float32))
        sizes = self.constant(np.array(after))
        self.add("Resize", self.pick([f"{x} - {scales}", f"{x} - - {sizes}"]), after, mode="linear")

    def normalised_conv(self) -> None:
        self.batch_norm(self.conv_transpose() if self.maybe() else self.conv())

    def step(self) -> None:
        patterns = [
            self.partial_norm,
            self.squeeze_excitation,
            self.scaled_convs,
            self.enlarged_conv,
            self.halved,
            self.normalised_conv,
            self.expand,
        ]
        single = [
            *(self.activation, self.affine, self.binary, self.conv, self.conv_transpose, self.batch_norm),
            *(self.instance_norm, self.split, self.concat, self.resize, self.pool, self.mean, self.flatten),
            *(self.unflatten, self.linear),
        ]
        self.pick(patterns if self.maybe() else single)()

    def outputs(self) -> list[str]:
        """Every value that nothing reads, but for some, and some that are read too."""
        made = [name for item in self.nodes for name in item.output]
        read = {name for item in self.nodes for name in item.input}
        unread = [name for name in made if name not in read]
        kept = self.draw(st.lists(st.sampled_from(made), max_size=2))
        dropped = self.draw(st.lists(st.sampled_from(unread), max_size=1))
        chosen = dict.fromkeys([*(name for name in unread if name not in dropped), *kept])
        return list(chosen or [made[-1]])


def _broadcast(one: Shape, other: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(one, other)
    except ValueError:
        return None


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


@st.composite
def graphs(draw: Callable[[Any], Any]) -> onnx.ModelProto:
    """A checked model of one to four patterns or ops."""
    drawn = Drawn(draw)
    channels = draw(st.sampled_from([1, 2, 3, 4, 6, 9]))
    size = [draw(st.sampled_from([1, 2, 3, 4, 6, 8])) for _ in range(2)]
    drawn.shapes["x"] = (draw(st.integers(1, 3)), channels, *size)
    for _ in range(draw(st.integers(1, 4))):
        drawn.step()
    drawn.activation()  # some steps find nothing that they fit
    return model(
        drawn.nodes,
        inputs={"x": drawn.shapes["x"]},
        outputs=drawn.outputs(),
        constants=drawn.constants,
        opset=draw(st.sampled_from([18, 22])),
    )
