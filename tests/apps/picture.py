"""``python -m tests.apps.picture MODEL OUT``: the built-in portrait on the demo app's four backgrounds, as one JPEG.

The model's matte is LiteRT's on this machine; all else is the app's own Kotlin, run on a JVM.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from converters.runtimes import open_runtime
from modnet_export.images import inputs
from modnet_export.record import manifest
from tests.apps import kotlin, toolchains

NAMES = ("transparent", "colour", "blur", "picture")
LABEL = "android_demo's Kotlin, run on a JVM: no phone's output"
_SQUARE, _STRIP = 16, 20


def composited(image: np.ndarray, matte: np.ndarray, classes: list[Path], scratch: Path) -> dict[str, Image.Image]:
    """The square ``image`` (bytes, RGB) with its ``matte`` (float32) on each background, as RGBA."""
    side = len(image)
    ramp = np.linspace(0, 1, side)[:, None, None]
    sunset = np.broadcast_to((1 - ramp) * (40, 60, 130) + ramp * (255, 150, 70), image.shape).astype(np.uint8)
    for name, pixels in {"image": image, "picture": sunset}.items():
        opaque = np.full((side, side, 1), 255, np.uint8)
        (scratch / name).write_bytes(np.concatenate([pixels, opaque], axis=2).tobytes())
    (scratch / "matte").write_bytes(matte.astype("<f4").tobytes())
    paths = kotlin.classpath([*classes, kotlin.stdlib()])
    done = kotlin.run([toolchains.java(), "-cp", paths, "io.modnet.demo.PicturesKt", scratch, str(side)])
    if done.returncode:
        raise RuntimeError(done.stderr)
    size = (side, side)
    return {name: Image.frombytes("RGBA", size, (scratch / name).read_bytes()) for name in NAMES}


def sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    """All of them side by side at half their size, squares behind what is transparent, and what they are."""
    side = next(iter(pictures.values())).width // 2
    made = Image.new("RGB", (side * len(pictures), side + _STRIP), "white")
    steps = np.add.outer(*[np.arange(side) // _SQUARE] * 2) % 2
    squares = Image.fromarray(np.where(steps, 200, 230).astype(np.uint8)).convert("RGBA")
    for place, picture in enumerate(pictures.values()):
        small = picture.resize((side, side), Image.Resampling.LANCZOS)
        made.paste(Image.alpha_composite(squares, small).convert("RGB"), (place * side, 0))
    ImageDraw.Draw(made).text((4, side + 4), LABEL, fill="black")
    return made


def main(model: Path, out: Path) -> None:
    image_nhwc = inputs.builtin()[0].load(manifest.load(model.parent).size)[0]
    matte_nhwc = open_runtime(model).run(image_nhwc)
    image = np.rint(image_nhwc[0] * 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        app = kotlin.DEMO / "app/src"
        names = ("main/kotlin/io/modnet/demo/Renderer", "main/kotlin/io/modnet/demo/Choices")
        names += ("test/kotlin/io/modnet/demo/Fakes", "test/kotlin/io/modnet/demo/Pictures")
        sources = [*kotlin.sources(kotlin.DEMO / "matting/src/main", kotlin.DEMO / "check/litert")]
        sources += [app / f"{name}.kt" for name in names]
        done = kotlin.compiled(sources, scratch / "classes", [toolchains.android_jar()], "-no-jdk")
        if done.returncode:
            raise RuntimeError(done.stderr)
        sheet(composited(image, matte_nhwc[0, :, :, 0], [scratch / "classes"], scratch)).save(out, quality=88)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
