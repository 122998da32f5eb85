"""The replay bundle, run as on a Mac: run.sh and replay.py in real processes, over a stand-in for coremltools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from converters.errors import CheckFailedError, ExportError
from modnet_export import Size, VerifyRequest, verify
from modnet_export.images.compositing import save_image
from modnet_export.images.imaging import demo_photo
from modnet_export.images.inputs import images
from modnet_export.verifying.replay import UNITS
from modnet_export.verifying.tolerances import ToleranceChanges

FAKES = Path(__file__).parents[2] / "fakes" / "mac"


@pytest.fixture(
    scope="module", params=["image", *(pytest.param(p, marks=pytest.mark.slow) for p in ("image-fp16", "multiarray"))]
)
def folder(request, exported):
    size, formats = Size(height=64, width=96), ("onnx", "coreml")
    return exported(size=size, formats=formats, precisions=("fp32", "fp16"), coreml_io=request.param)


def unpacked(folder: Path, work: Path, inputs=()) -> Path:
    verify(VerifyRequest(folder, inputs, bundle=work / "bundle.zip"))
    with zipfile.ZipFile(work / "bundle.zip") as archive:
        archive.extractall(work / "bundle")
    return work / "bundle"


def replay(bundle: Path, **faults: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(FAKES), "FAKE_MAC": "1", **faults}
    return subprocess.run(
        [sys.executable, str(bundle / "replay.py")], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def bundle(folder, shared) -> Path:
    """Where a bundle and its results lie. Read only."""

    def make(work: Path) -> None:
        done = replay(unpacked(folder, work))
        (work / "output").write_text(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr

    return shared(f"replayed-{folder.name}", make) / "bundle"


@pytest.fixture
def sound(bundle) -> Path:
    return bundle / "results.json"


@pytest.fixture
def fresh(bundle, tmp_path) -> Path:
    """A bundle without results."""
    import shutil

    shutil.copytree(bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "results.json").unlink()
    return tmp_path / "bundle"


def of_packages(result):
    return [link for link in result.links if link.artefact.endswith(".mlpackage")]


def test_results_come_back_as_core_mls_own_for_each_unit(folder, sound):
    result = verify(VerifyRequest(folder, replayed=sound))
    assert result.passed
    links = of_packages(result)
    assert [(link.artefact, link.compute_unit) for link in links] == [
        (file, unit) for file in ("modnet_fp32.mlpackage", "modnet_fp16.mlpackage") for unit in UNITS
    ]
    assert {item.input for item in links[0].measurements} == {"photo", "noise"}
    assert all("predicted" not in item.engine for item in result.links if item.artefact.endswith(".onnx"))


def test_only_the_plan_says_that_the_neural_engine_ran(folder, sound):
    engines = {link.compute_unit: link.engine for link in of_packages(verify(VerifyRequest(folder, replayed=sound)))}
    assert "asked for CPU_AND_NE (its plan: 3 ops on CPU, 9 ops on NeuralEngine)" in engines["CPU_AND_NE"]
    assert "its plan: 12 ops on CPU)" in engines["CPU_AND_GPU"]


def test_where_there_is_no_plan_it_is_not_known_where_it_ran(folder, fresh):
    assert replay(fresh, FAKE_PLAN="none").returncode == 0
    result = verify(VerifyRequest(folder, replayed=fresh / "results.json"))
    assert all("where it ran is not known" in link.engine for link in of_packages(result))


def test_a_matte_that_is_off_on_the_mac_fails(folder, fresh):
    done = replay(fresh, FAKE_OFFSET="0.1")
    assert done.returncode == 1
    assert "FAILED: " in done.stdout
    result = verify(VerifyRequest(folder, replayed=fresh / "results.json"))
    assert {link.verdict for link in of_packages(result)} == {"failed"}


def test_a_crash_on_one_unit_is_a_row_and_not_the_end(folder, fresh):
    done = replay(fresh, FAKE_CRASH="modnet_fp32.mlpackage CPU_AND_NE")
    assert done.returncode == 1
    assert "modnet_fp32.mlpackage CPU_AND_NE CRASHED: signal 11" in done.stdout
    result = verify(VerifyRequest(folder, replayed=fresh / "results.json"))
    failed = [
        (link.artefact, link.compute_unit, link.reason) for link in of_packages(result) if link.verdict != "passed"
    ]
    assert [item[:2] for item in failed] == [("modnet_fp32.mlpackage", "CPU_AND_NE")]
    assert "its process ended: signal 11" in failed[0][2]
    assert result.guilty.engine.startswith("predicted by Core ML, asked for CPU_AND_NE (it was not loaded)")


def test_rounding_of_8_bit_mattes_is_told_either_way(folder, bundle, fresh):
    if "modnet_fp16.mlpackage CPU_ONLY photo" in (bundle.parent / "output").read_text():
        rows = json.loads((bundle / "results.json").read_text())["results"]
        eight_bit = json.loads((bundle / "bundle.json").read_text())["packages"][0]["scale"] == 255
        assert all(row["rounds_to_nearest"] == (1.0 if eight_bit else None) for row in rows)
        if eight_bit:
            assert replay(fresh, FAKE_ROUNDING="down").returncode == 0, "the limits allow either until a Mac has told"
            rows = json.loads((fresh / "results.json").read_text())["results"]
            assert all(row["rounds_down"] == 1.0 > row["rounds_to_nearest"] for row in rows)


def test_units_can_be_chosen_and_the_others_were_not_run(folder, fresh):
    assert replay(fresh, REPLAY_UNITS="CPU_ONLY").returncode == 0
    links = of_packages(verify(VerifyRequest(folder, replayed=fresh / "results.json")))
    assert {(link.compute_unit, link.verdict) for link in links} == {
        ("CPU_ONLY", "passed"), *((unit, "not run") for unit in UNITS if unit != "CPU_ONLY")
    }  # fmt: skip


def test_rows_are_there_as_they_come(fresh):
    """Ended in the middle, what had been measured is kept."""
    environment = os.environ | {"PYTHONPATH": str(FAKES), "FAKE_MAC": "1"}
    child = subprocess.Popen([sys.executable, str(fresh / "replay.py")], env=environment, stdout=subprocess.PIPE)
    for line in child.stdout:
        if b" photo " in line:
            break
    content = json.loads((fresh / "results.json").read_text())
    child.kill()
    child.wait()
    child.stdout.close()
    assert content["results"][0]["input"] == "photo"
    assert content["runs"][0]["latency_ms"] > 0


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


def test_package_that_lacks_one_input_on_one_unit_was_not_run_there(folder, sound, tmp_path):
    result = verify(VerifyRequest(folder, replayed=changed(sound, tmp_path / "results.json", list.pop)))
    lacking = [(link.artefact, link.compute_unit, link.verdict) for link in of_packages(result)][-2:]
    assert lacking == [("modnet_fp16.mlpackage", "CPU_AND_NE", "passed"), ("modnet_fp16.mlpackage", "ALL", "not run")]
    assert result.links[-1].reason == "1 of 1 inputs have no result: photo"
    assert not result.passed


def test_results_of_another_input_are_refused(folder, sound, tmp_path):
    path = changed(sound, tmp_path / "results.json", lambda rows: rows.append({**rows[0], "input": "other.jpg"}))
    with pytest.raises(CheckFailedError, match=r"fp32\.mlpackage was not asked to run on other\.jpg"):
        verify(VerifyRequest(folder, replayed=path))


def test_results_of_another_bundle_are_refused(folder, sound, tmp_path):
    content, path = json.loads(sound.read_text()), tmp_path / "results.json"
    path.write_text(json.dumps(content | {"bundle": "0" * 64}))
    with pytest.raises(CheckFailedError, match="they are of another bundle"):
        verify(VerifyRequest(folder, replayed=path))


def test_limit_of_what_the_mac_does_not_measure_is_refused(folder, sound):
    with pytest.raises(ExportError, match=r"(?s)ssim of a Core ML package has a limit.*tolerance"):
        verify(VerifyRequest(folder, replayed=sound, tolerances=ToleranceChanges.parse(["ssim=0.5"])))


def test_mac_measures_what_we_measure(folder, tmp_path):
    """The picture fills a part of the input only."""
    save_image(tmp_path / "tall.png", demo_photo()[:, 150:300])
    inputs = tuple(images([tmp_path / "tall.png"]))
    path = unpacked(folder, tmp_path, inputs)
    assert replay(path).returncode == 0
    ours = verify(VerifyRequest(folder, inputs)).links[-1].measurements[0]
    theirs = verify(VerifyRequest(folder, inputs, replayed=path / "results.json")).links[-1].measurements[0]
    for name in ("max_abs_difference", "noise_ratio", "p999", "mad", "mse", "edge_mad", "correlation"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name), rel=1e-3, abs=1e-9), name


@pytest.mark.parametrize("content", [None, "", "{}", '{"machine": {}, "results": [{}]}'], ids=str)
def test_file_that_is_no_result_is_one_clear_error(folder, tmp_path, content):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ExportError, match=r"results\.json"):
        verify(VerifyRequest(folder, replayed=path))


def test_bundle_is_the_same_again(folder, bundle, tmp_path):
    verify(VerifyRequest(folder, bundle=tmp_path / "again.zip"))
    assert (tmp_path / "again.zip").read_bytes() == (bundle.parent / "bundle.zip").read_bytes()


def test_folder_without_packages_has_no_bundle(dist, tmp_path):
    with pytest.raises(ExportError, match="no Core ML package"):
        verify(VerifyRequest(dist, bundle=tmp_path / "bundle.zip"))
    assert not list(tmp_path.iterdir())


def test_export_records_what_an_ios_app_needs(folder):
    from modnet_export.record import manifest

    package = next(item for item in manifest.load(folder).artefacts if item.file == "modnet_fp16.mlpackage")
    assert package.engine == "evaluated in PyTorch, not by Core ML"
    assert package.contract.image.dtype == ("uint8" if package.contract.image.layout == "image" else "float16")
    assert package.bytes == sum(item.stat().st_size for item in (folder / package.file).rglob("*") if item.is_file())


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
        assert content.pop("schema_version") == 4
        path.write_text(json.dumps(content))
        assert verify(VerifyRequest(folder, replayed=path)).passed

    def test_results_of_a_newer_version_say_what_to_update(self, folder, tmp_path):
        path = tmp_path / "results.json"
        path.write_text('{"schema_version": 5, "machines": []}')
        with pytest.raises(ExportError, match=r"(?s)written by a newer version.*update modnet-export"):
            verify(VerifyRequest(folder, replayed=path))

    @pytest.mark.parametrize("version", [None, 1, 3])
    def test_bundle_is_only_read_by_its_own_script(self, sound, tmp_path, version):
        (tmp_path / "bundle").mkdir()
        for name in ("bundle.json", "replay.py"):
            (tmp_path / "bundle" / name).write_text((sound.parent / name).read_text())
        bundle = tmp_path / "bundle" / "bundle.json"
        content = json.loads(bundle.read_text())
        assert content["schema_version"] == 4
        bundle.write_text(json.dumps(content | {"schema_version": version}))
        done = replay(tmp_path / "bundle")
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
