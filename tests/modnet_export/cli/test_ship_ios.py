from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.modnet_export.ship.exports import export
from tests.modnet_export.ship.ios_projects import DEFINITION, PACKAGE, PBXPROJ, project
from tests.modnet_export.ship.projects import tree
from tests.test_extras import EXTRAS, assert_ends_clearly, command, hidden

SHIP = ("ship", "ios", "my app", "--model", "dist/modnet_fp16.mlpackage")


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A Swift package and an export, in the working directory."""
    project(tmp_path / "my app", "Swift package")
    export(tmp_path / "dist")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_says_what_it_wrote_and_what_is_left_to_do(run, world):
    code, out, err = run(*SHIP)
    assert (code, err) == (0, "")
    assert "new      Sources/My App/Modnet/ModnetModel.swift\n" in out
    assert "Package.swift lacks the following (--apply puts it there):\n" in out
    assert '    resources: [.copy("Modnet/modnet.json"), .copy("Modnet/modnet_fp16.mlpackage")]\n' in out
    assert "PrivacyInfo.xcprivacy" in out
    assert "lint 'my app'" in out
    assert (world / "my app/Package.swift").read_text() == PACKAGE


def test_a_dry_run_shows_a_diff_and_writes_nothing_and_a_second_run_changes_nothing(run, world):
    before = tree(world)
    code, out, _ = run(*SHIP, "--dry-run", "--apply")
    assert code == 0
    assert '+        .target(name: "My App", resources: [.copy("Modnet/modnet.json"), ' in out
    assert "Binary file Sources/My App/Modnet/modnet_fp16.mlpackage/Data/com.apple.CoreML/model.mlmodel: new" in out
    assert tree(world) == before
    run(*SHIP, "--apply")
    after = tree(world)
    code, out, _ = run(*SHIP, "--apply")
    assert (code, out.startswith("Nothing to change"), "lacks" in out) == (0, True, False)
    assert tree(world) == after


def test_a_check_answers_with_its_exit_code(run, world):
    assert run(*SHIP[:3], "--check")[0] == 2  # nothing was shipped
    run(*SHIP)
    assert run(*SHIP[:3], "--check") == (0, "my app has the exported models.\n", "")
    (world / "my app/Sources/My App/Modnet/modnet.json").write_text("{}")
    code, out, err = run(*SHIP[:3], "--check")
    assert (code, out) == (1, "")
    assert "Sources/My App/Modnet/modnet.json differs" in err


def test_json_is_the_whole_plan(run, world):
    code, out, _ = run(*SHIP, "--dry-run", "--json")
    result = json.loads(out)
    assert (code, result["target"], result["models"], result["done"]) == (0, "My App", ["modnet_fp16.mlpackage"], False)
    assert {"file": "modnet-ship.json", "change": "new", "yours": False} in result["changes"]
    assert result["definition"] == "Package.swift"
    assert [item["why"] for item in result["lacking"]] == [
        "2 file(s) are not in the target My App",
        "2 file(s) are not in the target My App Tests",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--model", "dist/modnet_fp16.mlpackage"], "there is no folder nowhere"),
        (["dist", "--model", "dist/modnet_fp16.mlpackage"], "is not an iOS project"),
        (["my app"], "--model dist/modnet_fp16.mlpackage"),
        (["my app", "--model", "dist/modnet_fp16.tflite"], "not a Core ML model of this export"),
        (["my app", "--model", "dist/modnet_fp16.mlpackage", "--target", "Widget"], "there is no target Widget"),
        (["my app", "--model", "dist/modnet_fp16.mlpackage", "--kit", "dist"], "where:    --kit"),
        (["my app", "--check", "--apply"], "a check changes nothing"),
    ],
)
def test_bad_input_is_one_clear_message(run, world, arguments, words):
    before = tree(world)
    code, out, err = run("ship", "ios", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("error:") == 1
    assert tree(world) == before


def test_editing_an_xcode_project_needs_pbxproj_and_printing_the_steps_does_not(run, world):
    (world / "my app/Package.swift").unlink()
    project(world / "my app", "Xcode")
    before = tree(world)
    assert_ends_clearly(hidden(EXTRAS["apps"], command(*SHIP, "--apply"), world), "apps", "pbxproj")
    assert tree(world) == before
    done = hidden(EXTRAS["apps"], command(*SHIP), world)
    assert (done.returncode, "File > Add Files to" in done.stdout) == (0, True)
    assert (world / "my app" / DEFINITION).read_text() == PBXPROJ


@pytest.mark.parametrize("arguments", [SHIP, ("lint", "my app")])
def test_it_needs_nothing_heavy(run, world, arguments):
    """What makes it answer in a second."""
    code = (
        "import sys; from modnet_export.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted({'torch', 'tensorflow', 'onnx', 'coremltools', 'cv2', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
