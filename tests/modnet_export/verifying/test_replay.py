"""The replay bundle, run by a stand-in for Core ML: its Python interface over our evaluator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export import ExportRequest, Size, VerifyRequest, export, verify
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo
from modnet_export.images.inputs import images
from modnet_export.verifying.tolerances import ToleranceChanges

ROOT = Path(__file__).parents[3]

# What replay.py asks of coremltools: MLModel(path, compute_units).predict with a Pillow image or an array.
STAND_IN = textwrap.dedent("""
    import enum
    from pathlib import Path
    import numpy as np
    from converters.runtimes.coreml import CoreMl

    __version__ = "stand-in"
    ComputeUnit = enum.Enum("ComputeUnit", "CPU_ONLY ALL")
    OFFSET = {offset}

    class _Models:
        class MLModel:
            def __init__(self, path, compute_units):
                self.runtime = CoreMl(Path(path))

            def predict(self, inputs):
                value = inputs["image"]
                if isinstance(value, np.ndarray):
                    found = self.runtime.run(value.transpose(0, 2, 3, 1))
                    return {{"matte": found.transpose(0, 3, 1, 2) + OFFSET}}
                found = self.runtime.run(np.asarray(value, np.float32)[None] / np.float32(255))
                return {{"matte": np.rint(found[0, :, :, 0] * 255) + OFFSET * 255}}

    models = _Models
""")


@pytest.fixture(scope="module", params=["image", pytest.param("multiarray", marks=pytest.mark.slow)])
def folder(request, exported):
    size, formats = Size(height=64, width=96), ("onnx", "coreml")
    return exported(size=size, formats=formats, precisions=("fp32", "fp16"), coreml_io=request.param)


def replay(folder: Path, work: Path, offset: float = 0.0) -> Path:
    verify(VerifyRequest(folder, bundle=work / "bundle.zip"))
    with zipfile.ZipFile(work / "bundle.zip") as archive:
        archive.extractall(work / "bundle")
    run_script(work, offset)
    return work / "bundle" / "results.json"


def run_script(work: Path, offset: float = 0.0) -> None:
    # coremltools itself is still needed by the stand-in's evaluator: shadow its name only for replay.py.
    runner = work / "run.py"
    runner.write_text(
        "import sys, types, runpy\n"
        "import converters.coreml.interpreter\n"
        f"stand_in = types.ModuleType('coremltools'); exec({STAND_IN.format(offset=offset)!r}, stand_in.__dict__)\n"
        "sys.modules['coremltools'] = stand_in\n"
        f"runpy.run_path({str(work / 'bundle' / 'replay.py')!r}, run_name='__main__')\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(runner)], check=True, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def sound(folder, shared) -> Path:
    """Where a bundle and its results lie. Read only."""
    return shared(f"replayed-{folder.name}", lambda work: replay(folder, work)) / "bundle" / "results.json"


def test_results_come_back_as_core_mls_own(folder, sound):
    result = verify(VerifyRequest(folder, replayed=sound))
    assert result.passed
    packages = [link for link in result.links if link.artefact.endswith(".mlpackage")]
    assert all(item.engine.startswith("predicted by Core ML on") for item in packages)
    assert {item.input for item in packages[0].measurements} == {
        "photo CPU_ONLY",
        "photo ALL",
        "noise CPU_ONLY",
        "noise ALL",
    }
    assert all("predicted" not in item.engine for item in result.links if item.artefact.endswith(".onnx"))


def test_a_matte_that_is_off_on_the_mac_fails(folder, tmp_path):
    result = verify(VerifyRequest(folder, replayed=replay(folder, tmp_path, offset=0.1)))
    assert [link.verdict for link in result.links if link.artefact.endswith(".mlpackage")] == ["failed", "failed"]


def test_results_of_other_packages_are_refused(folder, sound, tmp_path):
    content, path = json.loads(sound.read_text()), tmp_path / "results.json"
    content["results"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    with pytest.raises(CheckFailedError, match="another package"):
        verify(VerifyRequest(folder, replayed=path))
    content["results"] = [item for item in json.loads(sound.read_text())["results"] if "fp16" not in item["file"]]
    path.write_text(json.dumps(content))
    with pytest.raises(CheckFailedError, match=r"modnet_fp16\.mlpackage was not run"):
        verify(VerifyRequest(folder, replayed=path))


def changed(sound: Path, path: Path, change) -> Path:
    """The sound results, after ``change(results)``."""
    content = json.loads(sound.read_text())
    change(content["results"])
    path.write_text(json.dumps(content))
    return path


def test_package_that_lacks_one_unit_on_one_input_was_not_run(folder, sound, tmp_path):
    result = verify(VerifyRequest(folder, replayed=changed(sound, tmp_path / "results.json", list.pop)))
    assert [link.verdict for link in result.links][-2:] == ["passed", "not run"]
    assert result.links[-1].reason == "1 of 2 inputs have no result: photo ALL"
    assert not result.passed


@pytest.mark.parametrize("invented", [{"input": "other.jpg"}, {"compute_unit": "CPU_AND_GPU"}])
def test_results_that_were_not_asked_for_are_refused(folder, sound, tmp_path, invented):
    path = changed(sound, tmp_path / "results.json", lambda results: results.append({**results[0], **invented}))
    with pytest.raises(CheckFailedError, match=r"fp32\.mlpackage was not asked to run on .*(other|CPU_AND_GPU)"):
        verify(VerifyRequest(folder, replayed=path))


def test_limit_of_what_the_mac_does_not_measure_is_refused(folder, sound):
    with pytest.raises(ExportError, match=r"(?s)ssim of a Core ML package has a limit.*tolerance"):
        verify(VerifyRequest(folder, replayed=sound, tolerances=ToleranceChanges.parse(["ssim=0.5"])))


def test_mac_measures_what_we_measure(folder, tmp_path):
    """The picture fills a part of the input only."""
    save_image(tmp_path / "tall.png", demo_photo()[:, 150:300])
    inputs = tuple(images([tmp_path / "tall.png"]))
    verify(VerifyRequest(folder, inputs, bundle=tmp_path / "bundle.zip"))
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path / "bundle")
    run_script(tmp_path)
    ours = verify(VerifyRequest(folder, inputs)).links[-1].measurements[0]
    theirs = verify(VerifyRequest(folder, inputs, replayed=tmp_path / "bundle" / "results.json")).links[-1].measurements
    assert [item.input for item in theirs] == ["tall.png CPU_ONLY", "tall.png ALL"]
    for name in ("max_abs_difference", "noise_ratio", "mad", "mse", "correlation"):
        assert getattr(theirs[0], name) == pytest.approx(getattr(ours, name), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("content", [None, "", "{}", '{"machine": {}, "results": [{}]}'], ids=str)
def test_file_that_is_no_result_is_one_clear_error(folder, tmp_path, content):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ExportError, match=r"results\.json"):
        verify(VerifyRequest(folder, replayed=path))


def test_bundle_is_the_same_again(folder, sound, tmp_path):
    verify(VerifyRequest(folder, bundle=tmp_path / "again.zip"))
    assert (tmp_path / "again.zip").read_bytes() == (sound.parents[1] / "bundle.zip").read_bytes()


def test_folder_without_packages_has_no_bundle(dist, tmp_path):
    with pytest.raises(ExportError, match="no Core ML package"):
        verify(VerifyRequest(dist, bundle=tmp_path / "bundle.zip"))
    assert not list(tmp_path.iterdir())


def test_export_records_what_an_ios_app_needs(folder):
    from modnet_export.record import manifest

    package = next(item for item in manifest.load(folder).artefacts if item.file == "modnet_fp16.mlpackage")
    assert package.engine == "evaluated in PyTorch, not by Core ML"
    assert package.contract.image.dtype == ("uint8" if package.contract.image.layout == "image" else "float32")
    assert package.bytes == sum(item.stat().st_size for item in (folder / package.file).rglob("*") if item.is_file())


@pytest.mark.parametrize(
    ("target", "message"), [("iOS16", "does not know 8-bit activations"), ("iOS17", "needs a Mac")]
)
def test_what_needs_a_mac_says_so(tmp_path, target, message):
    if sys.platform == "darwin":
        pytest.skip("this is a Mac")
    with pytest.raises(ExportError, match=message) as error:
        export(
            ExportRequest(
                size=Size(height=32, width=32),
                formats=("coreml",),
                precisions=("w8a8",),
                coreml_target=target,
                out=tmp_path / "dist",
            )
        )
    assert "`coreml_target=iOS17`" in str(error.value)
    assert not list(tmp_path.iterdir())


def test_cli_inspects_packages_and_computes_mattes_with_them(folder, tmp_path, capsys):
    from modnet_export.cli import main

    save_image(tmp_path / "photo.png", demo_photo())
    package = str(folder / "modnet_fp16.mlpackage")
    for arguments in (
        ["inspect", package],
        ["matte", package, str(tmp_path / "photo.png"), "-o", str(tmp_path / "m.png")],
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert not stop.value.code
    out = capsys.readouterr().out
    assert "Core ML, specification 7" in out
    assert "evaluated in PyTorch, not by Core ML" in out
    assert (tmp_path / "m.png").exists()


class TestVersions:
    def test_results_from_before_the_format_had_a_version_are_read(self, folder, sound, tmp_path):
        content, path = json.loads(sound.read_text()), tmp_path / "results.json"
        assert content.pop("schema_version") == 3
        path.write_text(json.dumps(content))
        assert verify(VerifyRequest(folder, replayed=path)).passed

    def test_results_of_a_newer_version_say_what_to_update(self, folder, tmp_path):
        path = tmp_path / "results.json"
        path.write_text('{"schema_version": 4, "machines": []}')
        with pytest.raises(ExportError, match=r"(?s)written by a newer version.*update modnet-export"):
            verify(VerifyRequest(folder, replayed=path))

    @pytest.mark.parametrize("version", [None, 1, 2])
    def test_bundle_is_only_read_by_its_own_script(self, sound, tmp_path, version):
        (tmp_path / "bundle").mkdir()
        for name in ("bundle.json", "replay.py"):
            (tmp_path / "bundle" / name).write_text((sound.parent / name).read_text())
        bundle = tmp_path / "bundle" / "bundle.json"
        content = json.loads(bundle.read_text())
        assert content["schema_version"] == 3
        bundle.write_text(json.dumps(content | {"schema_version": version}))
        code = "import sys, types, runpy; sys.modules['coremltools'] = types.ModuleType('coremltools')\n"
        code += f"runpy.run_path({str(tmp_path / 'bundle' / 'replay.py')!r}, run_name='__main__')"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode != 0
        assert "use the replay.py that came with it" in done.stderr


@pytest.mark.parametrize(
    ("changes", "message"), [({"mad": -1}, "a difference is never below zero"), ({}, "is there twice")]
)
def test_nonsense_from_the_mac_is_one_clear_error(folder, sound, tmp_path, changes, message):
    content, path = json.loads(sound.read_text()), tmp_path / "results.json"
    content["results"].append({**content["results"][0], **changes})
    path.write_text(json.dumps(content))
    with pytest.raises(ExportError, match=rf"cannot read results\.json.*{message}"):
        verify(VerifyRequest(folder, replayed=path))
