"""``modnet-export bench``."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import benchmarks
from benchmarks import formats
from benchmarks.cli.bench import BenchOptions
from benchmarks.cli.compare import CompareOptions


def test_bench_writes_json_and_csv(call, dist, tmp_path):
    one = ("bench", dist, "--artefact", "modnet_fp32.tflite")
    code, printed = call(*one, "--runs", 3, "--threads", "1,2", "-o", tmp_path / "b.json")
    assert code == 0
    assert "modnet_fp32.tflite 2T" in printed.out
    assert len(formats.load(tmp_path / "b.json").runs[1].samples_ms) == 3
    assert call(*one, "--runs", 2, "-o", tmp_path / "b.csv")[0] == 0
    head, row = (tmp_path / "b.csv").read_text().splitlines()
    assert len(head.split(",")) == len(row.split(","))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "not a list of numbers"),
        (["--artefact", "x.tflite"], "there is no x.tflite"),
        (["--target", "phone"], "'phone' is not a valid target"),
        (["--target", ","], "no target is named"),
        (["--target", "adb"], "needs benchmark_model"),
        (["--target", "adb", "--app", "x;reboot"], "'x;reboot' is not the name of an activity"),
        (["--resume"], "there is nothing to go on with"),
        (["--delegate", "gpu", "--artefact", "modnet_fp32.onnx"], "none of the models runs with gpu"),
        (["-o", "nowhere/b.json"], "there is no folder "),
    ],
)
def test_mistakes_are_one_clear_error(call, dist, arguments, message):
    code, printed = call("bench", dist, *arguments)
    assert code == 2
    assert message in printed.err


ON_ANDROID = {
    "benchmark_model": ["--benchmark-model", "tool"],
    "run_model": ["--run-model", "tool"],
    "gpu_backend": ["--gpu-backend", "opencl"],
    "gpu_precision": ["--gpu-precision", "fp32"],
    "app": ["--app", "p.q/.R"],
    "push": ["--push", "pyproject.toml"],
    "env": ["--env", "A=b"],
    "cores": ["--cores", "big"],
    "fixed_performance": ["--fixed-performance"],
    "memory": ["--no-memory"],
    "energy": ["--energy"],
    "keep_files": ["--keep-files"],
    "cool_timeout": ["--cool-timeout", "7"],
    "block_timeout": ["--block-timeout", "7"],
    "return_timeout": ["--return-timeout", "7"],
    "boot_timeout": ["--boot-timeout", "7"],
}


def test_every_setting_that_a_message_names_is_an_option():
    """Messages name settings in single backticks; the command line shows them as its options."""
    known = {item.name for options in (BenchOptions, CompareOptions) for item in fields(options)}
    sources = [path for path in Path(benchmarks.__path__[0]).rglob("*.py") if not {"peers", "tables"} & set(path.parts)]
    named = {name for path in sources for name in re.findall(r"(?<!`)`([a-z_]+)(?:=[^`]*)?`(?!`)", path.read_text())}
    assert named <= known
    assert len(named) > 10


def test_every_option_under_the_heading_of_android_is_among_these():
    hints = get_type_hints(BenchOptions, include_extras=True)
    under = [name for name, hint in hints.items() if getattr(get_args(hint)[-1], "rich_help_panel", None) is not None]
    assert sorted(under) == sorted(ON_ANDROID)


@pytest.mark.parametrize("name", ON_ANDROID)
def test_an_option_for_android_is_refused_without_an_android_device(call, dist, name):
    code, printed = call("bench", dist, *ON_ANDROID[name])
    assert code == 2
    flag = f"--{name.replace('_', '-')}"
    assert f"where:    {flag}\n" in printed.err
    assert f"leave {flag} out" in printed.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "--target", "qemu-arm64"], "ops cannot be timed one by one on qemu-arm64"),
        (["--duration", 1, "--target", "qemu-arm64"], "latencies cannot be measured on qemu-arm64"),
        (["--energy", "--target", "adb", "--app", "p.q/.R"], "energy cannot be estimated on adb"),
        (["--cores", "big", "--target", "adb", "--app", "p.q/.R"], "only benchmark_model can be pinned"),
        (["--benchmark-model", "tool", "--target", "adb", "--app", "p.q/.R"], "an app measures by itself"),
        (["--boot-timeout", 7, "--target", "adb", "--app", "p.q/.R"], "an emulator"),
        (["--cool-timeout", 7, "--target", "emulator:x", "--app", "p.q/.R"], "an emulator does not get warm"),
        (["--cool-timeout", 7, "--sustained", 1, "--target", "adb", "--app", "p.q/.R"], "without --sustained"),
        (["--gpu-backend", "webgpu", "--target", "adb", "--benchmark-model", "pyproject.toml"], "--delegate gpu"),
        (["--gpu-precision", "fp8", "--target", "adb", "--delegate", "gpu"], "expected: one of auto, fp16, fp32"),
        (["--duration", 1, "--sustained", 1], "--duration and --sustained both say how long"),
    ],
)
def test_options_that_have_no_use_together_are_refused(call, dist, arguments, message):
    code, printed = call("bench", dist, *arguments)
    assert code == 2
    assert message in printed.err


def test_the_tool_may_be_named_by_the_environment_for_every_benchmark(call, dist, monkeypatch):
    monkeypatch.setenv("MODNET_EXPORT_BENCHMARK_MODEL", "tool")
    assert call("bench", dist, "--artefact", "modnet_fp32.tflite", "--runs", 2)[0] == 0


def test_what_failed_is_told_at_the_end(call, dist, tmp_path):
    out = tmp_path / "b.json"
    one = ("bench", dist, "--artefact", "modnet_fp32.tflite", "--runs", 2)
    code, printed = call(*one, "--delegate", "cpu,nnapi", "-o", out)
    assert code == 1
    assert "1 measurement(s) failed:" in printed.err
    assert "modnet_fp32.tflite 1T nnapi: NNAPI is a part of Android" in printed.err
    assert "add --resume to go on" in printed.err
    assert [run.name for run in formats.load(out).runs] == ["modnet_fp32.tflite 1T"]
