"""The commands for phones in README and docs run as they stand, on a simulated phone behind the real adb."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests.documented import pages, steps
from tests.fakes import benchmark_model
from tests.test_documented import run

# Not those of a second phone, of a phone at another address, of an app, and of minutes of heat.
_OTHERS = re.compile(r"SERIAL|HOST|--app|--sustained|--push|--import")
STEPS = [
    step
    for path in pages()
    for step in steps(path)
    if step.needs == "a phone" and step.text.startswith("modnet-export bench") and not _OTHERS.search(step.text)
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_command_for_a_phone_runs_on_a_simulated_one(phones, dist, tmp_path, monkeypatch, capsys, step):
    phones()
    shutil.copytree(dist, tmp_path / "dist")
    for name in ("FILE", "benchmark_model"):
        benchmark_model.script(tmp_path / name, real=True)
    monkeypatch.chdir(tmp_path)
    code = run(step)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "modnet_fp32.tflite" in printed.out
    for name in re.findall(r"-o (\S+\.json)", step.text):
        assert json.loads((tmp_path / name).read_text(encoding="utf-8"))["runs"]


def test_there_are_commands_for_phones():
    assert {step.page for step in STEPS} >= {"README.md", "phones.md"}
