"""Which tensors of a graph can be int8 within a budget: a sensitivity of every group, then the fastest placement.

``placement`` gives the fastest placement for every weight of exactness against time, by estimates. A bisection over
these, on finished models, finds the fastest one that holds the budget. Estimates only order them; every point that is
reported was measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converters.budget import Budget, Point
from converters.errors import CheckFailedError, ExportError
from converters.progress import Progress, silent
from converters.tflite import builder as fb
from converters.tflite.int8.graph import Graph, Group
from converters.tflite.int8.placement import Placements
from converters.tflite.int8.ranges import Parameters
from converters.tflite.int8.sensitivity import Image, least_sure, sensitivities
from converters.tflite.int8.state import State, fingerprint
from converters.tflite.interpreter import function

_LATENCY_RUNS = 5
_SAME_PRICE = 0.01
"""A difference in estimated time that nobody notices, as a share of the float model's."""
_ABOVE_FLOAT = 1.5
"""How many times the differences of the model that computes in float are allowed where the budget is not required: in
small images the rounding of 8-bit weights alone can take most of it, and leaving int8 out would mend nothing."""


@dataclass(frozen=True)
class Search:
    """What is searched, and within which bounds."""

    data: bytes
    """The float model."""
    groups: Sequence[Group]
    """The groups of its tensors that may be int8."""
    scales: Mapping[int, Parameters]
    """The parameters of these tensors."""
    images: Sequence[Image]
    """What is measured on, each 1 x H x W x 3 in [0, 1]."""
    expected: Sequence[Image]
    """The float model's matte of each, see ``mattes``."""
    budget: Budget
    build: Callable[[Mapping[int, Parameters]], bytes]
    """Makes the model in which the given tensors are int8."""
    run: Callable[[bytes], Callable[[Image], Image]] = function
    """Opens what ``build`` makes: gives the function from an image to its matte."""
    variant: str = ""
    """A name for ``build``: points that another variant measured are not used."""
    required: bool = True
    """Whether the budget is meant as it is; otherwise a bound on differences of which the model that computes in float
    takes most is raised to 1.5 times what it has, so that some model holds it."""
    extra_points: int = 0
    """How many more are measured, evenly between all groups in int8 and none, for a Pareto plot."""


@dataclass(frozen=True)
class Found:
    """The point that was chosen, its model, and every point that was measured on the way."""

    point: Point
    model: bytes
    chosen: Mapping[int, Parameters]
    """The tensors that are int8, with their parameters."""
    points: tuple[Point, ...]
    budget: Budget
    """What it holds."""


def mattes(data: bytes, images: Sequence[Image]) -> list[Image]:
    """A float model's mattes, 1 x H x W x 1."""
    run = function(data)
    return [run(image) for image in images]


def search(request: Search, *, state: Path | None = None, progress: Progress = silent) -> Found:
    """The model with the most int8 that holds the budget.

    ``state``: a file that keeps sensitivities and points, so that a search that was stopped goes on. Raises
    CheckFailedError naming the nearest point where no model holds the budget, ExportError where a model's matte is not
    finite.
    """
    trials = _Trials(request, state, progress)
    counts = sorted(trials.placements)
    low, high = -1, len(counts) - 1
    budget = request.budget if request.required else request.budget.above(trials.point(counts[high]), _ABOVE_FLOAT)
    while high - low > 1:  # the budget is taken to be held at ``high``, and not at ``low``
        middle = (low + high) // 2
        low, high = (low, middle) if budget.held(trials.point(counts[middle])) else (middle, high)
    for place in np.linspace(0, len(counts) - 1, request.extra_points).round().astype(int):
        trials.point(counts[place])
    trials.point(counts[high])
    # Of models that are equally fast the most exact one.
    trials.point(max(trials.as_fast_as(counts[high])))
    points = tuple(sorted(trials.points.values(), key=lambda point: point.left_in_float))
    held = [point for point in points if budget.held(point)]
    if not held:
        raise _missed(budget, min(points, key=budget.excess))
    as_fast = trials.as_fast_as(min(point.left_in_float for point in held))
    best = min(
        (point for point in held if point.left_in_float in as_fast),
        key=lambda point: (budget.excess(point), point.left_in_float),
    )
    return Found(best, trials.model(best.left_in_float), trials.chosen(best.left_in_float), points, budget)


class _Trials:
    """The models of one search, by how many groups are left in float, and what was measured of them."""

    def __init__(self, request: Search, state: Path | None, progress: Progress) -> None:
        self._request, self._progress = request, progress
        self._state = State(state, request.variant, fingerprint(request.data, request.images))
        self._graph = Graph(fb.read(request.data))
        self._models: dict[int, bytes] = {}
        errors = sensitivities(
            request.data,
            request.groups,
            request.scales,
            least_sure(request.images, request.expected),
            known=self._state.sensitivities,
            keep=self._state.keep,
            progress=progress,
        )
        found = Placements(self._graph, request.groups, errors).fastest()
        self.placements = {item.left_in_float: item for item in found}
        self.points = {point.left_in_float: point for point in self._state.points}
        # Halving the number of placements, the extra points, the last one once more, the most exact that is as fast.
        first = 0 if request.required else 1
        self._asked, self._total = 0, len(found).bit_length() + request.extra_points + 2 + first

    def chosen(self, count: int) -> dict[int, Parameters]:
        """The tensors that are int8 where ``count`` groups are left in float."""
        return {tensor: self._request.scales[tensor] for tensor in sorted(self.placements[count].tensors)}

    def as_fast_as(self, count: int) -> list[int]:
        """The numbers of groups in float of the placements that take no longer than this one."""
        dearest = self.placements[count].price + _SAME_PRICE
        return [item.left_in_float for item in self.placements.values() if item.price <= dearest]

    def model(self, count: int) -> bytes:
        if count not in self._models:
            self._models.clear()  # one at a time: they are megabytes
            self._models[count] = self._request.build(self.chosen(count))
        return self._models[count]

    def point(self, count: int) -> Point:
        self._asked += 1
        self._progress("searching", self._asked - 1, self._total)
        if count not in self.points:
            self.points[count] = self._measured(count)
            self._state.add(self.points[count])
        return self.points[count]

    def _measured(self, count: int) -> Point:
        model, images = self.model(count), self._request.images
        run = self._request.run(model)
        differences = [np.abs(run(image) - matte) for image, matte in zip(images, self._request.expected, strict=True)]
        times = []
        for _ in range(_LATENCY_RUNS):
            start = time.perf_counter()
            run(images[0])
            times.append((time.perf_counter() - start) * 1e3)
        means = [float(item.mean()) for item in differences]
        mad = float(np.mean(means))
        if not math.isfinite(mad):
            raise ExportError(
                f"the matte of the model with {count} of {len(self._request.groups)} groups in float is not finite",
                expected="a float model whose matte is finite on every image",
                next_step="check the checkpoint and the images",
            )
        return Point(
            left_in_float=count,
            integer_macs=self._graph.macs_in_int8(self.chosen(count)),
            mad=mad,
            p999=float(np.max([np.quantile(item, 0.999) for item in differences])),
            max_abs_difference=float(np.max([item.max() for item in differences])),
            latency_ms=min(times),
            size_mb=len(model) / 1e6,
            p95_mad=float(np.quantile(means, 0.95)),
            worst_mad=max(means),
        )


def _missed(budget: Budget, nearest: Point) -> CheckFailedError:
    return CheckFailedError(
        f"no choice of int8 holds {budget}",
        expected=str(budget),
        next_step=f"the nearest: mad {nearest.mad:.2g} (95 % of images {nearest.p95_mad or 0:.2g}, "
        f"the worst {nearest.worst_mad or 0:.2g}), "
        f"p999 {nearest.p999:.2g}, max {nearest.max_abs_difference:.2g}, "
        f"{nearest.latency_ms:.0f} ms, {nearest.size_mb:.1f} MB, with "
        f"{nearest.integer_macs:.0%} of the multiplications in int8: allow that, or choose another precision",
    )
