"""``python -m benchmarks.tables.hair DIST``: hair by every precision, and what a mean difference looks like."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.tables.setting import PORTRAITS
from converters.eight_bit import to_bytes
from converters.runtimes import open_runtime
from modnet_export.images.compositing import Background, composite
from modnet_export.images.imaging import Pixels, resize
from modnet_export.images.inputs import fit
from modnet_export.images.representative import portraits
from modnet_export.model import checkpoint
from modnet_export.model.reference import TorchReference
from modnet_export.record import manifest
from modnet_export.verifying import metrics

PEOPLE = (7, 9)
"""Of the judging portraits, by their place: two that the demo weights were not trained on."""
SHOWN = (0.001, 0.005, 0.02)
"""Mean differences to show."""
COARSE = "int4-weights"
"""Whose error is scaled to them: that of the most inexact model."""
_SIDE, _CELL, _CAPTION = 112, 168, 30
_COLOUR = Background.parse("#2e7d6b")


def softest(matte: Pixels, side: int) -> tuple[slice, slice]:
    """The square of an H x W matte that has the most hair in it: the largest sum of alpha (1 - alpha)."""
    side = min(side, *matte.shape)
    sums = cv2.boxFilter(matte * (1 - matte), cv2.CV_32F, (side, side), anchor=(0, 0), normalize=False)
    inside = np.asarray(sums)[: matte.shape[0] - side + 1, : matte.shape[1] - side + 1]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + side), slice(int(left), int(left) + side)


def scaled_to(reference: Pixels, matte: Pixels, mad: float) -> Pixels:
    """A matte as far from ``reference`` as ``mad`` in the mean, off where ``matte`` is off; both in [0, 1].

    Clipping takes some of it away again, so the factor is found by bisection.
    """

    def by(factor: float) -> Pixels:
        return np.asarray((reference + factor * (matte - reference)).clip(0, 1), np.float32)

    low, high = 0.0, 1e4
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if metrics.mad(by(middle), reference) < mad else (low, middle)
    return by(high)


def sheet(columns: list[tuple[str, list[Pixels]]]) -> Image.Image:
    """Captions, and below each its pictures (H x W x 3 in [0, 1]), side by side."""
    tall = max(len(pictures) for _, pictures in columns)
    drawn = Image.new("RGB", (_CELL * len(columns), _CAPTION + _CELL * tall), "white")
    pen = ImageDraw.Draw(drawn)
    for place, (caption, pictures) in enumerate(columns):
        pen.multiline_text((place * _CELL + 4, 2), caption, fill="black", spacing=2)
        for row, picture in enumerate(pictures):
            cell = Image.fromarray(to_bytes(picture)).resize((_CELL - 2, _CELL - 2), Image.Resampling.LANCZOS)
            drawn.paste(cell, (place * _CELL, _CAPTION + row * _CELL))
    return drawn


def _grey(matte: Pixels) -> Pixels:
    return np.repeat(matte[..., None], 3, axis=2)


def drawn(dist: Path, people: tuple[int, ...] = PEOPLE) -> tuple[Image.Image, Image.Image]:
    """Hair by each TFLite precision of ``dist``, and the differences of ``SHOWN``, on these judging portraits."""
    exported = manifest.load(dist)
    reference = TorchReference(checkpoint.resolve(exported.source.name), None)
    models = {
        item.precision: open_runtime(dist / item.file).run for item in exported.artefacts if item.format == "tflite"
    }
    everyone = portraits(PORTRAITS)
    columns: dict[str, list[Pixels]] = {}
    captions: dict[str, list[str]] = {}
    differences: dict[str, list[Pixels]] = {}
    for person in people:
        image_nhwc, _ = fit(everyone[person].photo, exported.size)
        photo = image_nhwc[0]
        mattes = {"the network": reference.run(image_nhwc)[0, ..., 0]}
        true = mattes["the network"]
        alpha = resize(
            everyone[person].alpha, exported.size.height, exported.size.width
        )  # hair, not the network's doubt
        where = softest(alpha, _SIDE * exported.size.height // 512)
        columns.setdefault("the photo", []).extend([photo[where], photo[where]])
        mattes |= {name: _matte(run, image_nhwc) for name, run in models.items()}
        for name, matte in mattes.items():
            made = composite(photo, matte, _COLOUR)
            columns.setdefault(name, []).extend([_grey(matte)[where], made[where]])
            if name != "the network":
                captions.setdefault(name, []).append(f"{metrics.mad(matte, true):.4f}")
        coarse = {f"{mad:g}": scaled_to(true, mattes[COARSE], mad) for mad in SHOWN} if COARSE in mattes else {}
        for name, matte in {"the network": true, **coarse}.items():
            made = composite(photo, matte, _COLOUR)
            differences.setdefault(name, []).extend([made, made[where], _grey(matte)[where]])
    titled = [(f"{name}\n{', '.join(captions.get(name, []))}", pictures) for name, pictures in columns.items()]
    return sheet(titled), sheet(list(differences.items()))


def _matte(run: Callable[[Pixels], Pixels], image_nhwc: Pixels) -> Pixels:
    return np.asarray(run(image_nhwc)[0, ..., 0], np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables.hair", description=__doc__)
    parser.add_argument("dist", type=Path, help="an export of TFLite models, with int4-weights for the differences")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="the folder of hair.jpg and differences.jpg")
    options = parser.parse_args()
    for name, picture in zip(("hair.jpg", "differences.jpg"), drawn(options.dist), strict=True):
        picture.save(options.out / name, quality=85)


if __name__ == "__main__":
    main()
