"""``ios_demo/MattingKit``: built with warnings as errors, run on this machine with the shared vectors, checked."""

from __future__ import annotations

import re
import shutil

import pytest

from modnet_export.record import manifest
from modnet_export.ship import exported as shipped
from tests.apps import swift
from tests.apps.vectors import falsified

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("swift_tools")]


def test_the_package_is_built_without_a_warning():
    done = swift.build()
    assert not done.returncode, done.stdout + done.stderr
    assert "Build complete!" in done.stdout


def test_the_unit_tests_pass():
    done = swift.test()
    assert not done.returncode, done.stdout + done.stderr
    # Without those that need Apple's frameworks.
    text = "".join(path.read_text() for path in swift.KIT.glob("Tests/*/*.swift"))
    written = len(re.findall(r"^ +@Test\b", re.sub(r"#if canImport.*?#endif", "", text, flags=re.DOTALL), re.MULTILINE))
    assert f"Test run with {written} tests passed" in done.stdout


def test_vectors_that_say_otherwise_are_noticed(tmp_path):
    files = falsified(tmp_path)
    done = swift.test(swift.KIT, "--filter", "VectorsTests", MODNET_VECTORS=tmp_path)
    assert done.returncode
    assert len(re.findall(r"✘ Test \w+\(\) failed", done.stdout)) == files == 8


def test_what_is_exported_and_shipped_is_read(dist, tmp_path):
    exported = manifest.load(dist)
    (tmp_path / "modnet.json").write_bytes(shipped.contract(exported, exported.artefacts))
    for path in (dist / "manifest.json", tmp_path / "modnet.json"):
        done = swift.test(swift.KIT, "--filter", "theOneThatWasShippedIsRead", MODNET_JSON=path)
        assert not done.returncode, done.stdout + done.stderr
        assert "✔ Test theOneThatWasShippedIsRead() passed" in done.stdout


def test_what_needs_apples_frameworks_is_typed_right(apple, tmp_path):
    """In Swift 6's language mode: what goes from one actor to another may go there."""
    # With the code of the docs, and what tests do on a Mac: neither is a module of its own here.
    for page in ("ios", "preprocessing"):
        text = (swift.ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```swift\n(.*?)```", text, re.DOTALL)
        (tmp_path / f"{page}.swift").write_text(code.replace("import MattingKit\n", ""), encoding="utf-8")
    tests = (swift.KIT / "Tests/MattingKitTests/CompositingTests.swift").read_text(encoding="utf-8")
    (tmp_path / "Tests.swift").write_text("import Foundation\n" + tests[tests.rindex("#if") :], encoding="utf-8")
    done = swift.typecheck(sorted([*(swift.KIT / "Sources").rglob("*.swift"), *tmp_path.glob("*.swift")]), apple)
    assert not done.returncode, done.stderr


def test_mistakes_behind_apples_frameworks_are_noticed(apple, tmp_path):
    shutil.copytree(swift.KIT / "Sources", tmp_path / "Sources")
    mistakes = (
        ("MattingEngine", "imageBufferValue", "imageBuffer", "has no member 'imageBuffer'"),
        ("Compositor", "public final class Compositor", "public actor Compositor", "actor-isolated"),
        ("LiveMatting", "try await engine.matte", "try engine.matte", "not marked with 'await'"),
        ("PixelBuffer", "kCVReturnSuccess", "kCVReturnFine", "cannot find 'kCVReturnFine'"),
    )
    for file, right, wrong, _ in mistakes:
        (path,) = tmp_path.rglob(f"{file}.swift")
        text = path.read_text(encoding="utf-8")
        assert text.count(right) == 1
        path.write_text(text.replace(right, wrong), encoding="utf-8")
    done = swift.typecheck(sorted(tmp_path.rglob("*.swift")), apple)
    assert done.returncode
    assert [message for *_, message in mistakes if message not in done.stderr] == []


def test_swift_is_formatted(tmp_path):
    done = swift.lint(swift.DEMO)
    assert not done.returncode, done.stderr
    (tmp_path / "Wrong.swift").write_text("func  wrong( ) { }\n", encoding="utf-8")
    assert swift.lint(tmp_path / "Wrong.swift").returncode


def test_the_compiler_refuses_warnings_and_races(tmp_path):
    for name, source, message in (
        ("Warning", "func unused() { let a = 1 }\n", "never used"),
        ("Race", "var shared = 1\nfunc read() -> Int { shared }\n", "not concurrency-safe"),
    ):
        path = tmp_path / f"{name}.swift"
        path.write_text(source, encoding="utf-8")
        done = swift.typecheck([path], tmp_path)
        assert done.returncode
        assert message in done.stderr
