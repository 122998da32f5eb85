"""``ios_demo/App``: its logic is run here, the rest is type-checked against stubs of Apple's frameworks."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.apps import swift

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("swift_tools")]
SOURCES = sorted((swift.APP / "Sources").glob("*.swift"))


def test_the_logic_passes_its_tests_without_a_phone():
    done = swift.test(swift.CORE)
    assert not done.returncode, done.stdout + done.stderr
    written = sum(len(re.findall(r"@Test\b", path.read_text())) for path in swift.CORE.glob("Tests/*/*.swift"))
    assert f"Test run with {written} tests passed" in done.stdout


def test_the_app_is_typed_right(ios_modules):
    """In Swift 6's language mode: what goes from one actor to another may go there."""
    done = swift.typecheck(SOURCES, ios_modules)
    assert not done.returncode, done.stderr


def test_the_apps_tests_are_typed_right(ios_modules, tmp_path):
    shutil.copytree(ios_modules, tmp_path / "modules")
    done = swift.module("MODNetDemo", SOURCES, tmp_path / "modules")
    assert not done.returncode, done.stderr
    done = swift.typecheck(sorted((swift.APP / "Tests").glob("*.swift")), tmp_path / "modules")
    assert not done.returncode, done.stderr


MISTAKES = (
    ("Camera", "AVCaptureDevice.authorizationStatus(for: .video)", "AVCaptureDevice.status(for: .video)", "no member"),
    ("Camera", ", @unchecked Sendable", "", "Sendable"),
    ("DemoModel", "try await engine.live.show", "try engine.live.show", "not marked with 'await'"),
    ("DemoScreen", "Button(localized(remedy.key))", "Buton(localized(remedy.key))", "cannot find 'Buton'"),
    ("BenchmarkModel", "actor AppSubject", "final class AppSubject", "Sendable"),
)


def test_mistakes_are_noticed(ios_modules, tmp_path):
    """One at a time: the compiler stops at what is worst."""
    for number, (file, right, wrong, message) in enumerate(MISTAKES):
        folder = tmp_path / str(number)
        shutil.copytree(swift.APP / "Sources", folder)
        text = (folder / f"{file}.swift").read_text(encoding="utf-8")
        assert text.count(right) == 1
        (folder / f"{file}.swift").write_text(text.replace(right, wrong), encoding="utf-8")
        done = swift.typecheck(sorted(folder.glob("*.swift")), ios_modules)
        assert done.returncode
        assert message in done.stderr
