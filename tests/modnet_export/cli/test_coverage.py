from __future__ import annotations

import json
from pathlib import Path

import pytest

from converters.errors import ExportError
from modnet_export.cli.coverage import calibration_folder
from modnet_export.images import representative


@pytest.fixture
def calibrated(dist, tmp_path):
    """Where a model would lie whose manifest names a calibration folder."""

    def said(folder: str | None) -> Path:
        content = json.loads((dist / "manifest.json").read_text()) | {"calibration": folder}
        (tmp_path / "manifest.json").write_text(json.dumps(content))
        return tmp_path / "modnet_int8.tflite"

    return said


def test_folder_is_the_one_that_the_manifest_names(calibrated, tmp_path):
    (tmp_path / "photos").mkdir()
    assert calibration_folder(calibrated(str(tmp_path / "photos"))) == tmp_path / "photos"


@pytest.mark.parametrize("said", [None, representative.BUILT_IN])
def test_built_in_set_is_no_folder(calibrated, said):
    assert calibration_folder(calibrated(said)) is None


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_folder_that_is_gone_is_one_clear_error(calibrated, tmp_path, what):
    place = tmp_path / "photos"
    if what == "a file":
        place.write_text("")
    with pytest.raises(ExportError, match=r"calibrated with are not there any more") as error:
        calibration_folder(calibrated(str(place)))
    assert error.value.where == str(place)
    assert error.value.expected
    assert "`calibration=FOLDER`" in str(error.value.next_step)


def test_relative_path_is_not_looked_for_where_the_command_happens_to_run(calibrated, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match="says 'photos' for the calibration images, but not where") as error:
        calibration_folder(calibrated("photos"))
    assert error.value.next_step == "export again"
