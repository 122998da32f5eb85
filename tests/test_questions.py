"""Each of the ten questions that a reader asks first is answered two clicks from README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documented import ROOT

# Where each question is answered: a page, the heading there, and a word that the answer cannot do without.
ANSWERS = {
    "which file for an Android GPU": ("docs/choosing.md", "by-device", r"Android, on the GPU.*modnet_fp16\.tflite"),
    "size and speed": ("docs/choosing.md", "by-size", r"\| time \|"),
    "my own checkpoint": ("README.md", "your-own-checkpoint", r"--checkpoint mine\.ckpt"),
    "which size": ("docs/choosing.md", "by-size", r"512x288"),
    "preprocessing in Kotlin": ("docs/preprocessing.md", "in-kotlin", r"```kotlin"),
    "is int8 good enough for hair": ("docs/choosing.md", "by-error", r"hair\.jpg"),
    "how to read the numbers": ("docs/glossary.md", "glossary", r"mean absolute difference"),
    "can they be trusted": ("docs/verification.md", "measures", r"max_abs_difference"),
    "what ran on a phone": ("docs/android.md", "what-was-checked-and-what-was-not", r"have not been on a phone"),
    "licences": ("README.md", "licence", r"Apache-2\.0"),
}
CLICKS = 2
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def sections(page: str) -> dict[str, str]:
    """A page's text under each heading, and whatever is below that heading, by the heading's anchor."""
    found: dict[str, str] = {}
    lines = re.sub(r"^```.*?^```", lambda block: block[0].replace("\n#", "\n #"), text(page), flags=re.M | re.S)
    headings = list(re.finditer(r"^(#+) (.+)$", lines, re.MULTILINE))
    for place, heading in enumerate(headings):
        below = (item for item in headings[place + 1 :] if len(item[1]) <= len(heading[1]))
        end = next((item.start() for item in below), len(lines))
        anchor = re.sub(r"[^\w\- ]", "", heading[2].lower()).replace(" ", "-")
        found[anchor] = lines[heading.start() : end]
    return found


def links(page: str) -> set[tuple[str, str | None]]:
    """Where the links of a page lead: pages of this repository, each with an anchor or None."""
    folder = (ROOT / page).parent
    return {
        ((folder / target).resolve().relative_to(ROOT).as_posix() if target else page, anchor)
        for target, anchor in _LINK.findall(text(page))
    }


def clicks(page: str, anchor: str, start: str = "README.md") -> int | None:
    """The fewest clicks from ``start`` to a heading, at most ``CLICKS``; a page's first heading needs no anchor."""
    first = next(iter(sections(page)))
    here = {start}
    for count in range(1, CLICKS + 1):
        seen = {link for item in here if Path(item).suffix == ".md" for link in links(item)}
        if (page, anchor) in seen or (anchor == first and page in {target for target, _ in seen}):
            return count
        here = {target for target, _ in seen}
    return None


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_is_answered_two_clicks_from_readme(question):
    page, anchor, word = ANSWERS[question]
    assert re.search(word, sections(page)[anchor])
    assert clicks(page, anchor) is not None


def test_questions_has_these_ten():
    assert len(re.findall(r"^\*\*[^*]+\?\*\*", text("docs/questions.md"), re.MULTILINE)) == len(ANSWERS)


def test_a_place_that_no_link_leads_to_is_noticed():
    assert "what-cannot-be-known" in sections("docs/statistics.md")
    assert clicks("docs/statistics.md", "what-cannot-be-known") is None
