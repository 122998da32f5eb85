"""The foreground's and the background's own colours where a matte is soft, and the image mixes them."""

from __future__ import annotations

import math

import numpy as np

from modnet_export.images.imaging import Pixels

_REGULARISATION = 1e-5
"""What a neighbour weighs whose matte is the same."""
_SMALL = 32
_STEPS_SMALL, _STEPS_LARGE = 10, 4
"""At levels of at most 32 x 32, and at larger ones. The paper's two are in place, and come as far as three of these."""
_STRIP = 64
"""Rows that are worked on at once: a large photograph's temporary arrays fit into caches, and into memory."""


def estimate_colours(image: Pixels, matte: Pixels) -> tuple[Pixels, Pixels]:
    """The foreground's and the background's colours, each H x W x 3 in [0, 1], of an image and its matte, H x W.

    Multi-level estimation (Germer, Uelwer, Conrad, Harmeling, "Fast Multi-Level Foreground Estimation", ICPR 2020,
    arXiv 2006.14970): from one pixel up to the image's size, each level begins with the colours of the one before.
    There every pixel takes the colours F and B that least miss its own equation, I = a F + (1 - a) B, and its four
    neighbours' colours, each weighted by how far the matte changes towards it. All pixels take a step at once, as in
    the authors' program for GPUs.
    """
    size = np.array(matte.shape)
    levels = max(math.ceil(math.log2(size.max())), 1)
    colours = np.stack([image.mean((0, 1), np.float64, keepdims=True)] * 2).astype(np.float32)
    for level in range(levels + 1):
        rows, columns = (size ** (level / levels)).round().astype(int)
        colours = _nearest(colours, rows, columns)
        mixed, share = _nearest(image[None], rows, columns)[0], _nearest(matte[None], rows, columns)[0]
        for _ in range(_STEPS_SMALL if max(rows, columns) <= _SMALL else _STEPS_LARGE):
            strips = [_step(colours, mixed, share, top) for top in range(0, rows, _STRIP)]
            colours = np.concatenate(strips, axis=1)
    foreground, background = colours
    # An opaque pixel shows the foreground alone: its colour is kept exactly.
    return np.where(matte[..., None] >= 1, image, foreground), background


def _nearest(values: Pixels, rows: int, columns: int) -> Pixels:
    """Of N x h x w (x C), rows x columns pixels at even distances."""
    height, width = values.shape[1:3]
    return values[:, (np.arange(rows) * height // rows)[:, None], np.arange(columns) * width // columns]


def _step(colours: Pixels, image: Pixels, matte: Pixels, top: int) -> Pixels:
    """A strip's next colours; the foreground's and the background's are one array, 2 x H x W x 3.

    With d, the sum of a pixel's weights, and f and b, the weighted means of its neighbours' colours, the least squares
    are solved by F = f + a r / q and B = b + (1 - a) r / q, where r = I - a f - (1 - a) b and q = a^2 + (1 - a)^2 + d.
    """
    strip = slice(top, min(top + _STRIP, len(matte)))
    rows = np.arange(strip.start - 1, strip.stop + 1).clip(0, len(matte) - 1)
    columns = np.arange(-1, matte.shape[1] + 1).clip(0, matte.shape[1] - 1)
    around, alphas = colours[:, rows[:, None], columns], matte[rows[:, None], columns]
    alpha = matte[strip]
    total, means = np.zeros_like(alpha), np.zeros_like(colours[:, strip])
    inner = slice(1, -1)
    for place in ((slice(-2), inner), (slice(2, None), inner), (inner, slice(-2)), (inner, slice(2, None))):
        weight = np.abs(alphas[place] - alpha) + np.float32(_REGULARISATION)
        total += weight
        means += weight[..., None] * around[(slice(None), *place)]
    means /= total[..., None]
    shares = np.stack([alpha, 1 - alpha])
    missed = image[strip] - (shares[..., None] * means).sum(0)
    gains = shares / (np.square(shares).sum(0) + total)
    found: Pixels = (means + gains[..., None] * missed).clip(0, 1)
    return found
