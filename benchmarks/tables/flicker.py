"""Ways against flicker, on portraits that move and whose true mattes are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from benchmarks.tables.setting import Setting
from modnet_export.images.imaging import Pixels, resize
from modnet_export.images.inputs import fit
from modnet_export.images.moving import Motion, moving
from modnet_export.images.representative import backgrounds, portraits
from modnet_export.images.temporal import STEADIERS, AsTheyAre, Steadier, blended
from modnet_export.model import checkpoint
from modnet_export.model.reference import TorchReference
from modnet_export.record.contract import Size
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.steadiness import Seen, steadiness

_SIZE = Size(height=256, width=256)
_FRAMES = 24
# Three portraits before three pictures, in a camera that is good, usual and poor.
_CLIPS = ((0, "rocket.jpg", 0.02), (4, "coffee.png", 0.04), (8, "chelsea.png", 0.06))


class Recursive:
    """A running mean that does not follow the motion."""

    def __init__(self) -> None:
        self._before: Pixels | None = None

    def push(self, image_nhwc: Pixels, matte_nhwc: Pixels, motion: Pixels | None = None) -> Pixels | None:
        if self._before is not None:
            matte_nhwc = blended(matte_nhwc, self._before, np.ones_like(matte_nhwc))
        self._before = matte_nhwc
        return matte_nhwc

    def finish(self) -> Pixels | None:
        return None


WAYS: Mapping[str, tuple[str, Callable[[], Steadier]]] = {
    "none": ("`none`: as the network gives them", STEADIERS["none"]),
    "one-frame-delay": ("`one-frame-delay`", STEADIERS["one-frame-delay"]),
    "recursive": ("a running mean, standing still", Recursive),
    "flow": ("`flow`: a running mean along the motion", STEADIERS["flow"]),
}


def _clip(setting: Setting, number: int) -> Iterator[tuple[Sample, Pixels, bool]]:
    """The frames of a clip, each with the true matte of its visible part, h x w."""
    person, picture, noise = _CLIPS[number]
    reference = TorchReference(checkpoint.resolve(setting.checkpoint), setting.threads)
    motion = Motion(frames=_FRAMES, noise=noise)
    (behind,) = backgrounds((picture,))
    for index, frame in enumerate(moving(portraits(setting.portraits)[person], behind, motion, seed=number)):
        image_nhwc, place = fit(frame.photo, _SIZE)
        truth = resize(frame.alpha, place.inner_height, place.inner_width)
        yield Sample(str(index), image_nhwc, reference.run(image_nhwc), place), truth, index > 0


def flicker(setting: Setting) -> str:
    """Flicker and error of every way on each clip, and relative to the network's own mattes, the mean over clips."""
    clips = [list(_clip(setting, number)) for number in range(len(_CLIPS))]
    found = [
        steadiness((Seen(*seen) for seen in clip), {name: make for name, (_, make) in WAYS.items()}) for clip in clips
    ]
    floor = [steadiness(map(_true, clip), {"none": AsTheyAre})["none"][0] for clip in clips]
    heads = "".join(f" noise {noise}: flicker | MAD |" for *_, noise in _CLIPS)
    rows = [f"| |{heads} flicker, relative | MAD, relative |", "|---|" + "---|" * (2 * len(_CLIPS) + 2)]
    base = np.array([clip["none"] for clip in found])
    for name, (title, _) in WAYS.items():
        values = np.array([clip[name] for clip in found])
        relative = (values / base).mean(axis=0)
        cells = [f"{value:.4f}" for pair in values for value in pair] + [f"{value:.2f}" for value in relative]
        rows.append(f"| {title} | {' | '.join(cells)} |")
    cells = [cell for value in floor for cell in (f"{value:.4f}", "0")]
    rows.append(f"| the true mattes | {' | '.join(cells)} | {(np.array(floor) / base[:, 0]).mean():.2f} | 0 |")
    return "\n".join(rows)


def _true(seen: tuple[Sample, Pixels, bool]) -> Seen:
    """The true matte in the network's place."""
    sample, truth, follows = seen
    matte_nhwc = np.zeros_like(sample.matte_nhwc)
    sample.shown(matte_nhwc)[:] = truth
    return Seen(Sample(sample.name, sample.image_nhwc, matte_nhwc, sample.placement), truth, follows)
