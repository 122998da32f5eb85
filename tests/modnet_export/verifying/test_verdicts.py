"""Every function that gives a verdict, fed what must not pass: not one of them lets it."""

from __future__ import annotations

import json
from functools import cache, partial
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from converters.errors import ExportError
from modnet_export.exporting.run import require_parity
from modnet_export.record.manifest import Manifest
from modnet_export.record.recipes import RECIPES, Recipe
from modnet_export.report import render
from modnet_export.verifying import agreement, gates, metrics, replay
from modnet_export.verifying.baseline import regressions
from modnet_export.verifying.junit import junit
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.result import Agreement, Link, Verification
from tests.modnet_export.verifying import made


def person(row, column, radius=4.5):
    """A matte of a person who fills 1.5 % of the picture."""
    rows, columns = np.mgrid[: made.SIZE.height, : made.SIZE.width]
    distance = np.hypot(rows - row, columns - column)
    return (1 / (1 + np.exp(2 * (distance - radius)))).astype(np.float32)


REFERENCES = {f"p{index}": person(8 + 6 * index, 50 - 5 * index) for index in range(8)}
FIRST, *_, LAST = REFERENCES


def spoiled_at(matte, value):
    found = matte.copy()
    found[3, 4] = value
    return found


def every(change):
    return {name: change(matte) for name, matte in REFERENCES.items()}


SPOILED = {
    "NaN": every(lambda matte: spoiled_at(matte, np.nan)),
    "Inf": every(lambda matte: spoiled_at(matte, np.inf)),
    "-Inf": every(lambda matte: spoiled_at(matte, -np.inf)),
    "empty": every(np.zeros_like),
    "full": every(np.ones_like),
    "constant": every(lambda matte: np.full_like(matte, matte.mean())),
    "foreground and background swapped": every(lambda matte: 1 - matte),
    "inputs swapped": dict(zip(REFERENCES, [*list(REFERENCES.values())[1:], REFERENCES[FIRST]], strict=True)),
    "one missing": {name: matte for name, matte in REFERENCES.items() if name != LAST},
    "all missing": {},
    "one empty in many": REFERENCES | {LAST: np.zeros_like(REFERENCES[LAST])},
    "one NaN in many": REFERENCES | {LAST: spoiled_at(REFERENCES[LAST], np.nan)},
}
GIVEN = SPOILED | {"sound": every(lambda matte: matte * np.float32(1 - 1e-5))}
"""By their names: the mattes that a model gives for the inputs."""
MODELS = list({str(row.tolerance): row for row in RECIPES}.values())
"""One for each tolerance."""
PACKAGES = [row for row in RECIPES if row.format == "coreml"]


@cache
def measured(given: str) -> dict[str, dict[str, float]]:
    """The values of every input."""
    return {name: metrics.against_reference(matte, REFERENCES[name]) for name, matte in GIVEN[given].items()}


def linked(row: Recipe, given: str) -> Link:
    rows = {name: made.row(values) for name, values in measured(given).items()}
    return made.linked(made.artefact(row, {}), list(REFERENCES), rows)


def whole(row: Recipe, given: str) -> Verification:
    return made.verification(linked(row, given), inputs=list(REFERENCES))


def agrees(check, *arguments) -> bool:
    try:
        check(*arguments)
    except ExportError:
        return False
    return True


def by_export(row, given):
    return agrees(require_parity, [made.artefact(row, measured(given))], list(REFERENCES))


def by_link(row, given):
    return linked(row, given).verdict == "passed"


def by_gate(row, given):
    return agrees(gates.require, whole(row, given))


def by_file(row, given):
    """What was written, read back."""
    return Verification.model_validate_json(whole(row, given).model_dump_json()).passed


def by_junit(row, given):
    return ElementTree.fromstring(junit(whole(row, given))).get("failures") == "0"


def by_report(row, given):
    return "all checks passed" in render.markdown(whole(row, given))


@pytest.mark.parametrize("row", MODELS, ids=lambda row: row.precision)
@pytest.mark.parametrize("judge", [by_export, by_link, by_gate, by_file, by_junit, by_report])
def test_none_passes(judge, row):
    assert judge(row, "sound")
    assert [given for given in SPOILED if judge(row, given)] == []


@pytest.mark.parametrize("row", MODELS, ids=lambda row: row.precision)
def test_none_is_as_good_as_a_sound_baseline(row):
    """What is missing is no regression: it was not run."""
    sound, there = whole(row, "sound"), [given for given in SPOILED if "missing" not in given]
    assert not regressions([linked(row, "sound")], sound)
    assert [given for given in there if not regressions([linked(row, given)], sound)] == []


def of(matte, size):
    """An image of its own for each matte, which fills it."""
    return matte[None, :, :, None].repeat(3, 3), None


@pytest.mark.parametrize("row", PACKAGES, ids=lambda row: row.precision)
def test_none_passes_when_it_comes_back_from_a_mac(row, tmp_path):
    """In the place of a sound result of the evaluator."""
    path, sound = tmp_path / "results.json", linked(row, "sound")
    package = made.artefact(row, measured("sound"))
    manifest = Manifest(source=made.SOURCE, size=made.SIZE, reference="PyTorch", versions={}, artefacts=(package,))

    inputs = [SimpleNamespace(name=name, load=partial(of, matte)) for name, matte in REFERENCES.items()]
    identity = replay._identity(manifest, [(item.name, item.load(made.SIZE)[0]) for item in inputs])
    names = ("max_abs_difference", "noise_ratio", "p999", "mad", "mse", "edge_mad", "correlation")

    def passes(given):
        results = [
            {
                "file": row.file,
                "sha256": package.sha256,
                "compute_unit": unit,
                "input": name,
                **{key: values[key] for key in names},
                "from_evaluator": 0,
                "rounds_to_nearest": None,
                "rounds_down": None,
            }
            for name, values in measured(given).items()
            for unit in replay.UNITS
        ]
        content = {
            "schema_version": 4,
            "bundle": identity,
            "machine": {},
            "runs": [],
            "results": results,
            "crashes": [],
        }
        path.write_text(json.dumps(content))
        back = replay.read_results(path, manifest, inputs)
        gates.require(made.verification(*replay.replayed([sound], back, manifest), inputs=list(REFERENCES)))

    assert agrees(passes, "sound")
    assert [given for given in SPOILED if agrees(passes, given)] == []


@pytest.mark.parametrize("name", ["sound", *SPOILED])
def test_ways_that_differ_do_not_agree(name, monkeypatch, tmp_path):
    """One thread gives the reference's matte, everything else what is given."""
    given = GIVEN[name].get(LAST)
    if given is None:
        pytest.skip("an agreement is only taken of two mattes")

    class Fake:
        def __init__(self, path, threads=None, delegate="cpu"):
            self.matte = REFERENCES[LAST] if (threads, delegate) == (1, "cpu") else given

        def run(self, image_nhwc):
            return self.matte[None, :, :, None]

    monkeypatch.setattr(agreement, "open_runtime", Fake)
    monkeypatch.setattr(agreement.os, "cpu_count", lambda: 2)
    matte_nhwc = REFERENCES[LAST][None, :, :, None]
    row = next(item for item in RECIPES if item.integer_activations)  # the most that is allowed
    sample = Sample(LAST, matte_nhwc.repeat(3, 3), matte_nhwc)
    found = agreement.agreements(tmp_path, made.artefact(row, {}), sample)
    assert len(found) == 2
    assert all(item.passed == (name == "sound") for item in found)
    assert all(Agreement.model_validate_json(item.model_dump_json()) == item for item in found)
