"""A run held against an earlier one: one bad image in many fails, and another machine's rounding does not."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export import VerifyRequest, verify
from modnet_export.images import inputs
from modnet_export.record.measures import MEASURES, Measurement, Tolerance
from modnet_export.verifying import gates, metrics
from modnet_export.verifying.baseline import regressions
from modnet_export.verifying.junit import junit
from tests.modnet_export.verifying.test_metrics import portrait
from tests.modnet_export.verifying.test_result import link as made_link
from tests.modnet_export.verifying.test_result import verification

SIZE = (64, 96)
COMPARED = [name for name, measure in MEASURES.items() if measure.noise is not None]


@cache
def values():
    """Of a coarse model on a frame."""
    p, r, before = portrait(0, SIZE), portrait(1, SIZE), portrait(2, SIZE)
    between = metrics.between_frames((p, r), (r, before)) | {"warped_flicker": 0.02}
    return metrics.against_reference(p, r) | between


def made(changes=None, count=200, **of_link):
    """A link with ``count`` inputs; ``changes``: values of some of them, by number."""
    measured = [
        Measurement.judged(f"{at}.png", values() | (changes or {}).get(at, {}), Tolerance()) for at in range(count)
    ]
    names = tuple(item.input for item in measured)
    return made_link(**({"measurements": tuple(measured), "expected": names} | of_link))


def baseline_of(link):
    size = dict(zip(("height", "width"), SIZE, strict=True))
    return verification(links=(link,), inputs=link.expected, expected=(link.name,), size=size)


def against(links, *, before=None):
    return regressions(links, baseline_of(before or made()))


def times(name, factor):
    value = values()[name]
    return {name: 1 - factor * (1 - value) if MEASURES[name].at_least else factor * value}


def test_every_measure_is_compared_but_those_that_another_one_tells():
    assert set(MEASURES) - set(COMPARED) == {"psnr_db", "noise_ratio"}
    assert set(COMPARED) <= set(values())


def test_the_same_again_is_not_worse():
    assert against([made()]) == ()


@pytest.mark.parametrize("name", COMPARED)
def test_one_of_many_inputs_ten_times_worse_is_named(name):
    (found,) = against([made({117: times(name, 10)})])
    assert (found.measure, found.where) == (name, "on 117.png")
    assert abs(found.now) == pytest.approx(abs(times(name, 10)[name]))  # flicker, either way
    assert str(found).startswith(f"was {found.before:.3g} in the baseline and is {found.now:.3g}, on 117.png")


@pytest.mark.parametrize("name", COMPARED)
def test_all_inputs_a_quarter_worse_fail_by_their_mean(name):
    changes = {at: times(name, 1.25) for at in range(200)}
    assert [(item.measure, item.where) for item in against([made(changes)])] == [(name, "in the mean")]


def test_the_worst_of_all_may_not_grow_by_a_fifth():
    found = against([made({7: times("mad", 2.4)})], before=made({7: times("mad", 2)}))
    assert [(item.measure, item.now / item.before, item.where) for item in found] == [("mad", 1.2, "at worst")]


def test_ssim_that_falls_from_99_to_90_hundredths_fails():
    old, new = ({at: {"ssim": value} for at in range(200)} for value in (0.99, 0.90))
    assert {item.measure for item in against([made(new)], before=made(old))} == {"ssim"}


@pytest.mark.parametrize("name", COMPARED[1:])  # without the largest difference, a measurement has failed anyway
def test_measure_that_can_no_longer_be_taken_fails(name):
    (found,) = against([made({3: {name: math.nan}})])
    assert (found.measure, found.now) == (name, None)
    assert str(found).endswith("in the baseline and has no value, on 3.png")


def test_rounding_on_another_machine_does_not_fail():
    rng = np.random.default_rng(1)
    clean = [portrait(at, SIZE) for at in range(12)]

    def measured():
        found = []
        for r in clean:
            moved = [np.clip(m + rng.normal(0, 3e-6, m.shape), 0, 1).astype(np.float32) for m in (r, r, r + 1e-4)]
            found.append([metrics.against_reference(moved[way], moved[0]) for way in (1, 2)])
        return found

    first, second = measured(), measured()
    for way in (0, 1):
        old, new = (made({at: row[way] for at, row in enumerate(run)}, count=12) for run in (first, second))
        assert against([new], before=old) == ()


def test_input_that_could_not_be_read_is_reported_as_that_alone():
    new = made(count=199)
    baseline = baseline_of(made())
    assert regressions([new], baseline, ["199.png"]) == ()
    assert {item.where for item in regressions([new], baseline)} == {"on 199.png"}


def test_link_that_vanished_is_refused():
    with pytest.raises(ExportError, match=r"1 artefact\(s\) of the baseline are not in this run: modnet_fp32\.onnx"):
        against([made(artefact="another.onnx")])


def test_baseline_without_a_result_is_refused():
    nothing = made(verdict="not run", reason="no GPU", measurements=(), expected=("0.png",))
    with pytest.raises(ExportError, match=r"the baseline has no result of modnet_fp32\.onnx"):
        against([made()], before=nothing)


class TestVerify:
    @pytest.fixture(scope="class")
    def result(self, dist):
        return verify(VerifyRequest(dist))

    def test_what_is_worse_than_the_baseline_fails(self, dist, result):
        link = result.links[3]
        better = [item.model_copy(update={"mad": item.mad / 2}) for item in link.measurements if item.mad]
        links = (*result.links[:3], link.model_copy(update={"measurements": tuple(better)}))
        again = verify(VerifyRequest(dist, baseline=result.model_copy(update={"links": links})))
        assert [(item.link, item.measure) for item in again.regressions] == [("modnet_fp16.tflite", "mad")]
        with pytest.raises(CheckFailedError, match=r"mad was .* in the baseline and is .*, on (photo|noise)"):
            gates.require(again)
        assert b"in the baseline" in junit(again)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"size": {"height": 64, "width": 64}}, r"another size: 64x64(?s:.*)expected: size 96x128"),
            (
                {"source": {"name": "demo", "kind": "checkpoint", "sha256": "1" * 64}},
                r"another checkpoint: 1111(?s:.*)expected: checkpoint ",
            ),
            ({"metrics_convention": "gfm"}, "another metrics convention: gfm"),
            ({"inputs": ("photo", "noise", "mine.png")}, r"1 input\(s\) of the baseline .*: mine\.png"),
            ({"links": "one more"}, r"1 artefact\(s\) of the baseline .*: modnet_int8\.tflite"),
        ],
    )
    def test_baseline_of_something_else_is_refused_before_anything_runs(self, dist, result, changes, message):
        if "links" in changes:
            last = result.links[-1].model_copy(update={"artefact": "modnet_int8.tflite"})
            changes = {"links": (*result.links, last), "expected": (*result.expected, last.name)}
        baseline = result.model_validate({**dict(result), **changes})
        seen = []
        with pytest.raises(ExportError, match=message) as error:
            verify(VerifyRequest(dist, baseline=baseline), lambda stage, *_: seen.append(stage))
        assert "running the reference" not in seen
        assert error.value.next_step
        assert "`baseline`" in str(error.value)

    def test_baseline_of_other_inputs_is_refused(self, dist, result, photos):
        with pytest.raises(ExportError, match=r"2 input\(s\) of the baseline are not in this run: photo, noise"):
            verify(VerifyRequest(dist, inputs.images([photos / "p0.png"]), baseline=result))
