"""Every command in README and docs is one that the program takes, and what needs nothing special is run."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.documented import ROOT, Step, pages, steps

STEPS = [step for path in pages() for step in steps(path)]
# What takes minutes: searches and Core ML, measuring, and what reads their results.
MINUTES = re.compile(r"int8|coreml|my-ios-app|bench|before\.json|Size\(height=")


def missing(step: Step) -> list[str]:
    """What a piece of Python imports and is not there."""
    tree = ast.parse(step.text)
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return [
        f"{node.module}.{item.name}"
        for node in froms
        for item in node.names
        if not hasattr(import_module(node.module or ""), item.name)
    ]


def refused(step: Step) -> str | None:
    """Why the program, make or Python does not take a step; nothing is run."""
    import typer

    from modnet_export import cli

    if step.python:
        return ", ".join(missing(step)) or None
    program, *words = shlex.split(step.text)
    if program == "make":
        target = rf"^{re.escape(words[0])}:"
        return None if re.search(target, (ROOT / "Makefile").read_text(encoding="utf-8"), re.M) else "no such target"
    if program == "python" and words[0] == "-m" and words[1].split(".")[0] in ("benchmarks", "modnet_export", "tests"):
        import_module(words[1])
        return None
    if program != "modnet-export":
        return None
    placeholders = [word for word in words if word == "..." or word.startswith("[")]
    if placeholders:
        return f"{placeholders[0]} is no argument"
    command = typer.main.get_command(cli.mounted())
    context = typer.Context(command, info_name=program)
    while isinstance(command, typer.core.TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0)
        command = command.get_command(context, name)
        if command is None:
            return f"no command {name}"
    try:
        command.make_context(step.text, words)
    except (typer.Exit, SystemExit):
        return None  # --help and the like
    except Exception as error:
        return str(error) or type(error).__name__
    return None


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_every_command_is_one_that_the_program_takes(step):
    assert refused(step) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("modnet-export export --sizes 96x128", "No such option"),
        ("modnet-export exports", "no command exports"),
        ("modnet-export bench theirs.tflite [--checkpoint mine.ckpt]", "[--checkpoint is no argument"),
        ("make demos", "no such target"),
    ],
)
def test_a_mistake_in_a_page_is_noticed(text, why):
    assert why in (refused(Step("page.md", 1, text)) or "")
    assert missing(Step("page.md", 1, "from modnet_export import exports", python=True)) == ["modnet_export.exports"]


def test_steps_are_read_with_what_is_said_of_them(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "    modnet-export doctor     # what there is\n    checkpoint ──> ONNX\n\n"
        "    # These need a phone:\n    modnet-export bench dist\n\n    make demo\n\n```python\nprint(1)\n```\n"
    )
    found = [(step.text, step.python, step.comment, step.needs) for step in steps(page)]
    assert found == [
        ("modnet-export doctor", False, "what there is", None),
        ("modnet-export bench dist", False, "", "a phone"),
        ("make demo", False, "", None),
        ("print(1)", True, "", None),
    ]


def readers_files(folder: Path, dist: Path, photo) -> None:
    """What the pages take for the reader's own: photographs, clips, models, a checkpoint, apps."""
    import torch
    from safetensors.torch import load_file

    from converters.eight_bit import to_bytes
    from modnet_export.images.compositing import save_image
    from modnet_export.images.imaging import resize
    from modnet_export.model import checkpoint
    from tests.modnet_export.ship import ios_projects, projects

    picture = resize(photo, 96, 128)
    for name in ("photo.jpg", "beach.jpg", "photos/a.jpg", "photos/b.png", "PPM-100/image/a.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_image(folder / name, picture)
    (folder / "PPM-100/matte").mkdir()
    save_image(folder / "PPM-100/matte/a.png", picture[..., 0])
    _clip(folder / "clip.mp4", to_bytes(picture))
    _clip(folder / "mattes.mp4", to_bytes(picture[..., :1].repeat(3, axis=2)))
    (folder / "clips").mkdir()
    shutil.copy(folder / "clip.mp4", folder / "clips" / "other.mp4")
    torch.save({"state_dict": load_file(checkpoint.resolve("demo").path)}, folder / "mine.ckpt")
    shutil.copy(dist / "modnet_fp32.onnx", folder / "mine.onnx")
    shutil.copy(dist / "modnet_fp32.tflite", folder / "theirs.tflite")
    projects.project(folder / "my-app")
    app = ios_projects.project(folder / "my-ios-app")
    (app / "My App/PrivacyInfo.xcprivacy").write_bytes(ios_projects.privacy())


def _clip(path: Path, rgb) -> None:
    """Five frames that stand still."""
    from fractions import Fraction

    from modnet_export.images.video.writing import Look, writing

    look = Look(*rgb.shape[:2], False, Fraction(10), Fraction(1, 1000))
    with writing(path, "h264", look, None) as write:
        for index in range(5):
            write(rgb, Fraction(index, 10))


def run(step: Step, names: dict | None = None) -> int:
    """Run a step in the present folder, in this process; the exit code. Python sees, and leaves, ``names``."""
    from modnet_export.cli import main

    if step.python:
        exec(compile(step.text, str(step), "exec"), names)
        return 0
    with pytest.raises(SystemExit) as stop:
        main(shlex.split(step.text)[1:])
    return int(stop.value.code or 0)


def walk(path: Path, left_out: re.Pattern[str] | None, capsys) -> list[str]:
    """Run a page's steps in order, but for those that need something special; what went wrong."""
    wrong: list[str] = []
    names: dict = {}  # a page's Python goes on from block to block
    for step in steps(path):
        ours = step.python or step.text.startswith("modnet-export ")
        if not ours or step.needs or (left_out and left_out.search(step.text)):
            continue
        code = run(step, names)
        printed = capsys.readouterr()
        # Equal models compared may be "slower" on a busy machine; that is no fault of the page.
        if code and not (code == 1 and step.text.startswith("modnet-export compare ")):
            wrong.append(f"{step}\n{printed.out[-500:]}{printed.err[-1500:]}")
    return wrong


@pytest.fixture
def beside(tmp_path, monkeypatch, dist):
    """A folder with the reader's own files, and nothing else."""
    from modnet_export.images.imaging import demo_photo

    readers_files(tmp_path, dist, demo_photo())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
def test_readmes_commands_run_in_order_with_small_models(beside, exported, capsys):
    """As after ``make demo``, whose ``dist`` is smaller here; what takes minutes is left out."""
    from modnet_export import Size

    # Where the photo has room for hair: at 96x128 `report` finds that fp16 moves the matte by too much.
    shutil.copytree(exported(size=Size(height=160, width=192)), beside / "dist")
    assert not walk(ROOT / "README.md", MINUTES, capsys)
    assert (beside / "cutout.png").exists()


def test_python_of_the_pages_uses_what_is_there(tmp_path):
    """By its types: running a page takes minutes. The recipe of preprocessing.md runs against tests/vectors."""
    written = [path for path in pages() if path.name != "preprocessing.md"]
    blocks = {path: "\n".join(step.text for step in steps(path) if step.python) for path in written}
    files = [tmp_path / f"page_{path.stem}.py" for path, block in blocks.items() if block]
    assert len(files) >= 3
    for file, block in zip(files, filter(None, blocks.values()), strict=True):
        file.write_text(block, encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "mypy", *files], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_every_page_runs_in_order(beside, path, capsys):
    """As they stand, at 512x512, after ``make demo``: nothing but what needs something special is left out."""
    (demo,) = re.findall(r"^demo:.*\n\t\$\(BIN\)/(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert run(Step("Makefile", 1, demo)) == 0
    assert not walk(path, None, capsys)
