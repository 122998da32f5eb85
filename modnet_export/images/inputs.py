"""What a verification runs on: the built-in inputs, photos, frames of a video, and photos with a ground truth."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from converters.eight_bit import from_bytes, to_bytes
from converters.errors import ExportError
from modnet_export.images.imaging import SUFFIXES, Pixels, Placement, demo_photo, fit_image, list_images, read_image
from modnet_export.images.video.reading import Ascending, count_frames, read_frames
from modnet_export.record.contract import Size
from modnet_export.record.files import real
from modnet_export.record.recipes import NOISE

_RANDOM_SEED = 0
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
    """The true matte, of the image's own size: an image, or a video of which it is frame ``frame``; see ``Truths``."""

    @property
    def key(self) -> str:
        """Changes when the input does: it is made of the path, its date and length, and the frame."""
        parts: list[object] = [self.kind, self.name, self.frame, self.follows]
        for path in filter(None, (self.path if self.kind in ("image", "frame") else None, self.truth)):
            state = path.stat() if path.exists() else None
            parts += [real(path), *((state.st_mtime_ns, state.st_size) if state else ())]
        return hashlib.sha256(repr(list(map(str, parts))).encode()).hexdigest()[:32]

    def read(self) -> Pixels:
        """RGB in [0, 1], H x W x 3; raises ExportError for an image or frame that cannot be read."""
        if self.kind == "photo":
            return demo_photo()
        if self.kind == "frame":
            return next(read_frames(self.path, [self.frame]))
        return read_image(self.path)

    def load(self, size: Size) -> tuple[Pixels, Placement]:
        """As a model of ``size`` takes it, letterboxed: 1 x H x W x 3, and where the image lies in it."""
        if self.kind == "noise":
            shape = (1, size.height, size.width, 3)
            noise = from_bytes(np.random.default_rng(_RANDOM_SEED).integers(0, 256, shape))
            return noise, Placement(size.height, size.width, 0, 0, size.height, size.width)
        return fit(self.read(), size)


class Truths:
    """Reads the true mattes of inputs that are asked for in their order: a video of mattes is decoded once."""

    def __init__(self) -> None:
        self._video: Path | None = None
        self._frames: Ascending | None = None

    def of(self, item: Input, shape: tuple[int, int]) -> Pixels | None:
        """The true matte, H x W in [0, 1]; None where there is none.

        Raises ExportError where it cannot be read, or has not the image's ``shape``.
        """
        if item.truth is None:
            return None
        truth = self._read(item.truth, item.frame)[:, :, 0]
        if truth.shape != shape:
            raise ExportError(
                f"the ground truth {item.truth.name} is {truth.shape[0]}x{truth.shape[1]}, "
                f"its image {item.name} is {shape[0]}x{shape[1]}",
                where=item.truth,
                expected="a ground truth of its image's size",
                next_step="mend or remove this pair",
            )
        return truth

    def _read(self, path: Path, frame: int) -> Pixels:
        if not _is_clip(path):
            return read_image(path)
        if self._frames is None or self._video != path:
            self._video, self._frames = path, Ascending(path)
        return self._frames.read(frame)


def _is_clip(path: Path) -> bool:
    """Whether a path is taken for a video file."""
    return not path.is_dir() and path.suffix.lower() not in SUFFIXES


def fit(image: Pixels, size: Size) -> tuple[Pixels, Placement]:
    """An image, letterboxed and rounded to 8 bits: an artefact that takes 8-bit images must see the same values."""
    image_nhwc, placement = fit_image(image, (size.height, size.width), "letterbox")
    return from_bytes(to_bytes(image_nhwc)), placement


def builtin() -> list[Input]:
    """The built-in portrait, and uniform noise that reaches parts of the network which a portrait does not."""
    return [Input("photo", "photo"), Input(NOISE, "noise")]


def images(paths: Sequence[Path]) -> list[Input]:
    """Photos, as files or folders; raises ExportError when there are none.

    A photo goes by its file's name, or by its whole path where two files have one name.
    """
    found = list(dict.fromkeys(list_images(list(paths))))
    names = Counter(path.name for path in found)
    return [Input(path.name if names[path.name] == 1 else path.as_posix(), path=path) for path in found]


def video(path: Path, truth: Path | None = None) -> list[Input]:
    """The frames of a video file, or of a folder in the order of their names; raises ExportError without any.

    ``truth`` is a video with one true matte for each frame, or a folder with one each in the order of their names;
    raises ExportError otherwise.
    """
    if path.is_dir():
        frames = images([path])
    else:
        frames = [Input(f"{path.name}#{index}", "frame", path, index) for index in range(count_frames(path))]
    mattes: Sequence[Path | None] = [None] * len(frames)
    if truth is not None:
        mattes = [truth] * count_frames(truth) if _is_clip(truth) else list_images([truth])
    if len(mattes) != len(frames):
        raise ExportError(
            f"{path.name} has {len(frames)} frames, {truth} {len(mattes)} true mattes",
            where="`ground_truth`",
            expected="a video with one matte for each frame, or a folder with one each, in the order of their names",
            next_step="cut both to the same frames, or write the mattes as numbered files",
        )
    return [
        replace(frame, frame=index, follows=index > 0, truth=matte)
        for index, (frame, matte) in enumerate(zip(frames, mattes, strict=True))
    ]


def read_frames_of(frames: Sequence[Input]) -> Iterator[tuple[Input, Pixels]]:
    """Frames of one video file, ascending, each with its picture; raises ExportError for one that is missing."""
    return zip(frames, read_frames(frames[0].path, [item.frame for item in frames]), strict=True)


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
                next_step="or name both folders: `ground_truth=MATTES` and `images=PHOTOS`",
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
            expected=f"one matte for each photo, of the same name ({', '.join(sorted(SUFFIXES))})",
            next_step="add the missing files, or remove these",
        )
    return [Input(path.name, path=path, truth=by_stem[1][stem]) for stem, path in sorted(by_stem[0].items())]
