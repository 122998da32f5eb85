"""Any words on any command's line: no traceback, and one of the exit codes that are documented."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modnet_export import cli
from tests.modnet_export.cli.test_sweep import outcome

CODES = {0, 1, 2, 130}

WORDS = [
    "", "0", "1", "-1", "2.5", "nan", "inf", "1e400", "9" * 30, "é", "🙂", "\udcff", "[red]", "a\0b", "--", "-",
    "x" * 3000,
    "photo.png", "broken.png", "model.onnx", "broken.onnx", "broken.tflite", "weights.ckpt", "text.json", "folder",
    "nowhere/x", "out", "out.png", "out.html", "out.json", "out.zip", "/proc/nowhere", "64", "64x96", "32x0", "onnx",
    "tflite,coreml",
    "fp32", "int8", "mad<=0.1", "mad=0.1", "cpu", "gpu", "host", "qemu-arm64:x", "emulator:x", "white", "blur:1e9",
]  # fmt: skip


def commands() -> dict[tuple[str, ...], list[str]]:
    """Every command with its options; the shell's completion is left out, which writes to a home."""

    def below(group, *names: str):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from below(command, *names, name)
            else:
                options = (option for parameter in command.params for option in parameter.opts)
                yield (*names, name), [option for option in options if option.startswith("-")]

    return dict(below(typer.main.get_command(cli.mounted())))


LINES = st.one_of(
    [
        st.tuples(
            st.just(list(names)),
            st.lists(st.sampled_from(WORDS[1:]), max_size=3),
            st.lists(
                st.tuples(
                    st.sampled_from([*options, "--nonsense"]), st.one_of(st.sampled_from(WORDS), st.text(max_size=20))
                ),
                max_size=3,
            ).map(lambda pairs: [word for pair in pairs for word in pair]),
        ).map(lambda parts: [word for part in parts for word in part])
        for names, options in commands().items()
    ]
)
ENVIRONMENTS = st.sampled_from([{}, {"COLUMNS": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1"}, {"HOME": "/nowhere"}])


@pytest.fixture
def world(tmp_path, monkeypatch, dist):
    """A folder of good and broken files. What takes long or leaves the machine is refused where it would begin."""
    from benchmarks import session, targets
    from converters.errors import ExportError
    from modnet_export.exporting import run as exporting
    from modnet_export.verifying import run as verifying
    from tests.modnet_export.cli.hostile import Case

    def begin(*_, **__):
        raise ExportError("this is where it would begin")

    monkeypatch.setattr(exporting, "beside", begin)
    monkeypatch.setattr(verifying, "_measure", begin)
    monkeypatch.setattr(session, "measure", begin)
    monkeypatch.setattr(targets.tool, "find", begin)
    import random

    made = Case(tmp_path, dist, random.Random(0))
    made.picture()
    (tmp_path / "model.onnx").symlink_to(dist / "modnet_fp32.onnx")
    for name in ("broken.png", "broken.onnx", "broken.tflite", "weights.ckpt", "text.json"):
        made.bytes(name, b"neither here nor there")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(world: Path, capfd, line: list[str], environment: dict[str, str]) -> None:
    code, out, err, raised = outcome(line, environment, capfd)
    assert not raised, (line, raised)
    assert code in CODES, (line, code)
    assert "Traceback" not in out + err, (line, err)
    assert code == 0 or err, line
    kept = {
        "photo.png",
        "model.onnx",
        "broken.png",
        "broken.onnx",
        "broken.tflite",
        "weights.ckpt",
        "text.json",
        "folder",
    }
    assert kept <= {path.name for path in world.iterdir()}, line
    assert (world / "broken.png").read_bytes() == b"neither here nor there", line


COMMON = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@pytest.mark.long
@settings(max_examples=120, **COMMON)
@given(line=LINES, environment=ENVIRONMENTS)
@example(line=["bench", "folder", "--duration", "nan"], environment={})
@example(line=["matte", "model.onnx", "photo.png", "--out", "out", "--threads", "9" * 30], environment={})
def test_any_command_line(world, capfd, line, environment):
    check(world, capfd, line, environment)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@settings(max_examples=3000, **COMMON)
@given(line=LINES, environment=ENVIRONMENTS)
def test_very_many_command_lines(world, capfd, line, environment):
    check(world, capfd, line, environment)
