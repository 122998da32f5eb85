"""What a manifest says of a search is checked when it is read."""

from __future__ import annotations

import json

import pytest

from converters.errors import ExportError
from modnet_export.record import manifest

POINT = {
    "left_in_float": 3,
    "integer_macs": 0.5,
    "mad": 0.001,
    "p999": 0.05,
    "max_abs_difference": 0.1,
    "latency_ms": 40.0,
    "size_mb": 7.2,
    "p95_mad": 0.002,
    "worst_mad": 0.004,
}


def written(dist, folder, point):
    """A manifest whose third artefact chose ``point``."""
    content = json.loads((dist / "manifest.json").read_text())
    content["artefacts"][2]["search"] = {"budget": "mad<=0.001", "held": True, "chosen": point, "points": [POINT]}
    (folder / "manifest.json").write_text(json.dumps(content))
    return folder


def test_a_point_keeps_its_form(dist, tmp_path):
    loaded = manifest.load(written(dist, tmp_path, POINT))
    assert json.loads(manifest.dump(loaded))["artefacts"][2]["search"]["chosen"] == POINT


@pytest.mark.parametrize(
    ("name", "value"), [("mad", -1), ("integer_macs", 1.5), ("latency_ms", float("nan")), ("left_in_float", -1)]
)
def test_a_point_that_cannot_be_is_one_clear_error(dist, tmp_path, name, value):
    with pytest.raises(
        ExportError, match=rf"artefacts\.2\.search\.chosen(: .*{name} is |\.{name}: Input should be a finite number)"
    ) as error:
        manifest.load(written(dist, tmp_path, {**POINT, name: value}))
    assert error.value.where == str(tmp_path / "manifest.json")
