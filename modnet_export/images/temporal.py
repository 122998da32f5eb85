"""Against flicker in a video: MODNet's one-frame delay, and means along the motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import cv2
import numpy as np

from converters.eight_bit import to_bytes
from modnet_export.images.imaging import Pixels
from modnet_export.record.choices import Temporal

_LARGEST_FLOW, _LEAST_FLOW = 256, 32
THRESHOLD = 0.1
"""How much two alphas may differ and still agree."""


def steadied(previous: Pixels, current: Pixels, following: Pixels, threshold: float = THRESHOLD) -> Pixels:
    """The matte of the middle one of three frames, in which pixels that flickered have the mean of their neighbours.

    A pixel flickered where the frames before and after agree and the current one differs from both by more than the
    threshold (Ke et al., "MODNet", arXiv 2011.11961, versions 1 and 2, "one-frame delay"). It mends lone outliers only.
    All are H x W in [0, 1].
    """
    agree = np.abs(previous - following) <= threshold
    alone = (np.abs(current - previous) > threshold) & (np.abs(current - following) > threshold)
    return np.where(agree & alone, (previous + following) / np.float32(2), current).astype(np.float32)


class OneFrameDelay:
    """The mattes of a video, one frame later and without flicker.

    Each frame is judged by the mattes beside it as the network gave them. A matte of another size begins a new video.
    """

    def __init__(self, threshold: float = THRESHOLD) -> None:
        self._threshold = threshold
        self._previous: Pixels | None = None
        self._current: Pixels | None = None

    def push(self, matte: Pixels) -> Pixels | None:
        """Take the newest frame's matte and give the frame's before it; None for the first frame."""
        previous, current = self._previous, self._current
        self._previous, self._current = current, matte
        if current is None:
            return None
        if current.shape != matte.shape:
            self._previous = None
            return current
        return current if previous is None else steadied(previous, current, matte, self._threshold)

    def finish(self) -> Pixels | None:
        """The last frame's matte, which has none after it; None where there was no frame."""
        last, self._previous, self._current = self._current, None, None
        return last


class Steadier(Protocol):
    """Takes each frame as the model sees it (1 x h x w x 3) with its matte (1 x h x w x 1), and gives steadier mattes.

    As many as it is given, in their order, but perhaps a frame later: None, then. ``motion`` is the ``flow`` from the
    frame before, where the caller has it; None: it is found by those who need it.
    """

    def push(self, image_nhwc: Pixels, matte_nhwc: Pixels, motion: Pixels | None = None) -> Pixels | None: ...

    def finish(self) -> Pixels | None:
        """The matte that is still held back; None where there is none."""


class AsTheyAre:
    """Mattes as the network gives them."""

    def push(self, image_nhwc: Pixels, matte_nhwc: Pixels, motion: Pixels | None = None) -> Pixels | None:
        return matte_nhwc

    def finish(self) -> Pixels | None:
        return None


class Delayed:
    """``OneFrameDelay`` of mattes that come with their frames."""

    def __init__(self) -> None:
        self._delay = OneFrameDelay()

    def push(self, image_nhwc: Pixels, matte_nhwc: Pixels, motion: Pixels | None = None) -> Pixels | None:
        return self._delay.push(matte_nhwc)

    def finish(self) -> Pixels | None:
        return self._delay.finish()


def flow(grey: Any, grey_before: Any) -> Pixels:
    """Where each pixel of a frame (h x w bytes) was in the frame before: h x w x 2, to be added to (x, y).

    Dense inverse search (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016), by OpenCV; of a
    frame with a side above 256, at half its size or less.
    """
    height, width = grey.shape
    step = -(-max(height, width) // _LARGEST_FLOW)
    small = max(-(-height // step), _LEAST_FLOW), max(-(-width // step), _LEAST_FLOW)
    frames = [cv2.resize(item, small[::-1], interpolation=cv2.INTER_AREA) for item in (grey, grey_before)]
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(1)  # at half of the pixels, not a quarter: mattes lag less behind their frames
    found = cv2.resize(search.calc(*frames, None), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(found * np.array([width / small[1], height / small[0]]), np.float32)


def warped(before: Any, motion: Pixels) -> Pixels:
    """Something of the frame before (h x w), moved to where ``flow`` says that it is now; at the border, repeated.

    Bicubic (a = -0.75): bilinear means, frame after frame, would blur hair away. It may leave the range of its values.
    """
    rows, columns = np.indices(motion.shape[:2], np.float32)
    x, y = columns + motion[..., 0], rows + motion[..., 1]
    values = np.asarray(before, np.float32)  # of bytes, OpenCV would round
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_CUBIC, None, cv2.BORDER_REPLICATE), np.float32)


def grey_of(image_nhwc: Pixels) -> Any:
    """A frame as flow takes it: h x w bytes."""
    return to_bytes(image_nhwc[0].mean(axis=2))


WEIGHT = 0.75
"""The most that the matte before counts. Of a mean of so many mattes, noise is (1 - w) / (1 + w) of its variance."""
FOLLOWED = 0.05
"""A difference of two frames' grey values, a mean over 7 x 7 pixels, at which the matte before counts 1/e of that."""
_WINDOW = 7


def followed(grey: Any, grey_before: Any, motion: Pixels) -> Pixels:
    """How much flow can be trusted, h x w in [0, 1]: whether the frame before, moved, looks like this one."""
    moved = warped(grey_before, motion)
    off = cv2.blur(np.abs(grey - moved) / np.float32(255), (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(np.exp(-np.square(off / np.float32(FOLLOWED))), np.float32)


def blended(matte: Pixels, before: Pixels, trust: Pixels) -> Pixels:
    """A matte and the one before, moved to its place: k before + (1 - k) matte, k = ``WEIGHT`` ``trust``; all h x w.

    Clipped to [0, 1].
    """
    share = np.float32(WEIGHT) * trust
    return np.asarray((share * before + (1 - share) * matte).clip(0, 1), np.float32)


class Flow:
    """A running mean of mattes along the motion of the picture, without a delay.

    Where the picture differs much from the frame before, it begins anew; so it does at another size.
    """

    def __init__(self) -> None:
        self._before: tuple[Any, Pixels] | None = None

    def push(self, image_nhwc: Pixels, matte_nhwc: Pixels, motion: Pixels | None = None) -> Pixels | None:
        grey, matte = grey_of(image_nhwc), matte_nhwc[0, ..., 0]
        if self._before is not None and self._before[0].shape == grey.shape:
            grey_before, before = self._before
            motion = flow(grey, grey_before) if motion is None else motion
            matte = blended(matte, warped(before, motion), followed(grey, grey_before, motion))
        self._before = grey, matte
        return matte[None, ..., None]

    def finish(self) -> Pixels | None:
        return None


STEADIERS: Mapping[Temporal, Callable[[], Steadier]] = {"none": AsTheyAre, "one-frame-delay": Delayed, "flow": Flow}
"""Every way against flicker, by its name."""
