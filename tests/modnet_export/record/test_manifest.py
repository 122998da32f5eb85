from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export.record import manifest

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


@pytest.mark.parametrize("file", ["modnet_fp32.tflite", "golden_image.png", "golden_matte.png"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_changed_file_is_named(dist, tmp_path, file, damage):
    folder = tmp_path / "dist"
    shutil.copytree(dist, folder)
    path = folder / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data if damage == "flip" else data[:-1])
    with pytest.raises(CheckFailedError, match=f"1 file.*\n.*{re.escape(file)}"):
        manifest.check_hashes(manifest.load(folder), folder)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("bytes",), -1, r"artefacts\.0\.bytes"),
        (("bytes",), 0, r"artefacts\.0\.bytes"),
        (("parity", 0, "mad"), -0.1, "a difference is never below zero"),
        (("parity", 0, "input"), "noise", "'noise' is measured twice"),
        (("parity", 0, "passed"), False, "if, and only if, it misses no limit"),
        (("file",), "modnet_fp32.tflite", r"modnet_fp32\.tflite is listed twice"),
    ],
)
def test_nonsense_is_refused(dist, tmp_path, place, value, message):
    content = json.loads((dist / "manifest.json").read_text())
    inner = content["artefacts"][0]
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ExportError, match=message) as error:
        manifest.load(tmp_path)
    assert error.value.next_step == "export again"


def test_manifest_without_artefacts_is_refused(dist, tmp_path):
    """It would pass, having checked nothing."""
    content = json.loads((dist / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(content | {"artefacts": []}))
    with pytest.raises(ExportError, match="artefacts"):
        manifest.load(tmp_path)


def test_manifest_of_a_newer_version_says_what_to_update(tmp_path):
    (tmp_path / "manifest.json").write_text('{"schema_version": 2, "artefacts": "something new"}')
    with pytest.raises(ExportError, match=r"(?s)manifest\.json was written by a newer version.*update modnet-export"):
        manifest.load(tmp_path)


def test_manifest_from_before_the_format_had_a_version_is_read(dist, tmp_path):
    content = json.loads((dist / "manifest.json").read_text())
    del content["schema_version"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    assert manifest.load(tmp_path) == manifest.load(dist)


def test_a_manifest_from_before_there_was_a_golden_image_is_read(dist, tmp_path):
    content = json.loads((dist / "manifest.json").read_text())
    del content["golden"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    assert manifest.load(tmp_path).golden is None


def test_an_artefact_has_no_golden_files_name(dist, tmp_path):
    content = json.loads((dist / "manifest.json").read_text())
    content["golden"]["matte"]["file"] = "modnet_fp16.tflite"
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ExportError, match=r"modnet_fp16\.tflite is listed twice"):
        manifest.load(tmp_path)
