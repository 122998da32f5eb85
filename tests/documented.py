"""What README and docs tell a reader to type: every command and every piece of Python, in the order of the page.

A command that needs more than this machine says so, in its comment or in the comment above it: "needs a phone".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROGRAMS = frozenset({".", "cd", "gradle", "make", "modnet-export", "npm", "pip", "python", "python3", "sh"})
NEEDS = frozenset({"a Mac", "a camera", "a cluster", "a phone", "an emulator", "Gradle", "QEMU", "the internet"})
_NEEDS = re.compile(rf"\bneeds? ({'|'.join(sorted(NEEDS))})\b")
_GENERATED = {"commands.md"}


@dataclass(frozen=True)
class Step:
    """One command, or one block of Python."""

    page: str
    line: int
    text: str
    """Without the comment."""
    python: bool = False
    comment: str = ""
    needs: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.text.splitlines()[0]}"


def pages() -> list[Path]:
    """README, CONTRIBUTING and the pages that people wrote."""
    written = [path for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in _GENERATED]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def steps(path: Path) -> list[Step]:
    """What a page tells to type, in order."""
    return list(_steps(path.name, path.read_text(encoding="utf-8").splitlines()))


def _steps(page: str, lines: list[str]) -> Iterator[Step]:
    above: str | None = None  # what the comment above says is needed, down to the end of the block
    fence: tuple[str, int] | None = None
    for number, line in enumerate(lines, start=1):
        if line.startswith("```"):
            if fence and fence[0] == "python":
                text = "\n".join(lines[fence[1] : number - 1])
                yield Step(page, fence[1] + 1, text, python=True, needs=_needed(text))
            fence = None if fence else (line[3:].strip(), number)
        elif fence is None and line.startswith("    "):
            text, _, comment = line.strip().partition(" #")
            if line.strip().startswith("# "):
                above = _needed(line)
            elif line.split()[0] in PROGRAMS:
                yield Step(page, number, text.strip(), comment=comment.strip(), needs=_needed(comment) or above)
        else:
            above = None


def _needed(comment: str) -> str | None:
    found = _NEEDS.search(comment)
    return found[1] if found else None
