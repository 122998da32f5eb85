from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from converters.errors import ExportError
from modnet_export.record.measures import Tolerance
from modnet_export.verifying import metrics

mattes = arrays(np.float32, st.just((5, 7)), elements=st.floats(0, 1, width=32))
ERRORS = [metrics.max_abs_difference, metrics.mad, metrics.mse]
pictures = arrays(np.float32, st.just((24, 20)), elements=st.floats(0, 1, width=32))

clips = arrays(np.float32, (4, 5, 7), elements=st.floats(0, 1, width=32))


def portrait(seed=0, size=(64, 80)):
    """A soft blob with noise at its edge, as mattes have."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: size[0], : size[1]]
    distance = np.hypot(rows - size[0] / 2, columns - size[1] / 2) + rng.normal(0, 1.5, size)
    return (1 / (1 + np.exp((distance - 20) / 2))).astype(np.float32)


@pytest.mark.parametrize("metric", ERRORS)
class TestLaws:
    @given(p=mattes)
    def test_equal_mattes_have_no_error(self, metric, p):
        assert metric(p, p) == 0

    @given(p=mattes, r=mattes)
    def test_symmetric_and_in_unit_range(self, metric, p, r):
        assert metric(p, r) == metric(r, p)
        assert 0 <= metric(p, r) <= 1

    @given(p=mattes, r=mattes)
    def test_inverting_both_changes_nothing(self, metric, p, r):
        assert metric(1 - p, 1 - r) == pytest.approx(metric(p, r), abs=1e-6)

    def test_black_against_white_is_one(self, metric):
        assert metric(np.zeros((3, 3)), np.ones((3, 3))) == 1

    def test_nan_is_never_hidden(self, metric):
        assert math.isnan(metric(np.array([0.0, np.nan]), np.zeros(2)))

    def test_different_shapes_are_refused(self, metric):
        with pytest.raises(ExportError, match=r"\(2, 3\).*\(3, 2\)"):
            metric(np.zeros((2, 3)), np.zeros((3, 2)))


@given(p=mattes, r=mattes)
def test_metrics_are_ordered(p, r):
    assert metrics.mse(p, r) <= metrics.mad(p, r) + 1e-12 <= metrics.max_abs_difference(p, r) + 2e-12


@given(p=mattes, r=mattes)
def test_mse_and_psnr_agree_with_scikit_image(p, r):
    assert metrics.mse(p, r) == pytest.approx(mean_squared_error(p.astype(float), r.astype(float)))
    if metrics.mse(p, r) > 0:
        expected = peak_signal_noise_ratio(r.astype(float), p.astype(float), data_range=1)
        assert metrics.psnr_db(p, r) == pytest.approx(expected)


def test_psnr_of_equal_mattes_is_infinite():
    assert metrics.psnr_db(np.ones(3), np.ones(3)) == math.inf


@settings(deadline=None, max_examples=25)
@given(p=pictures, r=pictures)
def test_neighbourhood_errors_are_zero_only_for_like_mattes(p, r):
    for metric in (metrics.gradient_error, metrics.connectivity_error, metrics.sad):
        assert metric(p, p) == 0
        assert metric(p, r) == pytest.approx(metric(r, p), abs=1e-9)
        assert metric(p, r) >= 0
    assert metrics.ssim(p, p) == pytest.approx(1)
    assert -1 <= metrics.ssim(p, r) <= 1 + 1e-9


@settings(deadline=None, max_examples=25)
@given(p=pictures, r=pictures)
def test_errors_over_a_region_and_its_rest_add_up(p, r):
    region = np.zeros(p.shape, bool)
    region[5:15, 3:9] = True
    for metric in (metrics.sad, metrics.gradient_error, metrics.connectivity_error):
        assert metric(p, r, region) + metric(p, r, ~region) == pytest.approx(metric(p, r), abs=1e-9)


def test_sad_is_in_thousands_of_pixels():
    assert metrics.sad(np.ones((50, 100)), np.zeros((50, 100))) == 5


@given(p=mattes, r=mattes)
def test_quantile_lies_between_the_mean_and_the_maximum_where_it_is_the_last(p, r):
    assert metrics.quantile(p, r, 1) == metrics.max_abs_difference(p, r)
    assert metrics.quantile(p, r, 0) == np.abs(p.astype(float) - r).min()


def plain_gradient(matte):
    """The evaluation code's gaussgradient.m, kernel entry by kernel entry."""
    sigma, epsilon = 1.4, 1e-2
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * epsilon)))

    def gauss(x):
        return math.exp(-(x**2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))

    kernel = np.array(
        [[gauss(i) * -j * gauss(j) / sigma**2 for j in range(-half, half + 1)] for i in range(-half, half + 1)]
    )
    kernel /= math.sqrt((np.abs(kernel) ** 2).sum())
    # filter2D correlates; the kernel is odd, so convolving only changes the sign.
    x, y = (cv2.filter2D(matte.astype(float), -1, k, borderType=cv2.BORDER_REPLICATE) for k in (kernel, kernel.T))
    return np.sqrt(x**2 + y**2)


def plain_connectivity(p, r):
    """The evaluation code's compute_connectivity_error.m, with scikit-image's components."""
    level_map = -np.ones(p.shape)
    thresholds = [step / 10 for step in range(11)]
    for index in range(1, 11):
        parts = label((p >= thresholds[index] - 1e-12) & (r >= thresholds[index] - 1e-12), connectivity=1)
        areas = np.bincount(parts.ravel())[1:]
        omega = np.zeros(p.shape)
        if areas.size:
            omega[parts == 1 + areas.argmax()] = 1
        level_map[(level_map == -1) & (omega == 0)] = thresholds[index - 1]
    level_map[level_map == -1] = 1
    phi = [1 - (a - level_map) * ((a - level_map) >= 0.15) for a in (p, r)]
    return np.abs(phi[0] - phi[1]).sum() / 1000


@pytest.mark.parametrize("seed", range(4))
class TestAgainstIndependentImplementations:
    def pair(self, seed):
        return portrait(seed).astype(np.float64), portrait(seed + 100).astype(np.float64)

    def test_gradient_error(self, seed):
        p, r = self.pair(seed)
        expected = ((plain_gradient(p) - plain_gradient(r)) ** 2).sum() / 1000
        assert expected > 0
        assert metrics.gradient_error(p, r) == pytest.approx(expected, rel=1e-9)

    def test_connectivity_error(self, seed):
        p, r = self.pair(seed)
        expected = plain_connectivity(p, r)
        assert expected > 0
        assert metrics.connectivity_error(p, r) == pytest.approx(expected, rel=1e-6)

    def test_ssim(self, seed):
        p, r = self.pair(seed)
        setting = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        assert metrics.ssim(p, r) == pytest.approx(structural_similarity(p, r, **setting), rel=1e-9)

    def test_correlation(self, seed):
        p, r = self.pair(seed)
        assert metrics.correlation(p, r) == pytest.approx(np.corrcoef(p.ravel(), r.ravel())[0, 1])


def test_a_detached_island_costs_connectivity_and_a_smooth_change_does_not():
    reference = np.zeros((40, 40))
    reference[10:30, 10:30] = 1
    island = reference.copy()
    island[2:6, 2:6] = 1
    lighter = np.where(reference == 1, 0.95, 0.0)
    assert metrics.connectivity_error(island, reference) == pytest.approx(16 / 1000)
    assert metrics.connectivity_error(lighter, reference) == 0
    assert metrics.sad(lighter, reference) > metrics.sad(island, reference)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_constant_matte_correlates_with_its_equal_alone(value):
    constant, person = np.full((24, 24), value), portrait(size=(24, 24))
    assert metrics.correlation(constant, person) == metrics.correlation(person, constant) == 0
    assert metrics.correlation(constant, constant) == 1
    assert metrics.correlation(constant, constant + 0.1) == 0
    # A shade that is lost in 8 bits is none.
    assert metrics.correlation(constant, constant + person / 255) == 1
    assert math.isnan(metrics.correlation(constant * math.nan, person))


class TestEdgeBand:
    def test_covers_soft_pixels_and_hard_edges_and_leaves_the_rest(self):
        hard = np.zeros((512, 512), np.float32)
        hard[:, 256:] = 1
        band = metrics.edge_band(hard)
        assert band[:, 247:265].all()
        assert not band[:, :240].any()
        assert not band[:, 272:].any()
        soft = np.zeros((512, 512), np.float32)
        soft[100, 100] = 0.5
        assert metrics.edge_band(soft)[95:106, 100].all()

    @pytest.mark.parametrize("value", [0.0, 1.0])
    def test_reference_without_an_edge_is_compared_everywhere(self, value):
        matte, junk = np.full((64, 64), value, np.float32), np.abs(value - portrait(size=(64, 64)))
        assert not metrics.edge_band(matte).any()
        for name in ("mad", "mse", "sad", "grad", "conn"):
            assert metrics.against_reference(matte, matte)[f"edge_{name}"] == 0
            found = metrics.against_reference(junk, matte)
            assert found[f"edge_{name}"] == found[name]
        assert found["edge_mad"] > 0.1

    def test_measures_hold_the_error_at_the_edge(self):
        reference = portrait()
        wrong = np.where(metrics.edge_band(reference), 0.5, reference)
        found = metrics.against_reference(wrong, reference)
        assert found["edge_mad"] > found["mad"]
        assert found["edge_sad"] == pytest.approx(found["sad"])


@given(a=mattes, b=mattes)
def test_flicker_is_relative_to_the_references(a, b):
    assert metrics.flicker((a, b), (a, b)) == 0
    assert metrics.flicker((a, b), (a, a)) == pytest.approx(metrics.mad(a, b))
    # A constant error does not flicker.
    assert metrics.flicker((a * 0.5 + 0.25, b * 0.5 + 0.25), (a * 0.5, b * 0.5)) == pytest.approx(0, abs=1e-6)


def moving(offsets):
    """A portrait at each of these columns: a clip of H x W mattes."""
    return [np.roll(portrait(size=(64, 96)), offset, axis=1) for offset in offsets]


@pytest.mark.parametrize(
    "predicted",
    [moving([0] * 6), moving([0, 0, 2, 4, 6, 8]), moving([0, -2, -4, -6, -8, -10])],
    ids=["frozen", "lagging", "the wrong way"],
)
def test_matte_that_does_not_move_along_fails_a_limit_of_dtssd(predicted):
    reference = moving([0, 2, 4, 6, 8, 10])
    noisy = [matte + np.random.default_rng(0).normal(0, 1e-4, matte.shape) for matte in reference]
    limits = Tolerance(dtssd=1e-3)
    values = {"max_abs_difference": 0.5}
    for at in range(1, 6):
        frames = slice(at - 1, at + 1)
        found = metrics.between_frames(predicted[frames][::-1], reference[frames][::-1])
        assert found["flicker"] < 1e-6
        assert limits.missed(values | found) == ("dtssd",)
        sound = metrics.between_frames(noisy[frames][::-1], reference[frames][::-1])
        assert limits.missed(values | sound) == ()


@given(p=clips, r=clips)
def test_dtssd_is_the_root_of_the_mean_square_of_the_changes_difference(p, r):
    changes = np.diff(p.astype(float), axis=0) - np.diff(r.astype(float), axis=0)
    expected = np.linalg.norm(changes.reshape(3, -1), axis=1) / math.sqrt(35)
    found = [metrics.dtssd((p[at], p[at - 1]), (r[at], r[at - 1])) for at in (1, 2, 3)]
    assert found == pytest.approx(expected, abs=1e-12)


def test_dtssd_sees_twice_the_range_and_no_constant_error():
    white, black = np.ones((3, 3)), np.zeros((3, 3))
    assert metrics.dtssd((white, black), (black, white)) == 2
    assert metrics.dtssd((white, white), (black, black)) == 0


def test_of_parts_of_one_size_the_first_in_reading_order_is_the_foreground():
    """Also where OpenCV labels strips of a large matte in several threads."""
    p = np.zeros((1500, 700))
    p[3::20, 5::20] = 1
    r = 0.8 * p
    r[3, 5] = 0.95  # were another part the foreground, this one would not be connected, and count
    assert metrics.connectivity_error(p, r) == pytest.approx(0.2 * (p.sum() - 1) / 1000)
