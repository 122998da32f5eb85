from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from converters.errors import ExportError
from modnet_export.record.files import FileFormat, read_versioned
from modnet_export.record.strict import Strict

FORMAT = FileFormat("a thing", 3, "what a thing is written by", "write the thing again")


class Thing(Strict):
    schema_version: Literal[3] = 3
    name: str


def read(folder: Path, text: str | bytes | None) -> Thing:
    path = folder / "thing.json"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_versioned(path, Thing.model_validate_json, FORMAT)


@pytest.mark.parametrize(
    "text", ['{"schema_version": 3, "name": "x"}', '{"name": "x"}'], ids=["present", "unversioned"]
)
def test_present_and_unversioned_files_are_read(tmp_path, text):
    assert read(tmp_path, text).name == "x"


def test_newer_file_says_what_to_update(tmp_path):
    with pytest.raises(ExportError) as error:
        read(tmp_path, '{"schema_version": 4, "name": ["of another kind"]}')
    assert error.value.what == "thing.json was written by a newer version of modnet-export"
    assert error.value.expected == "a thing in format 3 or older, found format 4"
    assert error.value.next_step == "update modnet-export"


def test_older_file_that_is_read_no_more_says_how_to_make_it_again(tmp_path):
    with pytest.raises(ExportError, match=r"written by an older version of modnet-export.*schema_version") as error:
        read(tmp_path, '{"schema_version": 2, "name": "x"}')
    assert error.value.next_step == "write the thing again"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("", "Expecting value"),
        (b"\xff\xfe\x00", "codec"),
        ("[" * 100_000, "recursion"),
        ("[1]", "1 problem"),
        ('{"schema_version": "4"}', "2 problem"),
        ('{"schema_version": true, "name": "x"}', "schema_version"),
        ('{"name": 1}', "first name: Input should be a valid string"),
    ],
    ids=str,
)
def test_anything_else_is_one_clear_error(tmp_path, text, reason):
    with pytest.raises(ExportError, match=rf"cannot read thing\.json as a thing: .*{reason}") as error:
        read(tmp_path, text)
    assert len(str(error.value).splitlines()) == 4
