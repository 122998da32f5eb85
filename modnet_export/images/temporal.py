"""MODNet's one-frame delay against flicker in a video."""

from __future__ import annotations

import numpy as np

from modnet_export.images.imaging import Pixels

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
