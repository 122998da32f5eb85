"""``python -m tests.reference`` writes docs/commands.md and docs/models.md: what the program itself tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from modnet_export.record.measures import MEASURES
from modnet_export.record.recipes import RECIPES, Recipe

_DOCS = Path(__file__).parent.parent / "docs"
_HEAD = """\
# Commands and options

`make reference` writes this page from the program; it has the same text as `modnet-export COMMAND --help`. The exit
code is 0 for success, 1 for a failed check, 2 for bad input and 130 after an interruption.

"""
_MODELS = """\
# Every model that can be exported

`make reference` writes this page from the program's own table of recipes (`modnet_export/record/recipes.py`).
`--formats` and `--precisions` each take one word or several, separated by commas. Each format writes those of the
precisions that it has; a format that has none of them is refused. [choosing.md](choosing.md) says which to take.

"""
_ENDING = """\

*Made from* names the model that an artefact is derived from, and compared with when a check fails. *Held to* has the
limits that an artefact must hold; otherwise nothing is written ([verification.md](verification.md#measures)).
`--tolerance` changes them. An 8-bit matte may differ by half a step more, and Core ML's by a whole step. *Searched* has
the limits within which as many multiplications as possible are computed in int8; such a search takes minutes
([quantization.md](quantization.md)).

Every export takes `--checkpoint`, `--input-range`, `--size`, `--tolerance`, `--keep-failing` and `--out`.

The oldest runtime follows from the opset and IR version of ONNX files, from the `min_runtime_version` in each TFLite
file, and from `--coreml-target`. Android apps need API 24 for LiteRT, and [MattingKit](ios.md) needs iOS 16.
"""
_PROCESSORS = {"any": "any", "cpu": "CPU", "gpu": "GPU", "ane": "Neural Engine", "npu": "NPU"}
_FORMATS = {"onnx": "ONNX", "tflite": "TFLite (LiteRT)", "coreml": "Core ML"}
# onnxruntime.ai/docs/reference/compatibility.html: IR version 10, which the files have, came with 1.18.
ONNX_RUNTIME, IR_VERSION = "ONNX Runtime 1.18", 10
TFLITE = {"int8-dynamic": "2.4", "int16x8": "2.15", "int4-weights": "2.20"}
"""Where it is not ``OLDEST_TFLITE``."""
OLDEST_TFLITE = "2.2"


def commands() -> str:
    """The page of all commands."""
    import typer
    from typer.cli import get_docs_for_click

    from modnet_export import cli

    command = typer.main.get_command(cli.mounted())
    told = get_docs_for_click(obj=command, ctx=typer.Context(command, info_name="modnet-export"), name="modnet-export")
    # The lists of commands are cut to the width of a terminal; each command's own section follows.
    told = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n", "", told)
    return _HEAD + told[told.index("**Usage**") :].rstrip() + "\n"


def options(row: Recipe) -> list[str]:
    """The options of ``export`` that one artefact takes beside those of every one."""
    choices = {
        "--tune": row.tuning is not None and not row.always_tuned,
        "--converter": row.format == "tflite",
        "--calibration": row.searched or "int" in row.precision or (row.format == "coreml" and row.precision != "fp32"),
        "--budget, --pareto": row.searched,
        "--coreml-*": row.format == "coreml",
    }
    return [f"`{name}`" for name, taken in choices.items() if taken]


def oldest(row: Recipe) -> str:
    """The oldest runtime or system that takes an artefact."""
    if row.format == "onnx":
        return ONNX_RUNTIME
    return "iOS 16, macOS 13" if row.format == "coreml" else f"TFLite {TFLITE.get(row.precision, OLDEST_TFLITE)}"


def _ports(row: Recipe) -> str:
    if row.format == "coreml":
        return "8-bit image (`--coreml-io`)"
    return "bytes" if row.eight_bit else "float32"


def _limits(row: Recipe) -> str:
    limits = row.tolerance.limits.items()
    return ", ".join(f"`{name}` {'>=' if MEASURES[name].at_least else '<='} {limit:g}" for name, limit in limits)


def models() -> str:
    """The page of all artefacts."""
    heads = ("precision", "writes", "for", "image and matte", "made from", "held to", "searched", "options", "oldest")
    lines = [_MODELS.rstrip()]
    for word, name in _FORMATS.items():
        lines += ["", f"## {name}: `--formats {word}`", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for row in RECIPES:
            if row.format == word:
                cells = [
                    f"`{row.precision}`",
                    f"`{row.file}`",
                    _PROCESSORS[row.written_for(row.tuning)],
                    _ports(row),
                    "the checkpoint" if row.parent is None else f"`{row.parent}`",
                    _limits(row),
                    "" if row.budget is None else f"`{row.budget}`",
                    ", ".join(options(row)),
                    oldest(row),
                ]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" + _ENDING


PAGES: Mapping[Path, Callable[[], str]] = {_DOCS / "commands.md": commands, _DOCS / "models.md": models}


if __name__ == "__main__":
    for page, text in PAGES.items():
        page.write_text(text(), encoding="utf-8")
