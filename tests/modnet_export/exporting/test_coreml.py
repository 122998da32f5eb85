"""What an export says of its Core ML packages."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from converters.coreml.interpreter import Evaluator
from converters.coreml.package import Package
from converters.errors import CheckFailedError, CrashedError, ExportError, ExportWarning
from converters.progress import silent
from modnet_export import ExportRequest, Size, VerifyRequest, verify
from modnet_export.exporting import run
from modnet_export.exporting.chain import Chain
from modnet_export.record import manifest
from modnet_export.verifying.parity import Sample
from modnet_export.verifying.tolerances import ToleranceChanges


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

    def crashing(path, delegate, function):
        raise CrashedError(f"Core ML crashed with {path.name} on ALL, signal 11")

    monkeypatch.setattr(run, "open_runtime", crashing)
    whole = manifest.load(folder)
    request = ExportRequest(size=whole.size, formats=("coreml",), precisions=("fp16",))
    (row,) = request.recipes()
    chain = SimpleNamespace(searches={}, norms=lambda row: (), progress=silent, write=lambda row, path: None)
    with pytest.warns(ExportWarning, match="signal 11"):
        artefact, mattes = run._ran(row, request, chain, folder, {whole.size: {"photo": None}})
    crashed = run._measured(artefact, mattes, {whole.size: [Sample("photo", None, None)]})
    assert not crashed.passed
    others = tuple(item for item in whole.artefacts if item.file != row.file)
    say_manifest(whole.model_copy(update={"artefacts": (*others, crashed)}))
    assert "CRASHED" in capsys.readouterr().out
    with pytest.raises(
        CheckFailedError, match=r"1 of \d artefact.*\n  modnet_fp16.mlpackage: 1 of 1 inputs have no result"
    ):
        run.require_parity([*others, crashed], ["photo"])


WIDE, HIGH = Size(height=64, width=96), Size(height=96, width=64)
SEVERAL = {
    "size": WIDE, "functions": (HIGH,), "formats": ("coreml",), "precisions": ("fp16",), "coreml_target": "iOS18",
    "keep_failing": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def several(exported):
    """A package with a function for each of two sizes."""
    return exported(**SEVERAL)


@pytest.mark.long
def test_functions_of_several_sizes_have_the_same_weights(several):
    """Rounded once, by what both sizes show: else each would bring its own."""
    package = several / "modnet_fp16.mlpackage"
    wide, high = (Evaluator(Package(package, name)).constants for name in ("size_64x96", "size_96x64"))
    weights = {name: item for name, item in wide.items() if "weight" in name}
    of_size = [name for name, item in weights.items() if high[name].shape != item.shape]
    assert (len(weights) > 60, len(of_size)) == (True, 1)  # the mean over a map is a convolution of its size
    assert all((high[name] == item).all() for name, item in weights.items() if name not in of_size)
    stored = (package / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size
    assert stored < 1.01 * sum(2 * item.numel() for item in weights.values())


@pytest.mark.long
def test_each_function_is_verified_and_either_can_fail(several):
    (recorded,) = manifest.load(several).artefacts
    assert [item.name for item in recorded.functions] == ["size_96x64"]
    (taken,) = recorded.functions[0].parity
    assert taken.mad != recorded.parity[0].mad
    found = verify(VerifyRequest(several))
    names = ("modnet_fp16.mlpackage", "modnet_fp16.mlpackage (size_96x64)")
    assert found.expected == names == tuple(item.name for item in found.links)
    assert [item.measurements[0].mad for item in found.links] == [recorded.parity[0].mad, taken.mad]
    limit = (recorded.parity[0].mad + taken.mad) / 2  # only one of them holds it
    mixed = verify(VerifyRequest(several, tolerances=ToleranceChanges.parse([f"mad={limit}"])))
    assert sorted("mad" in item.measurements[0].missed for item in mixed.links) == [False, True]
    with pytest.raises(ExportError, match="several functions"):
        verify(VerifyRequest(several, bundle=several / "bundle.zip"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"formats": ("tflite", "coreml")}, "only Core ML packages hold several sizes"),
        ({"coreml_target": "iOS17"}, "packages for iOS17 have one function"),
        ({"functions": (WIDE,)}, "a size is asked for twice"),
    ],
)
def test_functions_that_cannot_be_made_are_refused_before_anything_begins(changes, words, tmp_path):
    with pytest.raises(ExportError, match=words):
        ExportRequest(**(SEVERAL | changes | {"out": tmp_path / "dist"})).check()


def test_a_package_has_passed_where_each_function_has(folder):
    whole = next(item for item in manifest.load(folder).artefacts if item.file == "modnet_fp16.mlpackage")
    missed = tuple(item.model_copy(update={"missed": ("mad",), "passed": False}) for item in whole.parity)
    for parity in (whole.parity, missed, ()):
        function = manifest.FunctionRecord(size=HIGH, parity=parity)
        both = whole.model_copy(update={"functions": (function,)})
        assert both.passed == (parity is whole.parity)
        problem = None if both.passed else pytest.raises(CheckFailedError, match=r"mlpackage \(size_96x64\): ")
        with problem or nullcontext():
            run.require_parity([both], [item.input for item in whole.parity])
