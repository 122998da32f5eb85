"""``python -m benchmarks.tables.clip MODEL``: README's clip, a portrait that moves, before and after ``matte``."""

from __future__ import annotations

import argparse
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.tables.setting import PORTRAITS
from converters.eight_bit import to_bytes
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import Pixels
from modnet_export.images.moving import Motion, moving
from modnet_export.images.representative import backgrounds, portraits
from modnet_export.images.video.reading import open_clip
from modnet_export.images.video.writing import Look, writing

_MOTION = Motion(frames=32, height=320, width=320, noise=0.02)
_RATE = 12
_PERSON, _PICTURE = 8, "rocket.jpg"


def _evening(side: int) -> Pixels:
    """A new background: a sky of two colours."""
    down = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    sky = (1 - down) * np.array([0.12, 0.16, 0.42]) + down * np.array([0.98, 0.62, 0.38])
    return np.asarray(np.broadcast_to(sky, (side, side, 3)), np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables.clip", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--work", type=Path, default=Path("build/clip"))
    parser.add_argument("--out", type=Path, default=Path("docs/video.webp"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    source, made, behind = (options.work / name for name in ("portrait.mp4", "new.mp4", "behind.png"))
    save_image(behind, _evening(_MOTION.height))
    (picture,) = backgrounds((_PICTURE,))
    look = Look(_MOTION.height, _MOTION.width, False, Fraction(_RATE), Fraction(1, 1000))
    with writing(source, "h264", look, None) as write:
        for index, frame in enumerate(moving(portraits(PORTRAITS)[_PERSON], picture, _MOTION)):
            write(to_bytes(frame.photo), Fraction(index, _RATE))
    command = ["matte", options.model, str(source), "-o", str(made), "--background", str(behind)]
    subprocess.run([sys.executable, "-m", "modnet_export", *command], check=True)
    pairs = zip(open_clip(source).frames(), open_clip(made).frames(), strict=True)
    shown: list[Any] = [Image.fromarray(np.hstack([before.rgb, after.rgb])) for before, after in pairs]
    shown += shown[-2:0:-1]  # and back, so that it has no end
    shown[0].save(options.out, save_all=True, append_images=shown[1:], duration=1000 // _RATE, loop=0, quality=70)


if __name__ == "__main__":
    main()
