"""What an export says of its Core ML packages."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from converters.errors import CheckFailedError, CrashedError, ExportWarning
from modnet_export import ExportRequest, Size
from modnet_export.exporting import run
from modnet_export.exporting.chain import Chain
from modnet_export.record import manifest


@pytest.fixture(scope="module")
def folder(exported):
    size = Size(height=64, width=96)
    return exported(size=size, formats=("onnx", "coreml"), precisions=("fp32", "fp16"), coreml_io="image")


def test_norms_are_recorded_with_what_chose_their_form(folder):
    fp32, fp16 = (item for item in manifest.load(folder).artefacts if item.format == "coreml")
    assert not fp32.norms
    assert len(fp16.norms) == 16
    assert (fp16.tuning, fp32.tuning) == ("ane", "ane")
    for norm in fp16.norms:
        assert norm.largest_sum_of_squares >= norm.largest_centred**2
        assert norm.form in ("instance_norm", "cascade")
        assert norm.why


def test_norms_are_printed(folder, capsys):
    from modnet_export.cli.tables import say_manifest

    say_manifest(manifest.load(folder))
    out = capsys.readouterr().out
    assert "least variance" in out
    assert out.count("instance_norm") + out.count("cascade") >= 16


def test_users_weights_carry_what_the_user_says_alone():
    """Not this project's name and licence."""
    own = Chain(None, "", ExportRequest(checkpoint="mine.ckpt", coreml_author="me"))
    assert own._said("me", "modnet-export") == "me"
    assert own._said(None, "Apache-2.0") == ""
    assert Chain(None, "", ExportRequest())._said(None, "Apache-2.0") == "Apache-2.0"
    assert Chain(None, "", ExportRequest())._said("", "Apache-2.0") == ""


@pytest.mark.parametrize(("side", "warned"), [(1024, False), (1056, True)])
def test_large_package_is_warned_of(side, warned, tmp_path, recwarn):
    ExportRequest(size=Size(height=64, width=side), formats=("coreml",), out=Path(tmp_path, "dist")).check()
    assert any(issubclass(item.category, ExportWarning) for item in recwarn) == warned


def test_crash_of_core_ml_is_a_row_and_the_others_have_theirs(folder, monkeypatch, capsys):
    """As on a Mac, whose Core ML ends the process that it runs in."""
    from modnet_export.cli.tables import say_manifest

    def crashing(path):
        raise CrashedError(f"Core ML crashed with {path.name} on ALL, signal 11")

    monkeypatch.setattr(run, "open_runtime", crashing)
    whole = manifest.load(folder)
    request = ExportRequest(size=whole.size, formats=("coreml",), precisions=("fp16",))
    (row,) = request.recipes()
    chain = SimpleNamespace(searches={}, norms=lambda row: ())
    with pytest.warns(ExportWarning, match="signal 11"):
        crashed = run._verified(row, request, chain, folder, [])
    assert not crashed.passed
    others = tuple(item for item in whole.artefacts if item.file != row.file)
    say_manifest(whole.model_copy(update={"artefacts": (*others, crashed)}))
    assert "CRASHED" in capsys.readouterr().out
    with pytest.raises(
        CheckFailedError, match=r"1 of \d artefact.*\n  modnet_fp16.mlpackage: 1 of 1 inputs have no result"
    ):
        run.require_parity([*others, crashed], ["photo"])
