"""Faults seeded into exported artefacts: one op of a copy is spoiled, drawn by a seed over kinds, ops and sizes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Array = np.ndarray
Rng = np.random.Generator


@dataclass(frozen=True)
class Seeded:
    """What was done to an artefact."""

    kind: str
    op: str
    tensor: str
    group: frozenset[str]
    """The outputs of the op and, of a convolution, of the activation behind it."""


class Ops(ABC):
    """An artefact's ops by index, to put a fault in. Weights are OIHW; what an op does not have is None."""

    kinds: list[str]
    """ONNX's name of each operator."""
    tensors: list[str]
    """The name of each op's output."""
    readers: dict[str, list[int]]

    @abstractmethod
    def read(self, index: int, role: str) -> Array | None: ...

    @abstractmethod
    def store(self, index: int, role: str, values: Array) -> None: ...

    @abstractmethod
    def swap(self, index: int) -> None: ...

    @abstractmethod
    def changeable(self, index: int, kind: str) -> bool:
        """Whether ``change`` has a fault of this kind (activation, padding, attribute) for the op."""

    @abstractmethod
    def change(self, index: int, kind: str) -> None: ...

    @abstractmethod
    def write(self, path: Path) -> None: ...

    def group(self, index: int) -> set[str]:
        found = {self.tensors[index]}
        if self.kinds[index] == "Conv":
            found |= {
                self.tensors[i] for i in self.readers.get(self.tensors[index], []) if self.kinds[i] in ACTIVATIONS
            }
        return found


ACTIVATIONS = ("Relu", "Clip")


def _strongest(weights: Array) -> int:
    return int(np.square(weights).reshape(len(weights), -1).sum(1).argmax())


def _scaled(weights: Array, rng: Rng) -> Array:
    return weights * rng.choice([1.0005, 1.002, 1.01, 1.1, 3.0, -1.0])


def _one_channel(weights: Array, rng: Rng) -> Array:
    weights[_strongest(weights)] *= rng.choice([1.05, 3.0, -1.0, 0.0])
    return weights


def _inputs_swapped(weights: Array, rng: Rng) -> Array:
    pair = rng.choice(weights.shape[1], 2, replace=False)
    weights[:, pair] = weights[:, pair[::-1]]
    return weights


def _outputs_swapped(weights: Array, rng: Rng) -> Array:
    first = _strongest(weights)
    second = (first + 1 + rng.integers(len(weights) - 1)) % len(weights)
    weights[[first, second]] = weights[[second, first]]
    return weights


def _transposed(weights: Array, rng: Rng) -> Array:
    return weights.swapaxes(2, 3)


def _not_finite(weights: Array, rng: Rng) -> Array:
    weights.reshape(-1)[rng.integers(weights.size)] = rng.choice([np.inf, -np.inf, np.nan])
    return weights


def _bias(bias: Array, rng: Rng) -> Array:
    if rng.integers(2):
        bias[int(np.abs(bias).argmax())] *= -1
        return bias
    return bias + rng.choice([0.01, 0.1, 1.0])


def _constant(constant: Array, rng: Rng) -> Array:
    return constant * rng.choice([0.5, 0.9, 1.1, 2.0])


@dataclass(frozen=True)
class _Stored:
    """A fault in numbers that a file holds."""

    role: str
    spoil: Callable[[Array, Rng], Array]
    suits: Callable[[tuple[int, ...]], bool] = lambda shape: True


KINDS: dict[str, _Stored | None] = {
    "weights scaled": _Stored("weights", _scaled),
    "channel scaled": _Stored("weights", _one_channel),
    "inputs swapped": _Stored("weights", _inputs_swapped, lambda shape: shape[1] > 1),
    "outputs swapped": _Stored("weights", _outputs_swapped, lambda shape: shape[0] > 1),
    "kernel transposed": _Stored("weights", _transposed, lambda shape: shape[2] > 1),
    "not finite": _Stored("weights", _not_finite),
    "bias": _Stored("bias", _bias),
    "constant": _Stored("constant", _constant),
    "order": None,
    "activation": None,
    "padding": None,
    "attribute": None,
}


def seed(ops: Ops, number: int) -> Seeded:
    """Spoil one op. Numbers that follow each other give different kinds; every third of the graph is as likely."""
    rng = np.random.default_rng(number)
    names = list(KINDS)
    for kind in names[number % len(names) :] + names:
        stored = KINDS[kind]
        fit = [index for index in range(len(ops.kinds)) if _suits(ops, index, kind, stored)]
        if fit:
            parts = [part for part in np.array_split(fit, 3) if len(part)]
            index = int(rng.choice(parts[rng.integers(len(parts))]))
            done = Seeded(kind, ops.kinds[index], ops.tensors[index], frozenset(ops.group(index)))
            if stored is not None:
                values = ops.read(index, stored.role)
                assert values is not None
                ops.store(index, stored.role, np.ascontiguousarray(stored.spoil(values.copy(), rng), np.float32))
            elif kind == "order":
                ops.swap(index)
            else:
                ops.change(index, kind)
            return done
    raise AssertionError("no fault fits")


def seed_convolution(ops: Ops, place: int, kind: str, spoil: Callable[[Array], Array]) -> Seeded:
    """Spoil the weights of one convolution, by its place among all."""
    found = [index for index, op in enumerate(ops.kinds) if op == "Conv" and ops.read(index, "weights") is not None]
    weights = ops.read(found[place], "weights")
    assert weights is not None
    ops.store(found[place], "weights", np.ascontiguousarray(spoil(weights.copy()), np.float32))
    return Seeded(kind, "Conv", ops.tensors[found[place]], frozenset(ops.group(found[place])))


def _suits(ops: Ops, index: int, kind: str, stored: _Stored | None) -> bool:
    if stored is not None:
        values = ops.read(index, stored.role)
        return values is not None and stored.suits(values.shape)
    if kind == "order":
        return ops.kinds[index] == "Concat" or (ops.kinds[index] == "Sub" and ops.read(index, "constant") is None)
    return ops.changeable(index, kind)
