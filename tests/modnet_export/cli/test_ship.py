from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.modnet_export.ship.exports import export
from tests.modnet_export.ship.projects import KOTLIN, SCRIPT, project, tree


@pytest.fixture
def world(tmp_path, monkeypatch):
    """A project and an export, in the working directory."""
    project(tmp_path / "my app")
    export(tmp_path / "dist")
    monkeypatch.chdir(tmp_path)
    return tmp_path


SHIP = ("ship", "android", "my app", "--model", "dist/modnet_fp16.tflite")


def test_it_says_what_it_wrote_and_what_is_left_to_do(run, world):
    code, out, err = run(*SHIP)
    assert (code, err) == (0, "")
    assert "new      app/src/main/assets/modnet_fp16.tflite\n" in out
    assert "app/build.gradle.kts lacks the following (--apply puts it there):\n" in out
    assert 'android {\n    androidResources {\n        noCompress.add("tflite")\n    }\n}\n' in out
    assert '    implementation("com.google.ai.edge.litert:litert-gpu:2.3.0")\n' in out
    assert "lint 'my app'" in out
    assert (world / "my app" / SCRIPT).read_text() == KOTLIN


def test_a_second_run_says_that_nothing_changes(run, world):
    run(*SHIP, "--apply")
    before = tree(world)
    code, out, _ = run(*SHIP, "--apply")
    assert code == 0
    assert out.startswith("Nothing to change")
    assert "lacks" not in out
    assert tree(world) == before


def test_a_dry_run_shows_a_diff_and_writes_nothing(run, world):
    before = tree(world)
    code, out, _ = run(*SHIP, "--dry-run", "--apply")
    assert code == 0
    assert '+        proguardFiles("modnet-rules.pro")\n' in out
    assert "--- /dev/null\n+++ b/app/src/main/kotlin/io/modnet/matting/ModnetModel.kt\n" in out
    assert "Binary file app/src/main/assets/modnet_fp16.tflite: new, " in out
    assert tree(world) == before


def test_a_check_answers_with_its_exit_code(run, world):
    assert run(*SHIP[:3], "--check")[0] == 2  # nothing was shipped
    run(*SHIP)
    code, out, err = run(*SHIP[:3], "--check")
    assert (code, out, err) == (0, "my app has the exported models.\n", "")
    (world / "my app/app/src/main/assets/modnet_fp16.tflite").write_bytes(b"other")
    before = tree(world)
    code, out, err = run(*SHIP[:3], "--check")
    assert (code, out) == (1, "")
    assert "app/src/main/assets/modnet_fp16.tflite differs" in err
    assert tree(world) == before


def test_what_a_user_changed_needs_force(run, world):
    run(*SHIP)
    spec = world / "my app/app/src/main/kotlin/io/modnet/matting/ModelSpec.kt"
    spec.write_text("// mine")
    code, _, err = run(*SHIP)
    assert code == 2
    assert "ModelSpec.kt" in err
    assert "--force; --dry-run shows them" in err
    assert run(*SHIP, "--dry-run")[0] == 0
    assert run(*SHIP, "--force")[0] == 0
    assert spec.read_text() != "// mine"


def test_json_is_the_whole_plan(run, world):
    code, out, _ = run(*SHIP, "--dry-run", "--json")
    result = json.loads(out)
    assert (code, result["module"], result["models"], result["done"]) == (0, "app", ["modnet_fp16.tflite"], False)
    assert {"file": "app/modnet-rules.pro", "change": "new", "yours": False} in result["changes"]
    assert result["build_file"] == "app/build.gradle.kts"
    assert any("litert-gpu" in item["lines"] for item in result["lacking"])
    assert json.loads(run(*SHIP, "--json")[1])["done"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere", "--model", "dist/modnet_fp16.tflite"], "there is no folder nowhere"),
        (["dist", "--model", "dist/modnet_fp16.tflite"], "is not an Android app's project"),
        (["my app"], "--model dist/modnet_fp16.tflite"),
        (["my app", "--model", "dist/nothing.tflite"], "not a TFLite model of this export"),
        (["my app", "--model", "my app/x.tflite"], "my app holds no manifest.json"),
        (["my app", "--model", "dist/modnet_fp16.tflite", "--module", "wear"], "there is no app module wear"),
        (["my app", "--check", "--force"], "a check changes nothing"),
        (["my app", "--check", "--dry-run"], "--check without --dry-run, --apply and --force"),
    ],
)
def test_bad_input_is_one_clear_message(run, world, arguments, words):
    before = tree(world)
    code, out, err = run("ship", "android", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("error:") == 1
    assert tree(world) == before


def test_where_nothing_may_be_written_it_says_so(run, world, monkeypatch):
    from modnet_export.record import together

    def refuse(*_):
        raise PermissionError(13, "Permission denied", "my app/app")

    monkeypatch.setattr(together, "_prepared", refuse)
    code, _, err = run(*SHIP)
    assert code == 2
    assert "you may not write there" in err


def test_it_needs_nothing_heavy(world):
    """What makes it answer in a second."""
    code = (
        "import sys; from modnet_export.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted({'torch', 'tensorflow', 'onnx', 'cv2', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *SHIP], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
