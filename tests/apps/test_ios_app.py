"""``ios_demo/App``: its logic is run here, the rest is type-checked against stubs of Apple's frameworks."""

from __future__ import annotations

import re
import shutil

import pytest

from benchmarks import imported
from tests.apps import swift

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("swift_tools")]


@pytest.fixture(scope="module")
def shared_file(tmp_path_factory):
    """The file that the app shares, written by its own code as its tests run: of a model whose times are known."""
    folder = tmp_path_factory.mktemp("benchmark")
    done = swift.test(swift.CORE, MODNET_BENCHMARK=folder)
    return done, folder / "benchmark.json"


def test_the_logic_passes_its_tests_without_a_phone(shared_file):
    done, _ = shared_file
    assert not done.returncode, done.stdout + done.stderr
    written = sum(len(re.findall(r"@Test\b", path.read_text())) for path in swift.CORE.glob("Tests/*/*.swift"))
    assert f"Test run with {written} tests passed" in done.stdout


def test_the_file_that_the_app_shares_is_read(shared_file):
    found = imported.AppBench.model_validate_json(shared_file[1].read_bytes())
    assert [run.compute_unit for run in found.runs] == ["cpuAndNeuralEngine", "all"]
    measured, failed = found.runs
    assert len(measured.samples_ms) == len(measured.at_s) == 5
    assert measured.matte.raw == bytes([0, 1, 254, 255])
    assert failed.error == "why"


def test_the_app_and_its_tests_are_typed_right(ios_app, ios_modules, tmp_path):
    """In Swift 6's language mode, what is shipped included: what goes from one actor to another may go there."""
    shutil.copytree(ios_modules, tmp_path / "modules")
    for name, folder, files in (("MODNetDemo", "Sources", "ModnetModel"), ("Tests", "Tests", "ModnetParityTests")):
        sources = sorted((ios_app / folder).rglob("*.swift"))
        assert files in {path.stem for path in sources}
        done = swift.module(name, sources, tmp_path / "modules")
        assert not done.returncode, done.stderr


MISTAKES = (
    ("Photos", "context.draw(image", "context.paint(image", "has no member 'paint'"),
    ("Camera", ", @unchecked Sendable", "", "non-sendable type 'Camera'"),
    ("DemoModel", "try await engine.live.show", "try engine.live.show", "not marked with 'await'"),
    ("DemoScreen", "Button(localized(remedy.key))", "Buton(localized(remedy.key))", "cannot find 'Buton'"),
    ("BenchmarkModel", "actor AppSubject", "final class AppSubject", "Sendable"),
)


def test_mistakes_are_noticed(ios_modules, tmp_path):
    shutil.copytree(swift.APP / "Sources", tmp_path / "Sources")
    for file, right, wrong, _ in MISTAKES:
        path = tmp_path / f"Sources/{file}.swift"
        text = path.read_text(encoding="utf-8")
        assert text.count(right) == 1
        path.write_text(text.replace(right, wrong), encoding="utf-8")
    done = swift.typecheck(sorted((tmp_path / "Sources").glob("*.swift")), ios_modules)
    assert done.returncode
    assert [message for *_, message in MISTAKES if message not in done.stderr] == []
