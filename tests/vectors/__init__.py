"""What our Python makes of small frames and mattes, for the apps' own code to make the same of: see ``README.md``."""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from converters.eight_bit import from_bytes, to_bytes
from modnet_export.images.compositing import Background, composite, fused_colours
from modnet_export.images.frames import from_rows, upright
from modnet_export.images.imaging import Pixels, Placement, fit_image, restore_matte
from modnet_export.images.temporal import FOLLOWED, THRESHOLD, WEIGHT, OneFrameDelay, blended, followed, warped
from modnet_export.record.contract import Port

HERE = Path(__file__).parent
MODEL = (12, 16)
PADDING = 0.5
TURNS = [(rotation, mirrored) for rotation in (0, 90, 180, 270) for mirrored in (False, True)]
TIE = 0.01
"""In levels: a byte whose value is nearer to the middle of two than this may be rounded either way."""


def numbers(values: npt.ArrayLike) -> list[Any]:
    """Whole numbers as they are, others with seven decimals, in the order in which they lie in memory."""
    flat = np.asarray(values).ravel()
    return flat.tolist() if flat.dtype == np.uint8 else [round(float(value), 7) for value in flat]


def noise(rng: random.Random, *shape: int) -> npt.NDArray[np.uint8]:
    return np.frombuffer(rng.randbytes(int(np.prod(shape))), np.uint8).reshape(shape)


def soft_matte(height: int, width: int) -> Pixels:
    """0 at the left, 1 at the right, soft between, and not alike from row to row."""
    rows, columns = np.mgrid[:height, :width]
    return np.clip((columns - width / 3 + np.sin(rows)) / (width / 3), 0, 1).astype(np.float32)


def ties(values: npt.NDArray[Any]) -> list[int]:
    """Where values in [0, 1] lie so near the middle of two levels that either is right."""
    return np.flatnonzero(np.abs(np.asarray(values, np.float64).ravel() * 255 % 1 - 0.5) < TIE).tolist()


def placed(placement: Placement) -> dict[str, int]:
    return {name: int(getattr(placement, name)) for name in ("top", "left", "inner_height", "inner_width")}


def letterbox() -> Iterator[dict[str, Any]]:
    """The last four have sides that end in exactly half a pixel: it goes to the even number."""
    sizes = [((720, 1280), (512, 512)), ((1280, 720), (512, 512)), ((1080, 1920), (256, 384)), ((512, 512), (512, 512))]
    sizes += [((3, 4000), (512, 512)), ((4000, 3), (512, 512)), ((1, 1), (96, 128)), ((97, 131), (96, 128))]
    sizes += [
        ((1024, 513), (512, 512)),
        ((1024, 515), (512, 512)),
        ((513, 1024), (512, 512)),
        ((515, 1024), (512, 512)),
    ]
    for image, model in sizes:
        _, placement = fit_image(np.zeros((*image, 3), np.float32), model, "letterbox")
        yield {"image": image, "model": model, **placed(placement)}


def frames() -> Iterator[dict[str, Any]]:
    for index, (rotation, mirrored) in enumerate(TURNS):
        height, width, padding = 3, 4, (0, 8)[index % 2]
        buffer = noise(random.Random(index), height * (4 * width + padding))
        frame = from_rows(buffer.tobytes(), height, width, 4 * width + padding)
        turned = upright(frame, rotation, mirrored=mirrored)
        yield {
            "height": height, "width": width, "row_stride": 4 * width + padding, "rotation": rotation,
            "mirrored": mirrored, "rows": numbers(buffer), "upright_height": turned.shape[0],
            "upright_width": turned.shape[1], "upright": numbers(turned),
        }  # fmt: skip


def port(dtype: str, channels: int) -> Port:
    kind = {"dtype": dtype, "maximum": 255 if dtype == "uint8" else 1, "channels": "RGB" if channels == 3 else "alpha"}
    return Port(name="port", layout="NHWC", shape=(1, *MODEL, channels), minimum=0, **kind)  # type: ignore[arg-type]


def packing() -> Iterator[dict[str, Any]]:
    """A frame that shrinks, one that grows, one that does both, and one that fits; every turn; both kinds of ports."""
    sizes = [(21, 40), (5, 7), (9, 30), (12, 16)]
    for index, (rotation, mirrored) in enumerate(TURNS):
        height, width = sizes[index % 4]
        dtype = ("float32", "uint8")[index // 4]

        stride = 4 * width + 12
        rows = noise(random.Random(index), height * stride)
        frame = upright(from_rows(rows.tobytes(), height, width, stride), rotation, mirrored=mirrored)
        image_nhwc, placement = fit_image(from_bytes(frame[..., :3]), MODEL, "letterbox")
        yield {
            "height": height, "width": width, "row_stride": stride, "rotation": rotation, "mirrored": mirrored,
            "rows": numbers(rows), "model": MODEL, "dtype": dtype, **placed(placement),
            "packed": numbers(port(dtype, 3).encoded(image_nhwc)),
            "ties": ties(np.where(image_nhwc == PADDING, 0, image_nhwc)) if dtype == "uint8" else [],
        }  # fmt: skip


def restoring() -> Iterator[dict[str, Any]]:
    """Values of a float port may leave [0, 1] a little: they are clipped last."""
    for index, (height, width) in enumerate([(21, 40), (5, 7), (9, 30), (12, 16)]):
        dtype = ("float32", "uint8")[index % 2]
        _, placement = fit_image(np.zeros((height, width, 3), np.float32), MODEL, "letterbox")
        levels = noise(random.Random(index), 1, *MODEL, 1)
        given = levels if dtype == "uint8" else (from_bytes(levels) * np.float32(1.1) - np.float32(0.05))
        restored = restore_matte(port(dtype, 1).decoded(given), placement, "letterbox")
        yield {
            "height": height, "width": width, "model": MODEL, "dtype": dtype, **placed(placement),
            "matte": numbers(given), "restored": numbers(restored),
        }  # fmt: skip


def foreground() -> Iterator[dict[str, Any]]:
    for height, width, coarse in [(18, 30, (18, 30)), (18, 30, (6, 10)), (24, 16, (12, 8))]:
        image, matte = noise(random.Random(height), height, width, 3), soft_matte(height, width)
        yield {
            "height": height, "width": width, "coarse": coarse, "image": numbers(image), "matte": numbers(matte),
            "foreground": numbers(fused_colours(from_bytes(image), matte, coarse)),
        }  # fmt: skip


def compositing() -> Iterator[dict[str, Any]]:
    height, width, coarse = 18, 30, (6, 10)
    matte = soft_matte(height, width)
    picture = noise(random.Random(1), 12, 32, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.png")
        Image.fromarray(picture).save(path)
        for name, background in {
            "transparent": Background(), "colour": Background(colour=(20, 200, 60)), "image": Background(image=path),
            "blur": Background(blur_sigma=3.0),
        }.items():  # fmt: skip
            image = noise(random.Random(2), height, width, 3)
            made = composite(from_bytes(image), matte, background, coarse=coarse)
            case: dict[str, Any] = {"background": name, "height": height, "width": width, "coarse": coarse}
            case |= {"colour": background.colour} if background.colour else {}
            case |= {"sigma": background.blur_sigma, "tolerance": 2} if background.blur_sigma else {}
            if background.image:
                case |= {"picture_height": 12, "picture_width": 32, "picture": numbers(picture)}
            case |= {"image": numbers(image), "matte": numbers(matte)}
            yield {**case, "composite": numbers(to_bytes(made)), "ties": ties(made)}


def delay() -> Iterator[dict[str, Any]]:
    """Pixels: still, a lone outlier, a step, an outlier at the threshold, a ramp; and the size of a frame changes."""
    pixels = np.array(
        [[0.5, 0.2, 0.1, 0.5, 0.0], [0.5, 0.9, 0.1, 0.6, 0.2], [0.5, 0.25, 0.9, 0.5, 0.4], [0.5, 0.2, 0.9, 0.4, 0.6],
         [0.5, 0.2, 0.9, 0.4, 0.0]], np.float32,
    )  # fmt: skip
    noisy = from_bytes(noise(random.Random(0), 8, 12))
    for mattes in (list(pixels[:, None]), list(noisy[:, None]), [*pixels[:2, None], *noisy[:3, None]], [pixels[:1]]):
        delayed = OneFrameDelay()
        shown = [*(delayed.push(matte) for matte in mattes), delayed.finish()]
        yield {
            "threshold": THRESHOLD,
            "mattes": [numbers(matte) for matte in mattes],
            "shown": [None if matte is None else numbers(matte) for matte in shown],
        }


def steadying() -> Iterator[dict[str, Any]]:
    """A frame's matte with the one before, along a motion that is given: how that is found is not part of it."""
    height, width = 6, 8
    for seed in range(3):
        rng = random.Random(seed)
        before, matte = soft_matte(height, width)[:, ::-1].copy(), from_bytes(noise(rng, height, width))
        # In eighths of a pixel, as far as bilinear weights are exact in every implementation; the last leave the frame.
        motion = np.array([rng.randrange(-8 * (seed + 1), 8 * (seed + 1)) / 8 for _ in range(2 * height * width)])
        motion = motion.reshape(height, width, 2).astype(np.float32)
        grey_before, grey = noise(rng, height, width) // 16, noise(rng, height, width) // 16
        trust = followed(grey, grey_before, motion)
        steadied = blended(matte, warped(before, motion), trust)
        yield {
            "height": height, "width": width, "weight": WEIGHT, "followed": FOLLOWED, "before": numbers(before),
            "matte": numbers(matte), "motion": numbers(motion), "grey_before": numbers(grey_before),
            "grey": numbers(grey), "trust": numbers(trust), "steadied": numbers(steadied),
        }  # fmt: skip


FILES: dict[str, tuple[Callable[[], Iterator[dict[str, Any]]], float]] = {
    "letterbox": (letterbox, 0),
    "frames": (frames, 0),
    "packing": (packing, 2e-6),
    "restoring": (restoring, 2e-6),
    "foreground": (foreground, 2e-5),
    "compositing": (compositing, 0),
    "delay": (delay, 1e-6),
    "steadying": (steadying, 1e-5),
}
"""Each file's cases, and how far another implementation may be off: in [0, 1], or in levels of a byte."""


def written(name: str) -> str:
    """A file's text: one line for each field of a case."""
    make, tolerance = FILES[name]
    text = json.dumps({"tolerance": tolerance, "cases": list(make())}, indent=1)
    # Lists of numbers on one line.
    return re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"
