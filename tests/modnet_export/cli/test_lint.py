from __future__ import annotations

import json
import subprocess
import sys

import pytest

from modnet_export.ship.lint.rules import RULES
from tests.modnet_export.ship.apps import MODEL, Apps, Made, manifest

CASES = {
    "project": ({}, {"app/proguard-rules.pro": None}, "keep-rules", "-keep class com.google.ai.edge.litert.** { *; }"),
    "apk": ({}, {"AndroidManifest.xml": Made(manifest("demanding"))}, "opencl", "uses-native-library"),
    "aab": ({}, {"BundleConfig.pb": None}, "model-stored", "noCompress"),
}


@pytest.mark.parametrize("kind", CASES)
def test_exit_code_and_table_say_what_is_wrong(run, tmp_path, kind):
    good, bad, rule, mend = CASES[kind]
    make = getattr(Apps(tmp_path), kind)
    code, out, err = run("lint", make(good))
    assert (code, err) == (0, "")
    assert "0 failed" in out
    code, out, err = run("lint", make(bad))
    assert code == 1
    line = next(line for line in out.splitlines() if line.startswith(f" {rule}"))
    assert " failed " in line
    assert mend in line
    assert kind in line.rpartition("  ")[2] or rule == "keep-rules"
    assert rule in err
    assert "Traceback" not in err


def test_json_is_the_whole_result(run, tmp_path):
    code, out, _ = run("lint", Apps(tmp_path).apk({"assets/modnet_fp16.tflite": Made(MODEL, deflated=True)}), "--json")
    assert code == 1
    result = json.loads(out)
    assert result["kind"] == "apk"
    assert [item["rule"] for item in result["findings"]] == [rule.name for rule in RULES]
    failed = {item["rule"]: item for item in result["findings"] if item["verdict"] == "failed"}
    assert failed == {
        "model-stored": {
            "rule": "model-stored",
            "verdict": "failed",
            "place": "assets/modnet_fp16.tflite",
            "reason": "it is compressed (deflated), so it cannot be mapped into memory",
            "mend": 'androidResources { noCompress += "tflite" } in the app\'s build file',
            "decided_in": ["project", "apk", "aab"],
        }
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.apk"], "cannot read nowhere.apk: there is no such file"),
        (["."], "is not an Android app's project"),
        (["app 1.apk", "--module", "app"], "where:    --module"),
        (["app 1.apk", "--export", "nowhere"], "nowhere holds no manifest.json"),
    ],
)
def test_bad_input_is_one_clear_message(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    Apps(tmp_path).apk()
    code, out, err = run("lint", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("error:") == 1


def test_what_can_be_done_is_spelled_as_an_option(run, tmp_path):
    _, out, _ = run("lint", Apps(tmp_path).apk({"assets/modnet.json": None}))
    assert "--export FOLDER" in out


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_of_any_width_shows_every_word(run, tmp_path, monkeypatch, width):
    from modnet_export.terminal.console import OUT

    monkeypatch.setattr(OUT, "_force_terminal", True)
    monkeypatch.setattr(OUT, "_width", width)
    _, out, _ = run("lint", Apps(tmp_path).project())
    assert "…" not in out
    assert out.count("passed") == 9


def test_it_needs_nothing_heavy(tmp_path):
    """What makes it answer in a second."""
    code = (
        "import sys; from modnet_export.cli import main\n"
        "try: main(['lint', *sys.argv[1:]])\n"
        "finally: print(sorted({'torch', 'tensorflow', 'onnx', 'numpy', 'cv2', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, Apps(tmp_path).aab()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
