"""What the page consists of, served or written as a folder."""

from __future__ import annotations

import json

import pytest

from converters.errors import ExportError
from modnet_export.preview import site
from modnet_export.record import manifest
from tests.modnet_export.ship.exports import export


def test_the_page_is_told_what_the_manifest_says(tmp_path):
    dist = export(tmp_path / "dist")
    told = json.loads(site.site(dist, {})["preview.json"])
    recorded = manifest.load(dist)
    expected = {item.file: item for item in recorded.artefacts if item.format == "tflite"}
    assert {item["file"]: item["sha256"] for item in told["models"]} == {
        name: item.sha256 for name, item in expected.items()
    }
    assert [item["image_dtype"] for item in told["models"]] == [item.contract.image.dtype for item in expected.values()]
    assert (told["height"], told["width"]) == (recorded.size.height, recorded.size.width)
    assert told["golden"]["matte"] == {"file": "golden_matte.png", "sha256": recorded.golden.matte.sha256}


def test_a_model_that_missed_its_limits_is_marked(tmp_path):
    dist = export(tmp_path / "dist")
    path = dist / manifest.FILE_NAME
    recorded = json.loads(path.read_text())
    broken = next(item for item in recorded["artefacts"] if item["file"] == "modnet_fp16.tflite")
    broken["parity"] = []
    path.write_text(json.dumps(recorded))
    told = json.loads(site.site(dist, {})["preview.json"])
    assert {item["file"]: item["passed"] for item in told["models"]}["modnet_fp16.tflite"] is False
    assert sum(item["passed"] for item in told["models"]) == len(told["models"]) - 1


def test_a_folder_without_tflite_is_refused(tmp_path):
    dist = export(tmp_path / "dist")
    path = dist / manifest.FILE_NAME
    recorded = json.loads(path.read_text())
    recorded["artefacts"] = [item for item in recorded["artefacts"] if item["format"] == "onnx"]
    path.write_text(json.dumps(recorded))
    with pytest.raises(ExportError, match="holds no TFLite model"):
        site.site(dist, {})


def test_a_file_outside_the_folder_is_refused(tmp_path):
    dist = export(tmp_path / "dist")
    (dist / "modnet_fp16.tflite").rename(tmp_path / "elsewhere")
    with pytest.raises(ExportError, match="is missing"):
        site.site(dist, {})
    (dist / "modnet_fp16.tflite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExportError, match="a link out of its folder"):
        site.site(dist, {})


def test_a_folder_to_host_holds_all_and_keeps_what_was_there(tmp_path):
    dist, out = export(tmp_path / "dist"), tmp_path / "out"
    out.mkdir()
    (out / "CNAME").write_text("mine")
    pages = site.site(dist, {"core.js": b"runtime"})
    for _ in range(2):
        site.write(pages, out)
        assert (out / "CNAME").read_text() == "mine"
        assert (out / "models/modnet_fp16.tflite").read_bytes() == (dist / "modnet_fp16.tflite").read_bytes()
        assert (out / "litert/core.js").read_bytes() == b"runtime"
        assert b"Cross-Origin-Embedder-Policy: require-corp" in (out / "_headers").read_bytes()
        assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
            *pages,
            "_headers",
            "CNAME",
        }
