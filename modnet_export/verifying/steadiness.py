"""How much mattes flicker from frame to frame, as the network gives them and with each way against it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modnet_export.images.imaging import Pixels, resize
from modnet_export.images.inputs import Input, Truths
from modnet_export.images.temporal import STEADIERS, Steadier, flow, grey_of, warped
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Steadiness


@dataclass(frozen=True)
class Seen:
    """A frame with its matte, the matte to compare that with, and whether the frame before is the one before it.

    ``expected`` is of the part of the model's input that shows the frame, h x w.
    """

    sample: Sample
    expected: Pixels
    follows: bool


@dataclass
class _Way:
    steadier: Steadier
    waiting: deque[tuple[Seen, Pixels | None]] = field(default_factory=deque)
    before: Pixels | None = None
    flickers: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(self, seen: Seen, motion: Pixels | None) -> None:
        self.waiting.append((seen, motion))
        self.show(self.steadier.push(seen.sample.image_nhwc, seen.sample.matte_nhwc, motion))

    def show(self, matte_nhwc: Pixels | None) -> None:
        if matte_nhwc is None:
            return
        (seen, motion), matte = self.waiting.popleft(), matte_nhwc[0, ..., 0]
        if motion is not None and self.before is not None:
            self.flickers.append(warped_flicker(seen.sample, matte, self.before, motion))
        self.errors.append(float(np.abs(seen.sample.shown(matte_nhwc) - seen.expected).mean()))
        self.before = matte


def warped_flicker(sample: Sample, matte: Pixels, before: Pixels, motion: Pixels) -> float:
    """mean |p_t - warp(p_(t-1))|, the matte before being moved along the motion of the picture (``flow``).

    Both mattes are of the model's size, h x w; the mean is over what shows the frame. Lai et al., "Learning Blind Video
    Temporal Consistency", ECCV 2018.
    """
    change = np.abs(matte - warped(before, motion))
    return float(sample.shown(change[None, ..., None]).mean())


def steadiness(
    frames: Iterable[Seen], ways: Mapping[Any, Callable[[], Steadier]] = STEADIERS
) -> dict[Any, tuple[float, float]]:
    """The flicker and the error of mattes by every way, means over all frames; in constant memory.

    Of ``warped_flicker``, less is steadier, but a matte that lags or smears is steady, too: the error, mean
    |p - expected|, sees that. Empty where no frame follows another.
    """
    running: dict[Any, _Way] = {}
    found: dict[Any, list[_Way]] = {name: [] for name in ways}
    grey: Any = None
    for seen in frames:
        before, grey = grey, grey_of(seen.sample.image_nhwc)
        follows = seen.follows and before is not None and before.shape == grey.shape
        if not follows:
            _finish(running)
            running = {name: _Way(make()) for name, make in ways.items()}
            for name, way in running.items():
                found[name].append(way)
        motion = flow(grey, before) if follows else None
        for way in running.values():
            way.add(seen, motion)
    _finish(running)
    return {
        name: (float(np.mean(flickers)), float(np.mean([error for part in parts for error in part.errors])))
        for name, parts in found.items()
        if (flickers := [value for part in parts for value in part.flickers])
    }


def _finish(running: Mapping[Any, _Way]) -> None:
    for way in running.values():
        way.show(way.steadier.finish())


def of_reference(inputs: Sequence[Input], sample: Callable[[Input], Sample]) -> tuple[Steadiness, ...]:
    """Every way on the reference's mattes of a video; nothing where no input follows another.

    The error is the distance from the true mattes, where every input has one, else from the mattes as they are.
    """
    if not any(item.follows for item in inputs):
        return ()
    true = all(item.truth is not None for item in inputs)
    truths = Truths()

    def seen(item: Input) -> Seen:
        one = sample(item)
        return Seen(one, _truth(truths, item, one) if true else one.shown(one.matte_nhwc), item.follows)

    found = steadiness(map(seen, inputs))
    return tuple(
        Steadiness(temporal=name, flicker=flicker, mad=mad, true=true) for name, (flicker, mad) in found.items()
    )


def _truth(truths: Truths, item: Input, sample: Sample) -> Pixels:
    """The true matte at the size at which the model sees the frame."""
    assert sample.placement is not None
    truth = truths.of(item, (sample.placement.height, sample.placement.width))
    assert truth is not None
    return resize(truth, sample.placement.inner_height, sample.placement.inner_width)
