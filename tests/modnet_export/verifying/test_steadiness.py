from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from modnet_export.images import temporal
from modnet_export.images.compositing import save_image
from modnet_export.images.framing import Portrait
from modnet_export.images.imaging import Placement
from modnet_export.images.inputs import Input
from modnet_export.images.moving import Motion, moving
from modnet_export.images.temporal import STEADIERS, Flow, OneFrameDelay, flow, grey_of, warped
from modnet_export.verifying import steadiness as steadiness_module
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.steadiness import Seen, of_reference, steadiness

SMALL = Motion(frames=16, height=96, width=128, noise=0.02)


@pytest.fixture(scope="module")
def clip():
    """A textured disc that moves over texture; its true mattes, and those with noise, as a network gives them."""
    rng = np.random.default_rng(0)
    texture = [
        cv2.resize(rng.random((24, 24, 3), np.float32), (128, 128), interpolation=cv2.INTER_CUBIC).clip(0, 1)
        for _ in "ab"
    ]
    rows, columns = np.mgrid[:128, :128]
    disc = np.clip((45 - np.hypot(rows - 64, columns - 64)) / 3, 0, 1).astype(np.float32)
    frames = list(moving(Portrait(texture[0], disc), texture[1], SMALL, seed=3))
    noisy = [(item.alpha + rng.normal(0, 0.08, item.alpha.shape)).clip(0, 1).astype(np.float32) for item in frames]
    return [
        Seen(Sample(str(index), item.photo[None], matte[None, ..., None]), item.alpha, index > 0)
        for index, (item, matte) in enumerate(zip(frames, noisy, strict=True))
    ]


def test_the_clip_moves_alike_for_a_seed_and_its_matte_with_it():
    portrait = Portrait(np.full((64, 64, 3), 0.9, np.float32), np.ones((64, 64), np.float32))
    picture = np.zeros((40, 60, 3), np.float32)
    one, again, other = (list(moving(portrait, picture, SMALL, seed)) for seed in (0, 0, 1))
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a.photo, b.photo)
    assert any(not np.array_equal(a.photo, b.photo) for a, b in zip(one, other, strict=True))
    areas = [float(item.alpha.sum()) for item in one]
    assert max(areas) > 1.05 * min(areas)  # it zooms
    centres = [float((item.alpha * np.arange(128)).sum() / item.alpha.sum()) for item in one]
    assert np.ptp(centres) > 5  # and sways
    for item in one:  # where the matte is whole, the bright person is seen; where it is nothing, the dark picture
        assert item.photo[item.alpha == 1].mean() > 0.8
        assert item.photo[item.alpha == 0].mean() < 0.1


def test_flow_finds_where_a_picture_was():
    rng = np.random.default_rng(0)
    picture = cv2.resize(rng.integers(0, 256, (30, 40), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    moved = np.roll(picture, (3, -5), (0, 1))
    motion = flow(moved, picture)
    inner = (slice(20, -20), slice(20, -20))
    np.testing.assert_allclose(np.median(motion[inner], axis=(0, 1)), (5, -3), atol=0.2)
    assert (
        np.abs(warped(picture, motion)[inner] - moved[inner]).mean()
        < 0.1 * np.abs(picture.astype(int) - moved)[inner].mean()
    )


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (512, 512), (600, 40)])
def test_flow_of_any_size(size):
    grey = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    assert flow(grey, grey).shape == (*size, 2)
    assert np.abs(flow(grey, grey)).max() < 1


def test_flow_halves_the_flicker_and_does_not_smear(clip):
    found = steadiness(clip)
    flicker, mad = (np.array([found[name][place] for name in ("none", "flow")]) for place in (0, 1))
    assert flicker[1] < 0.5 * flicker[0]
    assert mad[1] < 1.1 * mad[0]  # docs/video.md has what it is on portraits


def test_a_frozen_matte_is_steady_and_wrong(clip):
    """Why the error stands beside the flicker."""

    class Frozen(Flow):
        def push(self, image_nhwc, matte_nhwc, motion=None):
            self._first = getattr(self, "_first", matte_nhwc)
            return self._first

    found = steadiness(clip, {"none": STEADIERS["none"], "frozen": Frozen})
    assert found["frozen"][0] < found["none"][0]
    assert found["frozen"][1] > 1.5 * found["none"][1]


def test_flicker_by_its_formula(clip):
    """Written out for the mattes as they are, and for the one-frame delay, which comes later."""
    found = steadiness(clip)
    greys = [grey_of(item.sample.image_nhwc) for item in clip]
    raw = [item.sample.matte_nhwc[0, ..., 0] for item in clip]
    delay = OneFrameDelay()
    delayed = [item for item in [*(delay.push(matte) for matte in raw), delay.finish()] if item is not None]
    for name, mattes in (("none", raw), ("one-frame-delay", delayed)):
        changes = [
            np.abs(mattes[index] - warped(mattes[index - 1], flow(greys[index], greys[index - 1]))).mean()
            for index in range(1, len(mattes))
        ]
        errors = [np.abs(matte - item.expected).mean() for matte, item in zip(mattes, clip, strict=True)]
        np.testing.assert_allclose(found[name], (np.mean(changes), np.mean(errors)), rtol=1e-5)


def test_the_motion_is_found_once_for_the_measure_and_the_filter(clip, monkeypatch):
    found = []

    def counted(*greys):
        found.append(greys)
        return flow(*greys)

    for module in (steadiness_module, temporal):
        monkeypatch.setattr(module, "flow", counted)
    steadiness(clip)
    assert len(found) == len(clip) - 1


def test_another_video_begins_anew(clip):
    twice = [*clip, *clip]
    for name, (flicker, mad) in steadiness(clip).items():
        np.testing.assert_allclose(steadiness(twice)[name], (flicker, mad), rtol=1e-6)


def test_a_cut_within_a_video_leaves_no_ghost():
    """Two scenes that have nothing in common: the first frame of the second has its own matte, nearly."""
    rng = np.random.default_rng(0)
    scenes = [rng.random((1, 64, 64, 3)).astype(np.float32) ** power for power in (0.2, 5)]
    way = Flow()
    way.push(scenes[0], np.ones((1, 64, 64, 1), np.float32))
    assert way.push(scenes[1], np.zeros((1, 64, 64, 1), np.float32)).max() < 0.05


def test_another_size_begins_anew():
    way = Flow()
    way.push(np.zeros((1, 64, 64, 3), np.float32), np.ones((1, 64, 64, 1), np.float32))
    assert way.push(np.zeros((1, 32, 64, 3), np.float32), np.zeros((1, 32, 64, 1), np.float32)).max() == 0


def test_of_photos_there_is_none(clip):
    assert of_reference([Input("a"), Input("b")], lambda item: pytest.fail("nothing is to be read")) == ()
    frames = [Input(item.sample.name, follows=item.follows) for item in clip]
    ways = of_reference(frames, lambda item: clip[int(item.name)].sample)
    assert [way.temporal for way in ways] == ["none", "one-frame-delay", "flow"]
    assert ways[0].mad == 0 < ways[2].mad
    assert not any(way.true for way in ways)


def test_where_the_true_mattes_are_known_the_error_is_from_them(clip, tmp_path):
    """As ``matte`` writes numbered mattes; the network's own are not free of error, then."""
    frames = []
    for index, item in enumerate(clip):
        height, width = item.expected.shape
        sample = replace(item.sample, placement=Placement(height, width, 0, 0, height, width))
        save_image(tmp_path / f"{index:06}.png", item.expected)
        frames.append((Input(str(index), follows=index > 0, truth=tmp_path / f"{index:06}.png"), sample))
    ways = of_reference([item for item, _ in frames], lambda item: frames[int(item.name)][1])
    expected = steadiness(clip)
    for way in ways:
        assert way.true
        assert way.flicker == pytest.approx(expected[way.temporal][0], rel=1e-6)
        assert way.mad == pytest.approx(expected[way.temporal][1], abs=2 / 255)
        assert way.mad > 0.01
