"""The ways in which strangers frame and light a portrait, made from one portrait and its matte.

Numbers of int8 on headshots say little about a person who fills a tenth of a letterboxed picture: calibration and
judging both take each portrait in many of these forms.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from converters.eight_bit import from_bytes, to_bytes
from modnet_export.images.imaging import Pixels, resize


@dataclass(frozen=True)
class Portrait:
    """A photograph, H x W x 3, and its matte, H x W, both in [0, 1]."""

    photo: Pixels
    alpha: Pixels

    def mirrored(self) -> Portrait:
        return Portrait(self.photo[:, ::-1], self.alpha[:, ::-1])

    def cropped(self, top: float, left: float, height: float, width: float) -> Portrait:
        """A part, given in shares of the height and the width."""
        rows, columns = self.alpha.shape
        part = (
            slice(round(top * rows), round((top + height) * rows)),
            slice(round(left * columns), round((left + width) * columns)),
        )
        return Portrait(self.photo[part], self.alpha[part])


Form = Callable[[Portrait, Pixels], Portrait]
"""Makes a framed portrait of one and of another picture of the same size."""


def behind(portrait: Portrait, picture: Pixels) -> Portrait:
    """The person before another picture."""
    alpha = portrait.alpha[..., None]
    return Portrait(alpha * portrait.photo + (1 - alpha) * picture, portrait.alpha)


def _bars(portrait: Portrait, _: Pixels, *, colour: float, beside: bool) -> Portrait:
    """A narrow or a low cut of the portrait, filled up to its old shape with bars of one colour."""
    cut = portrait.cropped(0, 0.2, 1, 0.6) if beside else portrait.cropped(0.05, 0, 0.6, 1)
    rows, columns = portrait.alpha.shape
    top, left = (rows - cut.alpha.shape[0]) // 2, (columns - cut.alpha.shape[1]) // 2
    inside = slice(top, top + cut.alpha.shape[0]), slice(left, left + cut.alpha.shape[1])
    photo, alpha = np.full_like(portrait.photo, colour), np.zeros_like(portrait.alpha)
    photo[inside], alpha[inside] = cut.photo, cut.alpha
    return Portrait(photo, alpha)


def _small(portrait: Portrait, picture: Pixels, *, share: float) -> Portrait:
    """The person at a ``share`` of its size, standing at the lower edge of another picture."""
    rows, columns = (round(side * share) for side in portrait.alpha.shape)
    photo, alpha = np.zeros_like(portrait.photo), np.zeros_like(portrait.alpha)
    left = (alpha.shape[1] - columns) // 3
    inside = slice(alpha.shape[0] - rows, None), slice(left, left + columns)
    photo[inside] = resize(np.ascontiguousarray(portrait.photo), rows, columns)
    alpha[inside] = resize(np.ascontiguousarray(portrait.alpha), rows, columns).clip(0, 1)
    return behind(Portrait(photo, alpha), picture)


def _lit(portrait: Portrait, _: Pixels, *, gamma: float, low: float, high: float) -> Portrait:
    """The photograph with another exposure, and black and white at other values."""
    return Portrait(low + (high - low) * portrait.photo**gamma, portrait.alpha)


def _noisy(portrait: Portrait, _: Pixels, *, sigma: float) -> Portrait:
    """As a small sensor sees it at night."""
    noise = np.random.default_rng(0).normal(0, sigma, portrait.photo.shape).astype(np.float32)
    return Portrait((portrait.photo + noise).clip(0, 1), portrait.alpha)


def _compressed(portrait: Portrait, _: Pixels, *, quality: int) -> Portrait:
    """As messengers send it: JPEG of a low quality."""
    buffer = io.BytesIO()
    Image.fromarray(to_bytes(portrait.photo)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as stored:
        return Portrait(from_bytes(np.asarray(stored.convert("RGB"))), portrait.alpha)


FORMS: Mapping[str, Form] = {
    "as it is": lambda portrait, _: portrait,
    "black bars beside": partial(_bars, colour=0.0, beside=True),
    "small": partial(_small, share=0.3),
    "dark": partial(_lit, gamma=2.2, low=0.0, high=0.5),
    "close": lambda portrait, _: portrait.cropped(0.05, 0.2, 0.6, 0.6),
    "white bars above": partial(_bars, colour=1.0, beside=False),
    "low in contrast": partial(_lit, gamma=1.0, low=0.35, high=0.65),
    "half the size": partial(_small, share=0.55),
    "grey bars beside": partial(_bars, colour=0.5, beside=True),
    "bright": partial(_lit, gamma=0.5, low=0.25, high=1.0),
    "mirrored": lambda portrait, _: portrait.mirrored(),
    "black bars above": partial(_bars, colour=0.0, beside=False),
    "noisy": partial(_noisy, sigma=0.08),
    "white bars beside": partial(_bars, colour=1.0, beside=True),
    "another background": behind,
    "grey bars above": partial(_bars, colour=0.5, beside=False),
    "compressed": partial(_compressed, quality=12),
}
"""Every form by its name. Neighbours differ much, so that each few in a row are a varied set."""


def framed(portraits: Sequence[Portrait], pictures: Sequence[Pixels], count: int) -> list[Portrait]:
    """``count`` framed portraits, each of another portrait and form in turn, with the ``pictures`` behind them.

    All forms of all portraits where ``count`` is the product of both numbers and they have no common factor.
    """
    forms = list(FORMS.values())
    return [
        _whole(forms[index % len(forms)], portraits[index % len(portraits)], pictures[index % len(pictures)])
        for index in range(count)
    ]


def framed_twice(portraits: Sequence[Portrait], pictures: Sequence[Pixels], count: int) -> list[Portrait]:
    """``count`` portraits in two forms at once (dark and small, noisy between bars): the network is less sure here."""
    forms = list(FORMS.values())
    found = []
    for index, once in enumerate(framed(portraits, pictures, count)):
        # Another second form each time that the first ones have taken their turns.
        second = forms[(5 * index + 3 + index // len(forms)) % len(forms)]
        found.append(_whole(second, once, pictures[(index + 1) % len(pictures)]))
    return found


def _whole(form: Form, portrait: Portrait, picture: Pixels) -> Portrait:
    made = form(portrait, resize(picture, *portrait.alpha.shape))
    return Portrait(np.ascontiguousarray(made.photo.clip(0, 1), np.float32), np.ascontiguousarray(made.alpha))
