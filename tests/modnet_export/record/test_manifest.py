from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export.record import manifest
from modnet_export.record.contract import Contract, Size, Tolerance
from modnet_export.verifying.parity import compare

ROOT = Path(__file__).parents[3]


def test_schema_in_the_docs_is_the_models_own():
    assert (ROOT / "docs" / "manifest.schema.json").read_text() == manifest.schema(), "run `make schema`"


def test_manifest_round_trips(dist):
    loaded = manifest.load(dist)
    assert manifest.dump(loaded) == (dist / "manifest.json").read_bytes()
    assert loaded.passed


def test_manifest_says_what_an_app_needs(dist):
    artefacts = {item.file: item for item in manifest.load(dist).artefacts}
    assert list(artefacts) == ["modnet_fp32.onnx", "modnet_opt_fp32.onnx", "modnet_fp32.tflite", "modnet_fp16.tflite"]
    assert [item.tuning for item in artefacts.values()] == [None, "cpu", "cpu", "gpu"]
    port = artefacts["modnet_fp16.tflite"].contract.image
    assert (port.name, port.layout, port.shape) == ("image", "NHWC", (1, 96, 128, 3))
    for name, item in artefacts.items():
        assert item.bytes == (dist / name).stat().st_size


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "", "..", "a\\b"])
def test_artefact_outside_the_folder_is_refused(dist, tmp_path, name):
    content = json.loads((dist / "manifest.json").read_text())
    content["artefacts"][0]["file"] = name
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ExportError, match=r"artefacts\.0\.file"):
        manifest.load(tmp_path)


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"schema_version": 99}'], ids=str)
def test_missing_or_invalid_manifest_is_one_clear_error(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ExportError, match=r"manifest\.json"):
        manifest.load(tmp_path)


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_changed_artefact_is_named(dist, tmp_path, damage):
    folder = tmp_path / "dist"
    shutil.copytree(dist, folder)
    path = folder / "modnet_fp32.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data if damage == "flip" else data[:-1])
    with pytest.raises(CheckFailedError, match=r"modnet_fp32\.tflite"):
        manifest.check_hashes(manifest.load(folder), folder)


class TestCompare:
    tolerance = Tolerance(max_abs_difference=0.1, mad=0.01)

    @pytest.mark.parametrize(
        ("difference", "passed"), [([0, 0, 0, 0], True), ([0.05, 0, 0, 0], False), ([0.03, 0, 0, 0], True)], ids=str
    )
    def test_every_limit_must_hold(self, difference, passed):
        import numpy as np

        expected = np.full((1, 2, 2, 1), 0.5, np.float32)
        found = expected + np.reshape(difference, expected.shape).astype(np.float32)
        assert compare("x", found, expected, self.tolerance).passed is passed

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_matte_that_is_not_finite_fails_even_without_limits(self, value):
        import numpy as np

        found = np.full((1, 2, 2, 1), value, np.float32)
        result = compare("x", found, np.zeros_like(found), Tolerance())
        assert not result.passed
        assert result.max_abs_difference is None


@pytest.mark.parametrize("text", ["512", "512X384", "32x32"])
def test_size_is_parsed(text):
    size = Size.parse(text)
    assert f"{size}" in (f"{text}x{text}", text.lower())


@pytest.mark.parametrize("text", ["", "0", "500x512", "512x", "x512", "512x512x3", "-32x32", "32.0", "١٢٨"])
def test_impossible_size_is_refused(text):
    with pytest.raises(ExportError, match="is not a size"):
        Size.parse(text)


def test_contract_keeps_height_and_width_apart():
    size = Size(height=96, width=128)
    assert Contract.of("onnx", size).image.shape == (1, 3, 96, 128)
    assert Contract.of("tflite", size).matte.shape == (1, 96, 128, 1)
