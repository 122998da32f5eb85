"""What a verification runs on: the built-in inputs, photos, frames of a video, and photos with a ground truth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from converters.errors import ExportError
from modnet_export.images.imaging import SUFFIXES, Pixels, Placement, demo_photo, fit_image, list_images, read_image
from modnet_export.record.contract import Size
from modnet_export.record.recipes import NOISE

_RANDOM_SEED = 0
_VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
_TRUTH_FOLDERS = ("alpha", "alphas", "matte", "mattes", "mask", "gt", "pha")
_PHOTO_FOLDERS = ("image", "images", "original", "original_image", "blurred_image", "fgr", "com")


@dataclass(frozen=True)
class Input:
    """One image to run, read when it is needed; it may be sent to another process or machine."""

    name: str
    kind: Literal["photo", "noise", "image", "frame"] = "image"
    path: Path = Path()
    frame: int = 0
    follows: bool = False
    """Whether the input before it in the list is the frame before it."""
    truth: Path | None = None
    """The true matte, of the image's own size."""

    @property
    def key(self) -> str:
        """Changes when the input does: its path, date and length, and the frame."""
        parts: list[object] = [self.kind, self.name, self.frame, self.follows]
        for path in filter(None, (self.path if self.kind in ("image", "frame") else None, self.truth)):
            state = path.stat() if path.exists() else None
            parts += [path.resolve(), *((state.st_mtime_ns, state.st_size) if state else ())]
        return hashlib.sha256(repr(list(map(str, parts))).encode()).hexdigest()[:32]

    def read(self) -> Pixels:
        """RGB in [0, 1], H x W x 3; raises ExportError for an image or frame that cannot be read."""
        if self.kind == "photo":
            return demo_photo()
        if self.kind == "frame":
            return next(iter(read_frames([self])))[1]
        return read_image(self.path)

    def load(self, size: Size) -> tuple[Pixels, Placement]:
        """As a model of ``size`` takes it, letterboxed: 1 x H x W x 3, and where the image lies in it."""
        if self.kind == "noise":
            shape = (1, size.height, size.width, 3)
            noise = np.random.default_rng(_RANDOM_SEED).integers(0, 256, shape).astype(np.float32) / np.float32(255)
            return noise, Placement(size.height, size.width, 0, 0, size.height, size.width)
        return fit(self.read(), size)

    def read_truth(self, shape: tuple[int, int]) -> Pixels | None:
        """The true matte, H x W in [0, 1]; raises ExportError unless it has the image's ``shape``."""
        if self.truth is None:
            return None
        truth = read_image(self.truth)[:, :, 0]
        if truth.shape != shape:
            raise ExportError(
                f"the ground truth {self.truth.name} is {truth.shape[0]}x{truth.shape[1]}, "
                f"its image {self.name} is {shape[0]}x{shape[1]}",
                where=self.truth,
                expected="a ground truth of its image's size",
                next_step="mend or remove this pair",
            )
        return truth


def fit(image: Pixels, size: Size) -> tuple[Pixels, Placement]:
    """Letterboxed and rounded to 8 bits, as every photo is: an artefact that takes 8-bit images must see the same."""
    image_nhwc, placement = fit_image(image, (size.height, size.width), "letterbox")
    return (np.rint(image_nhwc * 255) / 255).astype(np.float32), placement


def builtin() -> list[Input]:
    """The built-in portrait, and uniform noise that reaches parts of the network which a portrait does not."""
    return [Input("photo", "photo"), Input(NOISE, "noise")]


def images(paths: Sequence[Path]) -> list[Input]:
    """Photos, as files or folders; raises ExportError when there are none."""
    return [Input(path.name, path=path) for path in list_images(list(paths))]


def _capture(path: Path) -> Any:
    import cv2

    capture = cv2.VideoCapture(str(path))
    if not path.exists() or not capture.isOpened():
        raise ExportError(
            f"cannot read {path.name} as a video",
            where=path,
            expected=f"a video ({', '.join(sorted(_VIDEO_SUFFIXES))}) that OpenCV can decode, or a folder of frames",
        )
    return capture


def video(path: Path) -> list[Input]:
    """The frames of a video file, or of a folder in the order of their names; raises ExportError without any."""
    if path.is_dir():
        frames = images([path])
    else:
        capture, count = _capture(path), 0
        while capture.grab():
            count += 1
        if not count:
            raise ExportError(f"{path.name} holds no frame", where=path, expected="a video with pictures")
        frames = [Input(f"{path.name}#{index}", "frame", path, index) for index in range(count)]
    return [replace(frame, follows=index > 0) for index, frame in enumerate(frames)]


def read_frames(frames: Sequence[Input]) -> Iterator[tuple[Input, Pixels]]:
    """Frames of one video file, ascending, decoded from its start: seeking is not exact in every format."""
    capture, position = _capture(frames[0].path), 0
    for item in frames:
        while position < item.frame and capture.grab():
            position += 1
        read, picture = capture.read()
        if not read:
            raise ExportError(f"cannot decode frame {item.frame} of {item.path.name}", where=item.path)
        position += 1
        yield item, np.asarray(picture[:, :, ::-1], np.float32) / np.float32(255)


def ground_truth(truth: Path, photos: Path | None = None) -> list[Input]:
    """Photos with their true mattes, matched by the name before the suffix.

    ``truth`` is the folder of the mattes, with ``photos`` beside it; or, without ``photos``, the
    dataset's folder, in the layout that PPM-100, P3M and AIM share: a folder of photos and one of
    mattes. Raises ExportError when a matte has no photo or a photo no matte, naming them all.
    """
    if photos is None:
        folders = {item.name.lower(): item for item in truth.iterdir() if item.is_dir()} if truth.is_dir() else {}
        mattes = next((folders[name] for name in _TRUTH_FOLDERS if name in folders), None)
        photos = next((folders[name] for name in _PHOTO_FOLDERS if name in folders), None)
        if mattes is None or photos is None:
            raise ExportError(
                f"{truth} is not laid out as a matting dataset",
                where=truth,
                expected=f"a folder of photos ({', '.join(_PHOTO_FOLDERS)}) "
                f"and one of mattes ({', '.join(_TRUTH_FOLDERS)})",
                next_step="or name both: --ground-truth MATTES --images PHOTOS",
            )
        truth = mattes
    by_stem = [{path.stem: path for path in list_images([folder])} for folder in (photos, truth)]
    lonely = [
        f"{source[stem].name} has no {missing}"
        for source, other, missing in ((by_stem[1], by_stem[0], "photo"), (by_stem[0], by_stem[1], "ground truth"))
        for stem in sorted(set(source) - set(other))
    ]
    if lonely:
        shown = lonely[:10] + ([f"and {len(lonely) - 10} more"] if len(lonely) > 10 else [])
        raise ExportError(
            "\n  ".join([f"{len(lonely)} file(s) of the dataset have no partner:", *shown]),
            where=truth,
            expected=f"one matte a photo, of the same name ({', '.join(sorted(SUFFIXES))})",
            next_step="add the missing files, or remove these",
        )
    return [Input(path.name, path=path, truth=by_stem[1][stem]) for stem, path in sorted(by_stem[0].items())]
