"""What README and docs quote: numbers are those of the tables that `make tables` writes, messages the program's own."""

from __future__ import annotations

import re

import pytest

from benchmarks.measured import documents
from tests.documented import ROOT

_MARKED = re.compile(r"<!-- measured: (?P<name>[^>]*?) -->\n(?P<table>.*?)<!-- end -->", re.DOTALL)
# Where a reader decides: here no error stands that a table does not have.
STRICT = ("README.md", "choosing.md", "questions.md", "troubleshooting.md")
_ERROR = re.compile(r"(?<![\d.<=])(0\.\d{3,}|\d(?:\.\d+)?e-\d+)(?![\d.])")
SHOWN = {"0.001", "0.005", "0.02"}
"""What docs/differences.jpg shows; see ``benchmarks.tables.hair``."""


LIMITS = {"0.001", "0.0015", "0.0018", "0.002"}
"""Of recipes, and of an 8-bit matte's rounding: not measured."""


def text(page: str) -> str:
    return (ROOT / ("README.md" if page == "README.md" else f"docs/{page}")).read_text(encoding="utf-8")


def rows(table: str) -> list[list[str]]:
    """The cells of a table in Markdown."""
    lines = [line for line in table.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, dict[str, float]]]:
    """Every measured table: its rows by their first cell, and the numbers in them by column."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for path in documents(ROOT):
        for marked in _MARKED.finditer(path.read_text(encoding="utf-8")):
            head, *body = rows(marked["table"]) or [[]]
            values = {row[0]: dict(zip(head[1:], map(number, row[1:]), strict=False)) for row in body}
            found[marked["name"]] = {
                key: {k: v for k, v in row.items() if v is not None} for key, row in values.items()
            }
    return found


def number(cell: str) -> float | None:
    return float(cell) if re.fullmatch(r"[\d.]+(e[-+]\d+)?", cell) else None


def near(quoted: str, value: float) -> bool:
    """Whether a quoted number is a measured one, as far as it was rounded."""
    digits = len(quoted.partition(".")[2])
    return abs(float(quoted) - value) <= 0.51 * 10**-digits


QUOTED = [
    ("README.md", "`modnet_int8.tflite`", "int8", "`int8`"),
    ("README.md", "`modnet_int8_mixed.tflite`", "int8", "`int8-mixed`"),
    ("README.md", "`modnet_int8_weights.tflite`", "int8", "`int8-weights`"),
    ("README.md", "`modnet_fp16.mlpackage`", "coreml", "fp16"),
    ("choosing.md", "Core ML `fp16`", "coreml", "fp16"),
    ("choosing.md", "TFLite `int8-weights`", "int8", "`int8-weights`"),
    ("choosing.md", "TFLite `int8-mixed`", "int8", "`int8-mixed`"),
    ("choosing.md", "TFLite `int8`", "int8", "`int8`"),
    ("choosing.md", "TFLite `int8-dynamic`", "int8", "`int8-dynamic`"),
    ("choosing.md", "TFLite `int4-weights`", "int8", "`int4-weights`"),
    ("choosing.md", "Core ML `palettized8`", "coreml", "palettized8"),
    ("choosing.md", "Core ML `palettized6`", "coreml", "palettized6"),
    ("choosing.md", "Core ML `palettized4`", "coreml", "palettized4"),
]
COLUMNS = {"MB": "MB", "mean error": "mean", "worst portrait": "worst image", "time": "time", "mean": "mean"}
COLUMNS["worst"] = COLUMNS["worst portrait"]


@pytest.mark.parametrize(("page", "key", "table", "row"), QUOTED, ids=lambda value: value)
def test_a_row_that_repeats_a_table_has_its_numbers(measured, page, key, table, row):
    head, cells = row_of(page, key)
    compared = 0
    for column, cell in zip(head, cells, strict=True):
        for name, quoted in zip(column.split(", "), cell.split(", "), strict=False):
            if name in COLUMNS and COLUMNS[name] in measured[table][row] and number(quoted) is not None:
                assert near(quoted, measured[table][row][COLUMNS[name]]), (column, quoted)
                compared += 1
    assert compared >= 2


def row_of(page: str, key: str) -> tuple[list[str], list[str]]:
    """A row of a table of a page outside the marks, and the head of its table."""
    for block in re.split(r"\n\s*\n", _MARKED.sub("", text(page))):
        head, *body = rows(block) or [[]]
        for cells in body:
            if cells[0] == key:
                return head, cells
    raise AssertionError(f"{page} has no row {key}")


@pytest.mark.parametrize("page", STRICT)
def test_every_error_where_a_reader_decides_is_in_a_table(measured, page):
    values = [value for table in measured.values() for row in table.values() for value in row.values()]
    # What is told of the built-in photo is in the output of `make demo`.
    demo = _MARKED.search(text("README.md"))
    assert demo is not None
    values += [float(found) for found in _ERROR.findall(demo["table"])]
    quoted = set(_ERROR.findall(_MARKED.sub("", text(page)))) - SHOWN
    assert not {item for item in quoted if not any(near(item, value) for value in values)}


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.stem)
def test_an_error_that_no_table_has_says_when_it_was_measured_or_by_which_command(path):
    """Numbers outside the marks are history: nobody measures them again unasked."""
    if path.name in STRICT or path.name in ("commands.md", "models.md"):  # held to tables, or written by the program
        return
    for section in re.split(r"^(?=#)", _MARKED.sub("", path.read_text(encoding="utf-8")), flags=re.MULTILINE):
        found = set(_ERROR.findall(section)) - LIMITS
        assert not found or re.search(r"\b20\d\d\b|python -m|make test", section), (section.splitlines()[0], found)


def test_a_message_that_troubleshooting_quotes_is_one_that_the_program_prints():
    quoted = re.findall(r'^\| "([^"]+)" \|', text("troubleshooting.md"), re.MULTILINE)
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "modnet_export").rglob("*.py"))
    assert len(quoted) >= 5
    assert not [message for message in quoted if message not in source]
