"""The tables that README and docs have, and what they are measured on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import measured
from benchmarks.peers.__main__ import MARK
from benchmarks.tables import __main__ as tables
from benchmarks.tables.islands import compared
from benchmarks.tables.setting import COUNT, PORTRAITS, Setting, judging
from converters.tflite import builder
from converters.tflite.int8.graph import Graph
from modnet_export import Size
from modnet_export.images.framing import FORMS
from modnet_export.model import checkpoint
from modnet_export.record import manifest
from tests.converters.tflite.networks import small_network, tflite

ROOT = Path(__file__).parents[3]
TEXT = (
    "before\n<!-- measured: int8 -->\n\n| old |\n\n<!-- end -->\n"
    "between\n<!-- measured: coreml -->\n<!-- end -->\nafter\n"
)


def test_a_table_is_replaced_between_its_marks_and_nothing_else():
    found = measured.replaced(TEXT, {"int8": "| new |"})
    assert found == TEXT.replace("| old |", "| new |")
    assert measured.replaced(found, {"int8": "| new |"}) == found
    assert measured.replaced(TEXT, {"demo": "| new |"}) == TEXT
    assert measured.marked(TEXT) == ["int8", "coreml"]


def test_every_table_has_its_place_in_the_documents_once():
    found = [name for path in measured.documents(ROOT) for name in measured.marked(path.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted([*tables.TABLES, MARK])


def test_an_unknown_table_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tables", "int9"])
    with pytest.raises(SystemExit) as ended:
        tables.main()
    assert ended.value.code == 2
    assert "there is no table 'int9'" in capsys.readouterr().err


def test_core_ml_is_measured_on_pixels_and_mattes_that_show_all_errors(monkeypatch, tmp_path):
    """As apps hand images over: a multi-array would round them to fp16, which moves a hard portrait's matte by 0.02."""
    asked = []
    monkeypatch.setattr("benchmarks.tables.setting.export", lambda request, progress: asked.append(request))
    assert Setting(tmp_path).packages.parent == tmp_path
    (request,) = asked
    assert request.tune is None
    assert [row.precision for row in request.recipes()] == ["fp16", "int8", "palettized8", "palettized6", "palettized4"]
    ports = [request.contract(row) for row in request.recipes()]
    assert {(each.image.dtype, each.matte.dtype) for each in ports} == {("uint8", "float16")}


@pytest.fixture
def exports(monkeypatch):
    """The requests that were exported, each to a folder with its manifest and nothing else."""
    asked = []

    def made(request, progress):
        asked.append(request)
        source = SimpleNamespace(sha256=checkpoint.resolve("demo").sha256)
        artefacts = [SimpleNamespace(file=row.file) for row in request.recipes()]
        request.out.mkdir(exist_ok=True)
        (request.out / manifest.FILE_NAME).touch()
        loaded[request.out] = SimpleNamespace(source=source, artefacts=artefacts)

    loaded = {}
    monkeypatch.setattr("benchmarks.tables.setting.export", made)
    monkeypatch.setattr("benchmarks.tables.setting.manifest.load", loaded.__getitem__)
    return asked


def test_packages_are_kept_for_the_next_table(exports, tmp_path):
    for _ in range(2):
        assert Setting(tmp_path).packages == tmp_path / "coreml"
    assert len(exports) == 1


@pytest.mark.parametrize("changed", ["code_sha256", "_PRECISIONS"])
def test_packages_of_other_code_or_without_a_precision_are_made_anew(exports, monkeypatch, tmp_path, changed):
    """Or a table would be of packages that users do not get."""
    value = ("fp32", "fp16") if changed == "_PRECISIONS" else lambda packages: "other code"
    with monkeypatch.context() as before:
        before.setattr(f"benchmarks.tables.setting.{changed}", value)
        assert Setting(tmp_path).packages
    assert Setting(tmp_path).packages
    assert len(exports) == 2


def test_judging_is_on_every_portrait_in_every_form(tmp_path):
    paths = judging(tmp_path, ROOT / PORTRAITS)
    assert len(paths) == len(set(paths)) == COUNT
    people, forms = {path.stem[:2] for path in paths}, {path.stem[3:] for path in paths}
    assert (len(people), len(forms)) == (12, len(FORMS))
    written = {path: path.stat().st_mtime_ns for path in paths}
    assert judging(tmp_path, ROOT / PORTRAITS) == paths
    assert {path: path.stat().st_mtime_ns for path in paths} == written


def test_no_judging_portrait_is_calibrated_on():
    from modnet_export.images.representative import portraits

    calibrated = {item.photo.tobytes() for item in portraits()}
    assert not calibrated & {item.photo.tobytes() for item in portraits(ROOT / PORTRAITS)}


def test_islands_are_counted_for_both_ways_to_choose():
    graph = Graph(builder.read(tflite(small_network(np.random.default_rng(0)))))
    groups = graph.groups()
    every = {tensor for group in groups for tensor in group.tensors}
    rows = [line.strip("| ").split(" | ") for line in compared(graph, groups, [1.0] * len(groups), every).splitlines()]
    (exported, first, *_) = rows[2:]
    elements = sum(map(graph.size, graph.ports)) / 1e6
    assert exported[1:5] == ["100%", "2", f"{elements:.1f}", "1"]
    assert first[0] == "1 times its errors, by errors alone"
    assert first[1:] == exported[1:]
    assert len(rows) == 2 + 1 + 6


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    size = Size(height=96, width=128)
    return Setting(tmp_path_factory.mktemp("tables"), size=size, portraits=ROOT / PORTRAITS, count=2, rounds=2)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_is_made(setting, name):
    rows = [line for line in tables.TABLES[name](setting).splitlines() if line.strip()]
    assert len(rows) > 3
    if name != "demo":
        assert {line.count("|") for line in rows if line.startswith("|")} == {rows[0].count("|")}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_official_page_is_made_of_any_checkpoint(tmp_path):
    command = [sys.executable, "-m", "benchmarks.tables.official", "demo", "--work", str(tmp_path), "--size", "96x128"]
    done = subprocess.run([*command, "--count", "2"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    page = (tmp_path / "official.md").read_text(encoding="utf-8")
    for part in ("## demo", "modnet_int8.tflite", "float32 against float64", "Core ML, evaluated"):
        assert part in page
    assert (done.returncode == 0) == ("all checks passed" in page)


def test_official_weights_need_the_internet_and_say_so(tmp_path):
    import os

    command = [sys.executable, "-m", "benchmarks.tables.official", "--work", str(tmp_path / "work")]
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "work" / "official.md").exists()
