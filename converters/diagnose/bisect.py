"""The op at which a graph goes wrong, by its own error: ``docs/verification.md`` says how in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from converters.diagnose import EXACT_DB
from converters.diagnose.counterparts import ByName, ByValue
from converters.diagnose.rerun import Graph, Node
from converters.diagnose.snr import snr_db
from converters.diagnose.tracing import Step, tensor
from converters.diagnose.walk import Array, Walk, like, only_moves
from converters.runtimes.protocol import Image

_CANDIDATES, _TESTS = 8, 200
_WORST = 8
_CHANNEL_DB = 20.0
"""How far a single channel may lie below the limit: all channels of an int8 tensor have the noise of the strongest."""
_FAINT = 0.01
"""A channel's noise is compared with at least this share of the mean channel's signal: a silent one has none."""
_CONVOLUTIONS = ("conv", "depthwiseconv", "gemm", "matmul", "batchmatmul", "linear", "fullyconnected", "transposeconv")

Kind = Literal["not finite", "leaves", "rounding"]


@dataclass(frozen=True)
class Divergence:
    """The op at which a graph leaves its parent."""

    op: Node
    beside: tuple[Node, ...]
    """The ops before it that the parent writes differently: with them it is one computation there."""
    reader: Node | None
    """The first op that reads the result."""
    parent_op: Step | None
    """The op of the parent that computes what this one should; None where that is not known."""
    own_db: float
    """The SNR of the op's result, run on the parent's values, against what the parent has."""
    kind: Kind
    """``not finite``: it makes NaN or infinity. ``leaves``: its result is wrong. ``rounding``: no op is wrong, and this
    is the one whose rounding moves the graph's output most."""
    channel: int | None = None
    """The channel that is wrong, where not all are alike."""


def diverge(graph: Graph, parent: Sequence[Step], image_nhwc: Image, limit_db: float) -> Divergence | None:
    """Where ``graph`` leaves ``parent``, whose steps are of the same image; None where no op loses anything.

    ``limit_db``: what the result of every sound op reaches when it is run on the parent's values; ``EXACT_DB`` for
    graphs in float32.
    """
    named = ByName(graph, parent)
    by_name = limit_db < EXACT_DB and named.has_most_of(graph)
    walk = Walk(graph, named if by_name else ByValue(parent, limit_db), image_nhwc)
    broken = walk.first_not_finite()
    if broken is not None:
        return _divergence(walk, broken, "not finite")
    if by_name:
        return _worst_of_named(walk, limit_db)
    unresolved = walk.unresolved()
    return _leaving(walk, unresolved) if unresolved else _rounding(walk)


def _leaving(walk: Walk, unresolved: Sequence[int]) -> Divergence:
    """The first op whose result, replaced by one of the parent's, makes all counterparts behind it return."""
    missing, factors = _missing(walk), _factors(walk, unresolved)
    tests = 0
    for index in unresolved:
        (own, *others) = walk.result(index)
        if others:
            continue
        for step, result in _candidates(walk, index, own, missing, factors):
            tests += 1
            if walk.heals(index, result):
                own_db = snr_db(tensor(own), tensor(result))
                if step is None:
                    return _divergence(walk, index, "leaves", None, own_db)
                short = _stopped_short(walk, index, step, missing)
                return short or _divergence(walk, _blamed(walk, index), "leaves", step, own_db)
        if tests > _TESTS:
            break
    first = next((index for index in unresolved if not only_moves(walk.judged[index].node)), unresolved[0])
    return _divergence(walk, first, "leaves")


def _stopped_short(walk: Walk, index: int, step: int, missing: Sequence[int]) -> Divergence | None:
    """An op that this one reads and that ends too early: the parent goes on with its result before ``step``.

    Without its activation, say, an op gives what the parent has before the activation: it has a counterpart, and the op
    that reads it seems to be wrong.
    """
    between, waiting = set[int](), [step]
    while waiting:
        sources = set(walk.parent[waiting.pop()].inputs) & set(missing) - between
        between |= sources
        waiting += sources
    for maker in sorted(walk.makers(index)):
        own = walk.result(maker)[0]
        ends = {found.step for found in walk.judged[maker].counterparts if found is not None}
        for later in sorted(between):
            output = walk.parent[later].output
            goes_on = ends & set(walk.parent[later].inputs) and output.shape == tensor(own).shape
            if goes_on and walk.heals(maker, like(output, own)):
                return _divergence(walk, maker, "leaves", later, snr_db(tensor(own), output))
    return None


def _missing(walk: Walk) -> list[int]:
    """The parent's steps that the graph should have counterparts of and has not, those that depend on fewest others
    first."""
    parent = walk.parent
    claimed = {
        found.step
        for item in walk.judged
        for found in item.counterparts
        if found is not None and found.tensor is parent[found.step].output
    }
    readers: dict[int, list[int]] = {}
    for index, step in enumerate(parent):
        for source in step.inputs:
            readers.setdefault(source, []).append(index)
    wanted: set[int] = set()
    for index in reversed(range(len(parent))):
        if index not in claimed and (index == len(parent) - 1 or wanted & set(readers.get(index, ()))):
            wanted.add(index)
    depth: dict[int, int] = {}
    for index in sorted(wanted):
        depth[index] = 1 + max((depth.get(source, 0) for source in parent[index].inputs), default=0)
    return sorted(wanted, key=lambda index: (depth[index], index))


def _factors(walk: Walk, unresolved: Sequence[int]) -> list[float]:
    """The factors by which whole tensors of the graph differ from tensors of the parent: a pass may have moved a scale
    into the weights behind them."""
    found = {1.0}
    for index in unresolved:
        own = tensor(walk.values[walk.judged[index].node.outputs[0]])
        for other in (step.output for step in walk.parent if step.output.shape == own.shape and len(own.shape) > 1):
            factor = _factor(own.values.astype(np.float64), other.values.astype(np.float64))
            found |= set() if factor is None else {factor}
    return sorted(found, key=lambda factor: abs(math.log(abs(factor) or 1)))


def _factor(own: Array, other: Array) -> float | None:
    """By what one tensor is a multiple of another; None where it is none."""
    with np.errstate(invalid="ignore"):  # a mask may hold infinity
        factor = float((own * other).sum()) / (float(np.square(other).sum()) or 1.0)
        noise, limit = (
            float(np.square(own - factor * other).sum()),
            10 ** (-EXACT_DB / 10) * float(np.square(own).sum()),
        )
    return float(np.float32(factor)) if noise < limit else None


def _candidates(
    walk: Walk, index: int, own: Array, missing: Sequence[int], factors: Sequence[float]
) -> Iterator[tuple[int | None, Array]]:
    """What the op may have had to compute, and the step of the parent that computes it: the op with its inputs in
    another order, or a tensor of the parent."""
    node, shape = walk.judged[index].node, tensor(own).shape
    if node.kind.startswith("sub"):
        yield None, -own
    if node.kind.startswith("concat") and len(node.inputs) == 2:
        first, second = (walk.values[name] for name in node.inputs)
        # Channels, unless the sizes of another axis differ.
        differ = [axis for axis, sizes in enumerate(zip(first.shape, second.shape, strict=True)) if len(set(sizes)) > 1]
        axis = differ[0] if differ else 1 if own.ndim == 4 else -1
        for one, other in ((first, second), (second, first)):
            yield None, np.concatenate([one, other], axis)
    forms = [(step, form) for step in missing for form in (walk.parent[step].output, *walk.parent[step].inner)]
    found = [(step, form) for step, form in forms if form.shape == shape]
    for step, form in found[:_CANDIDATES]:
        for factor in factors:
            yield step, like(form, own) * own.dtype.type(factor)
    if not found and node.kind in ("mean", "reducemean") and own.ndim == 4:  # over other axes
        found = [(step, form) for step, form in forms if form.shape == own.shape[1:2]][:_CANDIDATES]
        yield from ((step, form.whole.reshape(1, -1, 1, 1)) for step, form in found)


def _open_before(walk: Walk, index: int) -> list[int]:
    """The open ops that lead to an op, in order."""
    found, waiting = set[int](), [index]
    while waiting:
        before = {place for place in walk.makers(waiting.pop()) if walk.judged[place].is_open} - found
        found |= before
        waiting += before
    return sorted(found)


def _blamed(walk: Walk, index: int) -> int:
    """The op to name where the parent has nothing for the ops that lead to one: the first of them with weights."""
    group = [index] if _is_convolution(walk.judged[index].node) else [*_open_before(walk, index), index]
    return next((place for place in group if _is_convolution(walk.judged[place].node)), index)


def _is_convolution(node: Node) -> bool:
    return node.kind.startswith(_CONVOLUTIONS)


def _worst_of_named(walk: Walk, limit_db: float) -> Divergence | None:
    """The op that is further from its counterpart than rounding takes it, and moves the output most."""
    wrong = {index: channel for index in range(len(walk.judged)) for channel in _wrong(walk, index, limit_db)}
    if not wrong:
        return _rounding(walk)
    least = sorted(wrong, key=lambda index: walk.judged[index].own_db)[:_WORST]
    index = max(least, key=walk.effect) if len(least) > 1 else least[0]
    return _divergence(walk, index, "leaves", channel=wrong[index])


def _wrong(walk: Walk, index: int, limit_db: float) -> Iterator[int | None]:
    """The channel that is wrong, None for a whole tensor, and nothing for a sound op."""
    item = walk.judged[index]
    if item.own_db < limit_db:
        yield None
        return
    for value, found in zip(walk.result(index), item.counterparts, strict=True):
        own = tensor(value).whole.astype(np.float64)
        if found is not None and own.ndim == 3:
            expected = found.tensor.whole.astype(np.float64)
            signal, noise = np.square(expected).mean((1, 2)), np.square(own - expected).mean((1, 2))
            share = noise / (signal + _FAINT * signal.mean() + item.floor + np.finfo(np.float64).tiny)
            if share.max() > 10 ** ((_CHANNEL_DB - limit_db) / 10):
                yield int(share.argmax())


def _rounding(walk: Walk) -> Divergence | None:
    """The op whose own error moves the output most, where none is wrong."""
    order = sorted(range(len(walk.judged)), key=lambda index: walk.judged[index].own_db)
    lossy = [index for index in order if math.isfinite(walk.judged[index].own_db)][:_WORST]
    return _divergence(walk, max(lossy, key=walk.effect), "rounding") if lossy else None


def _divergence(
    walk: Walk,
    index: int,
    kind: Kind,
    step: int | None = None,
    own_db: float | None = None,
    channel: int | None = None,
) -> Divergence:
    item = walk.judged[index]
    found = next((one for one in item.counterparts if one is not None), None)
    if step is None and found is not None:
        step = found.step
    readers = [reader for name in item.node.outputs for reader in walk.readers.get(name, ())]
    return Divergence(
        item.node,
        tuple(walk.judged[place].node for place in _open_before(walk, index)),
        walk.judged[readers[0]].node if readers else None,
        None if step is None else walk.parent[step],
        -math.inf if not item.is_finite else item.own_db if own_db is None else own_db,
        kind,
        channel,
    )
