"""What an app shared, beside what was measured from here."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import CompareRequest, compare, formats, imported
from benchmarks.record import Record
from benchmarks.results import Failure
from converters.errors import ExportError
from converters.runtimes import open_runtime
from modnet_export.images.imaging import read_image
from modnet_export.record import manifest

FILE = "modnet_fp32.tflite"


@pytest.fixture(scope="session")
def matte(dist):
    """The matte that a model of ``dist`` gives for the golden image, 1 x H x W x 1."""
    recorded = manifest.load(dist)
    return open_runtime(dist / FILE).run(read_image(dist / recorded.golden.image.file)[None])


@pytest.fixture
def app_file(dist, matte, tmp_path):
    """Writes what an app would share: ``found`` changes the file, ``run`` its only run."""

    def write(*, name="shared.json", values=matte, found=None, runs=None, **run):
        recorded = manifest.load(dist)
        artefact = next(item for item in recorded.artefacts if item.file == FILE)
        one = {
            "model": {
                "file": FILE,
                "sha256": artefact.sha256,
                "source_sha256": recorded.source.sha256,
                "version": recorded.versions["modnet-export"],
            },
            "compute_unit": "all",
            "load_cold_ms": 812.0,
            "load_warm_ms": 92.5,
            "first_ms": 30.1,
            "samples_ms": [10.0, 11.0, 10.5],
            "peak_memory_bytes": 93_000_000,
            "before": {"thermal_state": "nominal", "low_power_mode": False},
            "after": {"thermal_state": "nominal", "battery_level_percent": 83},
            "matte": {
                "dtype": "float32",
                "height": matte.shape[1],
                "width": matte.shape[2],
                "base64": base64.b64encode(values.astype("<f4").tobytes()).decode(),
            },
        }
        whole = {
            "schema_version": 1,
            "app": "io.modnet.demo 1.0 (1)",
            "debug": False,
            "device": "iPhone16,1",
            "simulator": False,
            "os": "iOS 18.1 (22B83)",
            "runs": [{**one, **run, **more} for more in runs or [{}]],
        }
        path = tmp_path / name
        path.write_text(json.dumps(whole | (found or {})), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def golden(dist):
    """The reference's matte of the golden image."""
    return imported.golden(manifest.load(dist), dist)


@pytest.fixture
def kept(dist, golden):
    """What comes of a file."""

    def keep(path, record=None):
        recorded, record = manifest.load(dist), record or Record()
        imported.keep(imported.read(path, recorded), path, recorded, golden, record)
        return record.bench

    return keep


def test_a_folder_that_nothing_runs_here_takes_an_apps_file(call, dist, app_file, tmp_path):
    """As ``make ios-demo`` leaves one: Core ML packages alone."""
    folder = tmp_path / "packages"
    shutil.copytree(dist, folder)
    content = json.loads((folder / manifest.FILE_NAME).read_text(encoding="utf-8"))
    (only,) = (item for item in content["artefacts"] if item["file"] == FILE)
    content["artefacts"] = [{**only, "format": "coreml"}]
    (folder / manifest.FILE_NAME).write_text(json.dumps(content), encoding="utf-8")
    code, printed = call("bench", folder, "--import", app_file())
    assert code == 0, printed.err
    assert "gives the reference's matte" in printed.out


def test_an_apps_file_stands_beside_what_was_measured_here(call, dist, app_file, tmp_path):
    out = tmp_path / "all.json"
    here = ("bench", dist, "--artefact", FILE, "--runs", 2, "-o", out)
    assert call(*here)[0] == 0
    code, printed = call("bench", dist, "--import", app_file(), "--resume", "-o", out)
    assert code == 0, printed.err
    assert f"{FILE} all on iPhone16,1: gives the reference's matte" in printed.out
    assert "memory is the app's" in printed.out
    host, phone = formats.load(out).runs
    assert (host.name, phone.name) == (f"{FILE} 1T", f"{FILE} all on iPhone16,1")
    assert (phone.samples_ms, phone.init_ms, phone.first_ms) == ((10.0, 11.0, 10.5), 92.5, 30.1)
    assert (phone.before["load_cold_ms"], phone.before["low_power_mode"]) == (812.0, "false")
    assert phone.conditions["ran on"] == "unknown"
    assert phone.marks == ()
    assert formats.load(out).parity[0].passed


def test_a_row_can_be_shared(call, dist, app_file):
    code, printed = call("bench", dist, "--import", app_file(ran_on="gpu 230"), "--share")
    assert code == 0
    (row,) = [line for line in printed.out.splitlines() if "iPhone16,1" in line]
    assert "| all, gpu 230 | 10.5 | right | none |" in row


def test_a_target_is_measured_beside_the_file(call, dist, app_file):
    code, printed = call("bench", dist, "--import", app_file(), "--target", "host", "--artefact", FILE, "--runs", 2)
    assert code == 0
    assert f"{FILE} 1T" in printed.out
    assert f"{FILE} all on iPhone16,1" in printed.out


def test_a_wrong_matte_fails_and_is_kept(call, dist, app_file, matte, tmp_path):
    out = tmp_path / "all.json"
    code, printed = call("bench", dist, "--import", app_file(values=1 - matte), "-o", out)
    assert code == 1
    assert "its matte is off by" in printed.err
    assert len(formats.load(out).runs) == 1


def test_a_matte_that_is_not_finite_fails(kept, app_file, matte):
    nan = matte.copy()
    nan[0, 3, 4, 0] = np.nan
    assert not kept(app_file(values=nan)).parity[0].passed


def test_what_an_app_could_not_run_is_a_failure(kept, app_file):
    found = kept(app_file(runs=[{}, {"compute_unit": "cpuOnly", "error": "no such unit"}]))
    assert found.failures == (Failure(f"{FILE} cpuOnly on iPhone16,1", "no such unit"),)
    assert len(found.runs) == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": {"sha256": "0" * 64}}, f"the app ran another {FILE}: its SHA-256 is 0000"),
        ({"model": {"source_sha256": "0" * 64}}, "its weights of SHA-256 is 0000"),
        ({"model": {"version": "0.0.1"}}, "its version is 0.0.1"),
        ({"matte": {"dtype": "uint8", "height": 8, "width": 8, "base64": "AA=="}}, "it has 1 bytes; 8x8 values"),
        ({"matte": {"dtype": "uint8", "height": 1, "width": 1, "base64": "AA=="}}, "the app's matte is 1x1 of uint8"),
        ({"matte": {"dtype": "uint8", "height": 1, "width": 1, "base64": "*"}}, "its values are no base64"),
        ({"matte": None}, "neither samples_ms and a matte nor an error"),
        ({"samples_ms": []}, "neither samples_ms and a matte nor an error"),
        ({"samples_ms": [0.0]}, "samples_ms.0: Input should be greater than 0"),
        ({"at_s": [1.0]}, "1 values of at_s for 3 samples"),
        ({"thermal": "hot"}, "thermal: Extra inputs are not permitted"),
        ({"compute_unit": "[red]all"}, "compute_unit: String should match pattern"),
        ({"runs": [{}, {}]}, "a model ran twice on one compute unit"),
        ({"found": {"schema_version": 2}}, "was written by a newer version of modnet-export"),
        ({"found": {"runs": []}}, "runs: Tuple should have at least 1 item"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_of_this_folder_or_not_whole_is_refused(call, dist, app_file, tmp_path, changed, message):
    if "sha256" in str(changed) or "version" in changed.get("model", {}):
        model = json.loads(app_file().read_text())["runs"][0]["model"]
        changed = {"model": model | changed["model"]}
    out = tmp_path / "out.json"
    code, printed = call("bench", dist, "--import", app_file(**changed), "-o", out)
    assert code == 2
    assert message in " ".join(printed.err.split())
    assert not out.exists()


@pytest.mark.parametrize(
    ("changed", "marks"),
    [
        ({"found": {"simulator": True}}, ("functional only",)),
        ({"found": {"debug": True}}, ("debug build",)),
        ({"before": {"thermal_state": "fair"}}, ("started warm: thermal state fair",)),
        ({"after": {"thermal_state": "serious", "low_power_mode": True}},
         ("low power mode", "throttled: thermal state serious")),
        ({"after": {"thermal_status": 2}}, ("throttled: thermal status 2",)),
        ({"after": {}}, ("thermal status unknown",)),
    ],
)  # fmt: skip
def test_what_a_reader_must_know_is_marked(kept, app_file, changed, marks):
    (run,) = kept(app_file(**changed)).runs
    assert run.marks == marks


def test_only_runs_that_took_turns_are_compared_pair_by_pair(kept, app_file, tmp_path):
    def saved(*runs):
        out = tmp_path / "out.json"
        samples = tuple(10.0 + 0.01 * (i % 7) for i in range(12))
        whole = [{"compute_unit": unit, "samples_ms": samples, "at_s": at_s} for unit, at_s in runs]
        kept(app_file(runs=whole), Record(out))
        return out

    in_turn = saved(("all", [2.0 * i for i in range(12)]), ("cpuOnly", [2.0 * i + 1 for i in range(12)]))
    assert len(compare(CompareRequest(in_turn)).compared) == 1
    for second in ([100.0 + i for i in range(12)], []):
        one_after_the_other = saved(("all", [float(i) for i in range(12)]), ("cpuOnly", second))
        with pytest.raises(ExportError, match="a comparison needs two on one target"):
            compare(CompareRequest(one_after_the_other))


def test_another_measurement_of_the_same_name_takes_a_file_of_its_own(kept, app_file):
    record = Record()
    kept(app_file(), record)
    kept(app_file(), record)
    with pytest.raises(ExportError, match="there is another measurement of"):
        kept(app_file(samples_ms=[9.0]), record)
    assert len(record.bench.runs[0].samples_ms) == 3


def test_alone_it_measures_nothing_and_says_what_has_no_use(call, dist, app_file):
    code, printed = call("bench", dist, "--import", app_file(), "--threads", 2)
    assert code == 2
    assert "where:    --threads" in printed.err
    assert "--import measures nothing" in " ".join(printed.err.split())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_is_changed_or_cut_it_is_read_or_one_clear_error(dist, shared_once, tmp_path_factory, data):
    whole = json.loads(shared_once)
    place = whole
    while isinstance(place, dict | list) and place and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[key], dict | list) and place[key]) or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    text = json.dumps(whole)
    path = Path(tmp_path_factory.getbasetemp()) / "fuzzed.json"
    path.write_text(text[: data.draw(st.integers(0, len(text)))] if data.draw(st.booleans()) else text)
    try:
        found = imported.read(path, manifest.load(dist))
    except ExportError as error:
        assert error.where == str(path)
    else:
        assert found.runs


@pytest.fixture(scope="session")
def shared_once(dist, matte):
    """A file of an app without a run's matte being long."""
    recorded = manifest.load(dist)
    artefact = next(item for item in recorded.artefacts if item.file == FILE)
    model = {"file": FILE, "sha256": artefact.sha256, "source_sha256": recorded.source.sha256}
    run = {
        "model": model | {"version": recorded.versions["modnet-export"]},
        "compute_unit": "all",
        "samples_ms": [10.0],
        "before": {"thermal_state": "nominal"},
        "error": "short",
    }
    top = {"app": "a 1", "debug": False, "device": "iPhone16,1", "simulator": False, "os": "iOS 18"}
    return json.dumps(top | {"schema_version": 1, "runs": [run]})
